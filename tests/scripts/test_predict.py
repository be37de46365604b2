"""predict.sh with a small HTTP server."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from support.clones import Clone
from support.processes import free_port

SCRIPT = "local_test/predict.sh"


@dataclass
class RecordingServer:
    """Requests that a server received, and its response."""

    port: int = 0
    status: int = 200
    answer: bytes = b"setosa\n"
    requests: list[tuple[str, str | None, bytes]] = field(default_factory=list)


@pytest.fixture
def endpoint() -> Iterator[RecordingServer]:
    """A server that records each request."""
    endpoint = RecordingServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            endpoint.requests.append((self.path, self.headers["Content-Type"], body))
            self.send_response(endpoint.status)
            self.send_header("Content-Length", str(len(endpoint.answer)))
            self.end_headers()
            self.wfile.write(endpoint.answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        endpoint.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield endpoint
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("arguments", [[], ["a", "b", "c"]], ids=["none", "three"])
def test_predict_rejects_wrong_arguments(tmp_path: Path, arguments: list[str]) -> None:
    """No file, or too many arguments, results in the usage and exit code 2."""
    ended = Clone(tmp_path).run(SCRIPT, *arguments)

    assert ended.code == 2
    assert ended.err == "usage: predict.sh PAYLOAD [CONTENT_TYPE]\n"


def test_predict_reports_an_unreadable_file(tmp_path: Path) -> None:
    """A missing file is named in one sentence."""
    ended = Clone(tmp_path).run(SCRIPT, "no such file.csv")

    assert ended.code == 1
    assert ended.err == "predict: the file no such file.csv does not exist or cannot be read.\n"


def test_predict_sends_the_file_unchanged(tmp_path: Path, endpoint: RecordingServer) -> None:
    """Every byte of a file, relative to the caller's directory, is sent to /invocations as CSV."""
    content = b"5.1,3.5,1.4,0.2\r\n\n@6.2,2.2,4.5,1.5\xff\x00"
    (tmp_path / "a payload.csv").write_bytes(content)

    ended = Clone(tmp_path).run(SCRIPT, "a payload.csv", PORT=str(endpoint.port))

    assert endpoint.requests == [("/invocations", "text/csv", content)]
    assert (ended.code, ended.out, ended.err) == (0, "setosa\n", "")


def test_predict_sends_the_given_content_type(tmp_path: Path, endpoint: RecordingServer) -> None:
    """The second argument is the content type."""
    payload = tmp_path / "payload.json"
    payload.write_text('{"instances": []}', encoding="utf-8")

    ended = Clone(tmp_path).run(SCRIPT, payload, "application/json", PORT=str(endpoint.port))

    assert ended.code == 0
    assert endpoint.requests == [("/invocations", "application/json", payload.read_bytes())]


def test_predict_bypasses_a_proxy(tmp_path: Path, endpoint: RecordingServer) -> None:
    """A proxy of the environment is not used for this machine."""
    clone = Clone(tmp_path)

    ended = clone.run(
        SCRIPT,
        clone.local_test / "payload.csv",
        PORT=str(endpoint.port),
        http_proxy="http://127.0.0.1:9",
        ALL_PROXY="http://127.0.0.1:9",
    )

    assert (ended.code, ended.out) == (0, "setosa\n")


@pytest.mark.parametrize("status", [400, 415, 503])
def test_predict_prints_an_error_response_and_fails(
    tmp_path: Path, endpoint: RecordingServer, status: int
) -> None:
    """The server's message is printed, and the exit code is not 0."""
    endpoint.status, endpoint.answer = status, b'{"error": "MalformedPayload"}\n'
    clone = Clone(tmp_path)

    ended = clone.run(SCRIPT, clone.local_test / "payload.csv", PORT=str(endpoint.port))

    assert ended.code != 0
    assert ended.out == '{"error": "MalformedPayload"}\n'
    assert str(status) in ended.err


def test_predict_fails_when_nothing_listens(tmp_path: Path) -> None:
    """Without a server the reason is on standard error, and the exit code is not 0."""
    clone = Clone(tmp_path)

    ended = clone.run(SCRIPT, clone.local_test / "payload.csv", PORT=str(free_port()))

    assert ended.code != 0
    assert ended.out == ""
    assert ended.err != ""

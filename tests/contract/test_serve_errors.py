"""Every error of `serve` is short JSON with a status, from the app, gunicorn or nginx."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from support.material import OptMl
from support.processes import DEADLINE_SECONDS, await_condition
from support.servers import LoggedServer, serving

ROW = b"5.1,3.5,1.4,0.2\n"
KEYS = ["error", "message", "row", "column", "request_id"]
IDS = {
    "X-Amzn-SageMaker-Custom-Attributes": "trace=7",
    "X-Amzn-SageMaker-Inference-Id": "inference 1",
}


@pytest.fixture(scope="module")
def server(trained: OptMl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedServer]:
    """Return a server that is ready and accepts bodies up to 1 MiB."""
    directory = tmp_path_factory.mktemp("errors")
    with serving(trained, directory, SAGEMAKER_MAX_PAYLOAD_IN_MB="1") as server:
        server.await_ready()
        yield server


def assert_error(status: int, content_type: str | None, body: bytes, expected: int) -> None:
    """Check that a response has the format of all errors."""
    assert status == expected
    assert content_type == "application/json", body
    assert list(json.loads(body)) == KEYS
    assert len(body.decode()) < 2048
    assert body.endswith(b"}\n")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "error"),
    [
        ("POST", "/invocations", b"1,2,3\n", {}, 400, "MalformedPayload"),
        ("POST", "/invocations", b"", {}, 400, "MalformedPayload"),
        ("POST", "/invocations", b"a,b,c,d\n", {}, 400, "MalformedPayload"),
        ("POST", "/invocations", b"\0\1\2", {}, 400, "MalformedPayload"),
        ("POST", "/invocations", b"{", {"Content-Type": "application/json"}, 400, None),
        ("POST", "/invocations", b"x" * 100_000, {}, 400, "MalformedPayload"),
        ("POST", "/invocations", ROW, {"Accept": "image/png"}, 406, "NotAcceptable"),
        ("POST", "/invocations", ROW, {"Accept": "image/" + "p" * 4000}, 406, "NotAcceptable"),
        ("POST", "/invocations", b"{}", {"Content-Type": "image/png"}, 415, None),
        ("POST", "/invocations", ROW, {"Content-Type": "image/" + "p" * 4000}, 415, None),
        ("POST", "/invocations", ROW, {"Content-Type": "text/csv; charset=utf-16"}, 415, None),
        ("POST", "/invocations", ROW * 70_000, {}, 413, "PayloadTooLarge"),
        ("POST", "/ping", ROW * 70_000, {}, 413, "PayloadTooLarge"),
        ("GET", "/invocations", None, {}, 405, "MethodNotAllowed"),
        ("DELETE", "/ping", None, {}, 405, "MethodNotAllowed"),
        ("POST", "/metrics", ROW, {}, 405, "MethodNotAllowed"),
        ("PUT", "/execution-parameters", ROW, {}, 405, "MethodNotAllowed"),
        ("GET", "/", None, {}, 404, "NotFound"),
        ("POST", "/models", ROW, {}, 404, "NotFound"),
        ("GET", "/" + "x" * 20_000, None, {}, 414, "UriTooLong"),
    ],
)
def test_serve_answers_a_wrong_request_in_json(
    server: LoggedServer,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
    error: str | None,
) -> None:
    """A mistake of the caller is reported in JSON, never in HTML or as a traceback."""
    reply = server.ask(path, body, {"Content-Type": "text/csv"} | headers, method)

    assert_error(reply.status, reply.content_type, reply.body, status)
    assert error is None or reply.json()["error"] == error
    assert reply.json()["request_id"]


@pytest.mark.parametrize("path", ["/errors/failed", "/errors/no_such_page"])
def test_serve_has_no_pages_of_its_own(server: LoggedServer, path: str) -> None:
    """The error pages of nginx cannot be requested."""
    reply = server.ask(path)

    assert_error(reply.status, reply.content_type, reply.body, 404)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("\x16\x03\x01 no http", 400),
        ("GET /ping HTTP/1.1", 400),
        ("GET /ping HTTP/3.0\r\nHost: x", 400),
        ("TRACE /ping HTTP/1.1\r\nHost: x", 405),
        ("CONNECT /invocations HTTP/1.1\r\nHost: x", 405),
        ("POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: -3", 400),
        ("POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: other", 400),
        (f"GET /ping HTTP/1.1\r\nHost: x\r\nX-A: {'y' * 9000}", 431),
        (f"GET /ping HTTP/1.1\r\nHost: x\r\n{'X' * 9000}: y", 431),
        (f"GET /ping HTTP/1.1\r\nHost: x\r\nX-A: {'y' * 8184}", 431),
        ("GET /ping HTTP/1.1\r\nHost: x\r\n" + "\r\n".join([f"X-A: {'y' * 8000}"] * 6), 431),
        ("GET /ping HTTP/1.1\r\nHost: x\r\n" + "\r\n".join(["X-A: y"] * 9000), 431),
        ("GET /ping HTTP/1.1\r\nHost: x\r\n" + "\r\n".join(["X-A: y"] * 150), 431),
        ("POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: \x7f\r\nContent-Length: 0", 400),
        (f"GET /ping?{'x' * 5000} HTTP/1.1\r\nHost: x", 414),
    ],
    ids=[
        *("rubbish", "host", "version", "trace", "connect", "length", "encoding", "header"),
        *("name", "header of 8 KB", "headers of 48 KB", "many headers"),
        *("headers", "byte", "address"),
    ],
)
def test_serve_answers_malformed_http_in_json(server: LoggedServer, head: str, status: int) -> None:
    """A request that nginx or gunicorn refuses to read gets a response in JSON as well."""
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_SECONDS) as connection:
        connection.sendall(f"{head}\r\n\r\n".encode("latin-1"))
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        body = reply.read()

    assert_error(reply.status, reply.headers["Content-Type"], body, status)


def test_headers_that_are_echoed_may_be_long(server: LoggedServer) -> None:
    """A response with two headers of 8 KB passes nginx."""
    names = ("X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id")
    long = {name: "a" * (8100 - len(name)) for name in names}

    reply = server.ask("/ping", headers=long)

    assert reply.status == 200
    assert long.items() <= reply.headers.items()


@pytest.mark.parametrize(
    ("encoding", "status"), [("gzip", 415), ("identity, BR", 415), ("Identity", 200), ("", 200)]
)
def test_compressed_body_is_refused(server: LoggedServer, encoding: str, status: int) -> None:
    """A body in an encoding that is not supported would be read as if it were plain."""
    headers = {"Content-Type": "text/csv", "Content-Encoding": encoding}
    reply = server.ask("/invocations", ROW, headers)

    assert reply.status == status
    assert status == 200 or reply.json()["message"] == (
        f"The content encoding is {encoding!r}; send the body uncompressed."
    )


def test_header_of_a_request_cannot_write_to_the_terminal(server: LoggedServer) -> None:
    """Nginx quotes the header Referer as it is; the log has it with escapes."""
    mark = "\x1b]0;title\x07\x9b"
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_SECONDS) as connection:
        head = (
            f"POST /invocations HTTP/1.1\r\nHost: x\r\nReferer: {mark}\r\nContent-Length: 9999999"
        )
        connection.sendall(f"{head}\r\n\r\n".encode("latin-1"))
        assert b" 413 " in connection.recv(100)

    def logged() -> list[str]:
        return [text for text in server.messages() if "]0;title" in text]

    await_condition(lambda: logged() != [], "the line of nginx")
    assert logged()[0].startswith("nginx: ")
    assert "\x1b" not in server.raw_log()
    assert server.errors() == ""


def test_serve_names_the_limit_of_a_body(server: LoggedServer) -> None:
    """The response to a larger body is 413, with the limit and the setting that raises it."""
    reply = server.ask("/invocations", ROW * 70_000)

    assert reply.json()["message"] == (
        "The body is larger than 1048576 bytes; send fewer rows at once, or raise "
        "SAGEMAKER_MAX_PAYLOAD_IN_MB."
    )


def test_serve_refuses_a_chunked_body_over_the_limit(server: LoggedServer) -> None:
    """The limit applies to a body without Content-Length as well."""
    connection = server.connect()
    connection.request("POST", "/invocations", iter([ROW * 1000] * 70))
    reply = connection.getresponse()
    body = reply.read()
    connection.close()

    assert_error(reply.status, reply.headers["Content-Type"], body, 413)


@pytest.mark.parametrize(
    ("body", "row", "column"), [(b"1,2,3\n", 1, None), (ROW + b"1,2,x,4", 2, 3), (b"", None, None)]
)
def test_serve_returns_the_place_of_an_error(
    server: LoggedServer, body: bytes, row: int | None, column: int | None
) -> None:
    """A client finds the bad row without parsing the message."""
    reply = server.ask("/invocations", body, {"Content-Type": "text/csv"})

    assert (reply.json()["row"], reply.json()["column"]) == (row, column)


@pytest.mark.parametrize("headers", [{}, {"X-Request-Id": "of the client"}])
def test_request_id_of_a_response_is_in_the_log(
    server: LoggedServer, headers: dict[str, str]
) -> None:
    """Each request has its own id, the same in the response and in the log."""
    replies = [server.ask("/invocations", b"1,2,3\n", headers).json() for _ in range(5)]
    ids = [reply["request_id"] for reply in replies]

    def logged() -> list[int]:
        lines = [line for line in server.lines() if line.get("request_id") in ids]
        return [line["status"] for line in lines]

    await_condition(lambda: len(logged()) == 5, "a line for each request")
    assert logged() == [400] * 5
    assert len(set(ids)) == 5
    assert all(len(request_id) == 32 for request_id in ids)


@pytest.mark.parametrize(("body", "status"), [(ROW, 200), (b"1,2,3\n", 400)])
def test_serve_echoes_and_logs_the_headers_of_the_platform(
    server: LoggedServer, body: bytes, status: int
) -> None:
    """Custom attributes and inference id come back with responses and errors, and are logged."""
    ids = {name: f"{value} {status}" for name, value in IDS.items()}

    reply = server.ask("/invocations", body, ids)

    def logged() -> list[tuple[str, str]]:
        lines = [line for line in server.lines() if line.get("status") == status]
        return [(x["custom_attributes"], x["inference_id"]) for x in lines if "inference_id" in x]

    assert reply.status == status
    assert ids.items() <= reply.headers.items()
    await_condition(lambda: bool(logged()), "a line of the log")
    assert logged() == [(f"trace=7 {status}", f"inference 1 {status}")]

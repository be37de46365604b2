"""`serve` under batch transform: its variables, execution parameters and large bodies."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.material import OptMl
from support.servers import LoggedServer, serving

ROW = b"5.1,3.5,1.4,0.2\n"
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def server(trained: OptMl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoggedServer]:
    """Return a server as batch transform starts it, with marked bad rows."""
    variables = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "100",
        "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "1",
        "BAD_RECORDS": "mark",
    }
    with serving(trained, tmp_path_factory.mktemp("batch"), **variables) as server:
        server.await_ready()
        yield server


def test_execution_parameters_are_those_of_the_job(server: LoggedServer) -> None:
    """The response has the settings of the job."""
    reply = server.ask("/execution-parameters")

    assert reply.status == 200
    assert reply.json() == {"MaxConcurrentTransforms": 1, "MaxPayloadInMB": 100}


def test_execution_parameters_of_an_endpoint_use_every_worker(
    trained: OptMl, tmp_path: Path
) -> None:
    """The defaults are one mini-batch for each worker, of the platform's size."""
    with serving(trained, tmp_path, MODEL_SERVER_WORKERS="2") as server:
        server.await_ready()
        reply = server.ask("/execution-parameters")

    assert reply.json() == {"MaxConcurrentTransforms": 2, "MaxPayloadInMB": 6}


def test_more_workers_than_cores_answer_large_bodies(trained: OptMl, tmp_path: Path) -> None:
    """More large requests than workers, and more workers than cores: all are answered."""
    workers = len(os.sched_getaffinity(0)) + 2
    pool_size, n_rows = 4 * workers, 20_000
    with serving(trained, tmp_path, MODEL_SERVER_WORKERS=str(workers)) as server:
        server.await_ready()
        with ThreadPoolExecutor(pool_size) as pool:
            answers = pool.map(lambda _: server.ask("/invocations", ROW * n_rows), range(pool_size))
            replies = list(answers)

    assert [reply.status for reply in replies] == [200] * len(replies)
    assert {reply.body for reply in replies} == {b"setosa\n" * n_rows}


def test_batch_may_take_an_hour(server: LoggedServer) -> None:
    """The time-out is the maximum of batch transform."""
    (message,) = [text for text in server.messages() if text.startswith("serving ")]

    assert f" on port {server.port}: 3600 s for an answer, bodies up to 104857600 by" in message


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_body_of_100_mib_is_answered(server: LoggedServer, is_chunked: bool) -> None:
    """This is the largest body of batch transform, with or without Content-Length."""
    n_rows = 1024
    row = ROW.strip().ljust(100 * MEBIBYTE // n_rows // 256 - 1, b"0") + b"\n"
    part = row * 256
    connection = server.connect()
    connection.request("POST", "/invocations", iter([part] * n_rows) if is_chunked else part * 1024)
    response = connection.getresponse()
    body = response.read()
    connection.close()

    assert len(part) * n_rows == 100 * MEBIBYTE
    assert response.status == 200, body
    assert body == b"setosa\n" * n_rows * 256


def test_body_of_one_byte_more_is_refused(server: LoggedServer) -> None:
    """The limit is exact."""
    reply = server.invoke(b"0" * (100 * MEBIBYTE + 1))

    assert reply.status == 413


@pytest.mark.parametrize("accept", ["text/csv", "application/jsonlines"])
@pytest.mark.parametrize("end", [b"\n", b""], ids=["newline", "none"])
def test_reply_has_a_line_for_each_line(server: LoggedServer, accept: str, end: bytes) -> None:
    """The response always ends in a newline, the last line of the request may not."""
    lines = [ROW] * 19_999 + [ROW.strip() + end]
    connection = server.connect()
    connection.request(
        "POST", "/invocations", iter(lines), {"Content-Type": "text/csv", "Accept": accept}
    )
    body = connection.getresponse().read()
    connection.close()

    assert body.count(b"\n") == 20_000
    assert body.endswith(b"\n")


@pytest.mark.parametrize(
    ("accept", "reply"),
    [
        ("text/csv", b"\nsetosa\n\n"),
        ("application/jsonlines", b'null\n{"predicted_label":"setosa"}\nnull\n'),
        ("application/json", b'{"predictions":[null,{"predicted_label":"setosa"},null]}\n'),
    ],
)
def test_bad_records_are_marked(server: LoggedServer, accept: str, reply: bytes) -> None:
    """With BAD_RECORDS=mark each bad row keeps its place, and the other rows are answered."""
    answered = server.ask("/invocations", b"1,2,3\n" + ROW + b"x,1,2,3\n", {"Accept": accept})

    assert (answered.status, answered.body) == (200, reply)

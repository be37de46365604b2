"""Log and metrics of `serve` from its start to its end."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.material import OptMl
from support.processes import await_condition, children_of, train
from support.servers import Line, LoggedServer, serving

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SAMPLE = re.compile(r'([a-z_:]+)(\{(?:[a-z_]+="[^"]*",?)+\})? (-?[0-9.e+-]+)')
READY = "ready: every worker answers"

# No other text of the log may hold any of these by chance.
LABELS = ("zebra-label", "yak-label")
VALUES = ("5.1234567", "secret-cell", "7654321", "quagga")
BODIES = (
    (b"5.1234567,7654321\n", "text/csv", 200),
    (b"7654321,5.1234567\n" * 4000, "text/csv", 200),
    (b'{"instances": [[5.1234567, 7654321]]}', "application/json", 200),
    (b"5.1234567,secret-cell\n", "text/csv", 400),
    (b"5.1234567,7654321\n" * 4000 + b"quagga", "text/csv", 400),
    (b'{"quagga": ["secret-cell"]}', "application/json", 400),
    (b"\xffsecret-cell", "application/x-npy", 400),
    (b"quagga", "application/vnd.apache.parquet", 400),
)
N_ROWS = 1 + 4000 + 1


class Life(NamedTuple):
    """Record of a server that has started, answered requests and stopped."""

    code: int
    log: str
    errors: str
    lines: list[Line]
    statuses: list[int]
    metrics: list[str]
    """Two responses of /metrics, one after the other."""


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Return the record of a server that answered BODIES, pings and /metrics."""
    opt_ml = OptMl(tmp_path_factory.mktemp("marked"))
    opt_ml.write("marked.csv", f"{LABELS[0]},1,2\n{LABELS[1]},5,6\n" * 10)
    assert train(opt_ml).code == 0
    with serving(opt_ml, tmp_path_factory.mktemp("log")) as server:
        server.await_ready()
        statuses = [server.invoke(body, kind).status for body, kind, _ in BODIES]
        pings = {server.request("/ping").status for _ in range(20)}
        texts = [server.request("/metrics").body.decode() for _ in range(2)]
        await_condition(lambda: READY in server.messages(), "a line of process 1")
        ended = server.stop()
        assert pings == {200}
        return Life(ended.code, ended.log, server.errors(), server.lines(), statuses, texts)


def samples(text: str) -> Iterator[tuple[str, str, float]]:
    """Yield name, labels and value of each sample, and check the other lines."""
    for line in text.splitlines():
        if not re.match(r"# (HELP|TYPE) model_server_[a-z_]+ \S", line):
            found = SAMPLE.fullmatch(line)
            assert found, line
            yield found[1], found[2] or "", float(found[3])


def replace_worker(server: LoggedServer) -> None:
    """Kill the only worker, and wait until another is ready."""
    (master,) = server.children("gunicorn")
    before = children_of(master)
    os.kill(before[0], signal.SIGKILL)
    await_condition(lambda: children_of(master) not in ([], before), "another worker")
    server.await_ready()


def test_every_line_is_json_with_time_level_and_message(life: Life) -> None:
    """Every line of the log, from the first to the last, has the same form."""
    assert life.code == 0
    assert life.log.endswith("}\n")
    for line in life.lines:
        assert TIME.fullmatch(line["time"])
        assert line["level"] in {"INFO", "WARNING"}
        assert line["message"]


def test_nginx_logs_only_pings_that_came_too_early(life: Life) -> None:
    """Its lines are in the log as well, and nothing is written to standard error."""
    lines = [line["message"] for line in life.lines if line["message"].startswith("nginx: ")]

    assert all("upstream timed out" in line and "GET /ping" in line for line in lines)
    assert life.errors == ""


def test_phases_are_logged_in_their_order(life: Life) -> None:
    """The log shows each phase of the start and of the stop."""
    found = [line["message"] for line in life.lines]
    messages = [text for text in found if text != "request" and not text.startswith("nginx: ")]

    expected = [
        *("starting 2 workers as set: ", "serving ", *(2 * ["worker is ready "])),
        *(READY, "stop signal received; ", "stopped"),
    ]
    assert [
        next((words for words in expected if message.startswith(words)), message)
        for message in messages
    ] == expected


def test_each_request_except_a_successful_ping_is_logged(life: Life) -> None:
    """The line has the status, and the sizes instead of the payload."""
    lines = [line for line in life.lines if line["message"] == "request"]
    invocations = [line for line in lines if line["path"] == "/invocations"]

    assert life.statuses == [status for _, _, status in BODIES]
    assert [line["status"] for line in invocations] == life.statuses
    assert [line["bytes_in"] for line in invocations] == [len(body) for body, _, _ in BODIES]
    assert sum(line["rows"] for line in invocations) == N_ROWS
    assert all(line["status"] == 503 for line in lines if line["path"] == "/ping")
    assert [line["path"] for line in lines].count("/metrics") == 2


@pytest.mark.parametrize("word", [*VALUES, *LABELS])
def test_no_value_of_a_payload_is_logged(life: Life, word: str) -> None:
    """The log has no cell of a request and no label of a response."""
    assert word not in life.log
    assert word not in life.errors


def test_metrics_can_be_read_by_prometheus(life: Life) -> None:
    """Every line is a comment or a sample, and the buckets are cumulative."""
    found = list(samples(life.metrics[0]))

    buckets = [value for name, _, value in found if name.endswith("_seconds_bucket")]
    numbers = {name + labels: value for name, labels, value in found}
    statuses = [value for name, value in numbers.items() if "requests_total" in name]
    assert buckets == sorted(buckets)
    assert buckets[-1] == numbers["model_server_request_duration_seconds_count"] == sum(statuses)
    assert numbers['model_server_request_duration_seconds_bucket{le="+Inf"}'] == buckets[-1]


def test_metrics_are_those_of_all_workers(life: Life) -> None:
    """Any worker returns the totals of all, including the request before."""
    first, second = (
        {name + labels: value for name, labels, value in samples(text)} for text in life.metrics
    )

    succeeded = 'model_server_requests_total{status="2xx"}'
    assert first[succeeded] == life.statuses.count(200)
    assert second[succeeded] == first[succeeded] + 1
    assert first['model_server_requests_total{status="4xx"}'] == life.statuses.count(400)
    assert first["model_server_rows_total"] == second["model_server_rows_total"] == N_ROWS
    assert first["model_server_request_bytes_total"] == sum(len(body) for body, _, _ in BODIES)


def test_metrics_have_the_state_of_the_workers(life: Life) -> None:
    """Both workers are ready with the model, and no invocation is in progress."""
    numbers = {name: value for name, labels, value in samples(life.metrics[0]) if not labels}

    assert numbers["model_server_workers"] == numbers["model_server_workers_ready"] == 2
    assert numbers["model_server_model_loaded"] == 1
    assert numbers["model_server_requests_in_progress"] == 0
    assert numbers["model_server_large_requests_queued"] == 0


def test_counters_outlive_a_worker(trained: OptMl, tmp_path: Path) -> None:
    """A counter that decreases would look like a restart of the server."""
    with serving(trained, tmp_path, MODEL_SERVER_WORKERS="1") as server:
        server.await_ready()
        for _ in range(3):
            server.invoke("5.1,3.5,1.4,0.2")
        replace_worker(server)
        text = server.request("/metrics").body.decode()

    assert "\nmodel_server_rows_total 3.0\n" in text


@pytest.mark.parametrize(("level", "expected"), [("ERROR", 0), ("30", 1), ("INFO", 2)])
def test_level_says_how_much_is_logged(
    trained: OptMl, tmp_path: Path, level: str, expected: int
) -> None:
    """At WARNING only failed requests are logged, at ERROR none."""
    with serving(trained, tmp_path, SAGEMAKER_CONTAINER_LOG_LEVEL=level) as server:
        server.await_ready()
        server.invoke("5.1,3.5,1.4,0.2")
        server.invoke("5.1")
        server.stop()
        lines = [line for line in server.lines() if line.get("path") == "/invocations"]

    assert len(lines) == expected

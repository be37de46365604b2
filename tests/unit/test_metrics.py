"""The answer to /metrics, in the text format of Prometheus."""

import tempfile
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from container.serving.metrics import CONTENT_TYPE, exposition
from container.serving.scoreboard import Scoreboard
from container.serving.slot import BOUNDS_SECONDS

Request = tuple[int, int, int, int, float]
Samples = dict[str, float]

COUNTERS = {
    "model_server_requests": "counter",
    "model_server_rows": "counter",
    "model_server_request_bytes": "counter",
    "model_server_response_bytes": "counter",
}
HISTOGRAM = "model_server_request_duration_seconds"
GAUGES = (
    "model_server_workers",
    "model_server_workers_ready",
    "model_server_model_loaded",
    "model_server_requests_in_progress",
    "model_server_large_requests_queued",
)
REQUESTS = st.tuples(
    st.sampled_from([200, 400, 404, 500, 503]),
    *[st.integers(0, 2**40)] * 3,
    st.floats(0, 200) | st.sampled_from(BOUNDS_SECONDS),
)


def parse(text: str) -> tuple[dict[str, str], Samples]:
    """Return the type of each family, and the value of each sample by its name and label."""
    types: dict[str, str] = {}
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in types
        assert family.documentation
        types[family.name] = family.type
        for sample in family.samples:
            name = " ".join([sample.name, *sample.labels.values()])
            assert name not in samples
            samples[name] = sample.value
    return types, samples


@given(st.lists(REQUESTS, max_size=5))
def test_exposition_has_each_counter(requests: list[Request]) -> None:
    """Every number is under its name, and the histogram is cumulative."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Scoreboard.create(Path(folder) / "scoreboard", 1)) as scoreboard,
        closing(scoreboard.claim()) as slot,
    ):
        for request in requests:
            slot.count(*request)
        types, samples = parse(exposition(scoreboard).decode())

    statuses = [request[0] // 100 for request in requests]
    buckets = [samples.pop(f"{HISTOGRAM}_bucket {bound!r}") for bound in BOUNDS_SECONDS]
    assert types == {**COUNTERS, HISTOGRAM: "histogram", **dict.fromkeys(GAUGES, "gauge")}
    assert buckets == [sum(request[4] <= bound for request in requests) for bound in BOUNDS_SECONDS]
    assert {name: samples[name] for name in samples if name not in GAUGES} == {
        "model_server_requests_total 2xx": statuses.count(2),
        "model_server_requests_total 4xx": statuses.count(4),
        "model_server_requests_total 5xx": statuses.count(5),
        "model_server_rows_total": sum(request[1] for request in requests),
        "model_server_request_bytes_total": sum(request[2] for request in requests),
        "model_server_response_bytes_total": sum(request[3] for request in requests),
        f"{HISTOGRAM}_bucket +Inf": len(requests),
        f"{HISTOGRAM}_count": len(requests),
        f"{HISTOGRAM}_sum": sum(int(request[4] * 1e6) for request in requests) / 1e6,
    }


def test_exposition_has_the_gauges(tmp_path: Path) -> None:
    """Workers, ready workers, the model, requests in progress and queued requests."""
    with (
        closing(Scoreboard.create(tmp_path / "scoreboard", 3)) as scoreboard,
        closing(scoreboard.claim()) as one,
        closing(scoreboard.claim()) as other,
    ):
        one.ready()
        other.ready()
        one.begin()
        one.queued(4)
        other.begin()
        other.queued(1)
        _, samples = parse(exposition(scoreboard).decode())

    assert {name: samples[name] for name in GAUGES} == {
        "model_server_workers": 3,
        "model_server_workers_ready": 2,
        "model_server_model_loaded": 1,
        "model_server_requests_in_progress": 2,
        "model_server_large_requests_queued": 5,
    }


def test_content_type_names_the_version_of_the_format() -> None:
    """Prometheus reads it to choose its parser."""
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


def test_bounds_run_from_a_tenth_of_a_millisecond_to_100_seconds() -> None:
    """There are six bounds a decade; each is at most 1.5 times the one before."""
    ratios = [high / low for low, high in pairwise(BOUNDS_SECONDS)]

    assert (BOUNDS_SECONDS[0], BOUNDS_SECONDS[-1], len(BOUNDS_SECONDS)) == (0.0001, 100.0, 37)
    assert 1.4 < min(ratios) < max(ratios) <= 1.5 + 1e-9

"""The counters as Prometheus and CloudWatch read them."""

import json
import math
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.serving.metrics import (
    BOUNDS_SECONDS,
    INTERVAL_SECONDS,
    N_BUCKETS,
    N_COUNTERS,
    Reporter,
    Totals,
    embedded,
    percentile_seconds,
    prometheus,
)

COUNTERS = st.lists(st.integers(0, 2**50), min_size=N_COUNTERS, max_size=N_COUNTERS)
SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="([^"\\]*)"\})? (\S+)')
Samples = dict[tuple[str, str | None], float]


def bucketed(latencies: list[float]) -> list[int]:
    """Return the count of each bucket."""
    buckets = [0] * N_BUCKETS
    for seconds in latencies:
        buckets[sum(bound < seconds for bound in BOUNDS_SECONDS)] += 1
    return buckets


def totals(latencies: list[float], **counters: int) -> Totals:
    """Return totals with these latencies."""
    time = sum(round(seconds * 1e6) for seconds in latencies)
    return Totals(microseconds=time, buckets=tuple(bucketed(latencies)), **counters)


def parse(text: str) -> tuple[dict[str, str], Samples]:
    """Read the exposition format 0.0.4: the type of each family, and each sample by its label.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    assert text.endswith("\n")
    types: dict[str, str] = {}
    samples: Samples = {}
    helped = family = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped, meaning = line[7:].split(" ", 1)
            assert meaning
        elif line.startswith("# TYPE "):
            family, kind = line[7:].split(" ")
            assert family == helped
            assert family not in types
            types[family] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, _, value, number = match.groups()
            suffixes = ("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)
            assert name in {family + suffix for suffix in suffixes}
            assert (name, value) not in samples
            samples[name, value] = float(number)
    return types, samples


@given(COUNTERS)
def test_prometheus_finds_each_counter(counters: list[int]) -> None:
    """The text can be read, and every number is under its name."""
    now = Totals.from_counters(counters)

    types, samples = parse(prometheus(now))

    histogram = "model_server_request_duration_seconds"
    assert types == {
        "model_server_requests_total": "counter",
        "model_server_rows_total": "counter",
        "model_server_request_bytes_total": "counter",
        "model_server_response_bytes_total": "counter",
        histogram: "histogram",
    }
    buckets = [samples.pop((f"{histogram}_bucket", repr(le))) for le in BOUNDS_SECONDS]
    buckets.append(samples.pop((f"{histogram}_bucket", "+Inf")))
    assert buckets == [float(sum(now.buckets[: i + 1])) for i in range(N_BUCKETS)]
    assert samples == {
        ("model_server_requests_total", "2xx"): now.succeeded,
        ("model_server_requests_total", "4xx"): now.client_errors,
        ("model_server_requests_total", "5xx"): now.server_errors,
        ("model_server_rows_total", None): now.rows,
        ("model_server_request_bytes_total", None): now.bytes_in,
        ("model_server_response_bytes_total", None): now.bytes_out,
        (f"{histogram}_sum", None): now.microseconds / 1e6,
        (f"{histogram}_count", None): buckets[-1],
    }


def test_bounds_run_from_a_tenth_of_a_millisecond_to_100_seconds() -> None:
    """Six bounds a decade, each larger than the one before by half at most."""
    ratios = [high / low for low, high in pairwise(BOUNDS_SECONDS)]

    assert (BOUNDS_SECONDS[0], BOUNDS_SECONDS[-1], len(BOUNDS_SECONDS)) == (0.0001, 100.0, 37)
    assert 1.4 < min(ratios) < max(ratios) <= 1.5 + 1e-9


@given(
    st.lists(st.floats(0, 100) | st.sampled_from(BOUNDS_SECONDS), min_size=1), st.integers(1, 100)
)
def test_percentile_is_within_the_bucket_of_the_true_one(
    latencies: list[float], percent: int
) -> None:
    """The estimate is off by the width of that bucket at most."""
    true = float(np.percentile(latencies, percent, method="inverted_cdf"))
    bucket = sum(bound < true for bound in BOUNDS_SECONDS)
    lower = BOUNDS_SECONDS[bucket - 1] if bucket else 0.0

    estimate = percentile_seconds(bucketed(latencies), percent)

    assert estimate is not None
    assert lower < estimate <= BOUNDS_SECONDS[bucket]


@pytest.mark.parametrize(
    ("latencies", "percent", "estimate"),
    [
        ([], 50, None),
        ([0.0], 100, 0.0001),
        ([0.012] * 4, 50, 0.0125),
        ([0.012] * 9 + [3.0], 90, 0.015),
        ([0.012] * 9 + [3.0], 91, 3.3),
        ([1e6], 50, 100.0),
    ],
)
def test_percentile_spreads_the_requests_of_a_bucket_evenly(
    latencies: list[float], percent: int, estimate: float | None
) -> None:
    """Within a bucket the estimate follows the rank; what is too slow counts as the last bound."""
    assert percentile_seconds(bucketed(latencies), percent) == (
        None if estimate is None else pytest.approx(estimate)
    )


def test_embedded_document_tells_of_the_interval() -> None:
    """Only what happened between the two totals counts, and each metric has name and unit."""
    before = totals([50.0] * 5, succeeded=5, rows=10)
    now = totals([50.0] * 5 + [0.012] * 4, succeeded=6, client_errors=2, server_errors=1, rows=13)

    assert embedded(before, now, 60.04, 1_700_000_000_123) == {
        "_aws": {
            "Timestamp": 1_700_000_000_123,
            "CloudWatchMetrics": [
                {
                    "Namespace": "ModelServer",
                    "Dimensions": [[]],
                    "Metrics": [
                        {"Name": "Requests", "Unit": "Count"},
                        {"Name": "Errors4xx", "Unit": "Count"},
                        {"Name": "Errors5xx", "Unit": "Count"},
                        {"Name": "Rows", "Unit": "Count"},
                        {"Name": "LatencyP50", "Unit": "Milliseconds"},
                        {"Name": "LatencyP90", "Unit": "Milliseconds"},
                        {"Name": "LatencyP99", "Unit": "Milliseconds"},
                    ],
                }
            ],
        },
        "IntervalSeconds": 60.0,
        "Requests": 4,
        "Errors4xx": 2,
        "Errors5xx": 1,
        "Rows": 3,
        "LatencyP50": 12.5,
        "LatencyP90": 15.0,
        "LatencyP99": 15.0,
    }


@given(COUNTERS, st.integers(0, 2**42))
def test_embedded_document_is_valid(counters: list[int], timestamp_ms: int) -> None:
    """It keeps the rules of the specification, with and without requests.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    document = embedded(Totals(), Totals.from_counters(counters), 60, timestamp_ms)
    line = json.dumps(document, allow_nan=False)

    assert json.loads(line) == document
    assert "\n" not in line
    assert set(document["_aws"]) == {"Timestamp", "CloudWatchMetrics"}
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert 1 <= len(directive["Namespace"]) <= 255
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert len(set(names)) == len(names) <= 100
    assert all(math.isfinite(document[name]) for name in names)
    assert {metric["Unit"] for metric in directive["Metrics"]} <= {"Count", "Milliseconds"}


class Server:
    """Totals and clocks that a reporter reads."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.reporter = Reporter(lambda: self.totals, 1000.0, lambda: 1_700_000_000.25)

    def answer(self, requests: int) -> None:
        """Count requests."""
        self.totals = Totals(succeeded=self.totals.succeeded + requests)


def requests(document: dict[str, Any] | None) -> tuple[int, float, int] | None:
    """Return requests, length and end of the interval of a document."""
    if document is None:
        return None
    return document["Requests"], document["IntervalSeconds"], document["_aws"]["Timestamp"]


def test_reporter_speaks_once_an_interval() -> None:
    """Each document has the requests since the one before, and none comes early."""
    server = Server()
    server.answer(3)
    told = [server.reporter.due(1000 + INTERVAL_SECONDS - 0.5)]
    told += [server.reporter.due(1061), server.reporter.due(1062)]
    server.answer(2)
    told.append(server.reporter.due(1122.5))

    end = 1_700_000_000_250
    assert [requests(document) for document in told] == [None, (3, 61, end), None, (2, 61.5, end)]


def test_reporter_is_silent_about_an_interval_without_requests() -> None:
    """A minute in which nothing happened has no line, and is no part of the next one."""
    server = Server()
    told = [server.reporter.due(1060)]
    server.answer(1)
    told += [server.reporter.due(1100), server.reporter.due(1120), server.reporter.due(1180)]

    assert [requests(document) for document in told] == [
        None,
        None,
        (1, 60, 1_700_000_000_250),
        None,
    ]


def test_reporter_tells_the_rest_at_the_end() -> None:
    """What happened since the last document is told when the server stops, and told once."""
    server = Server()
    server.answer(4)
    told = [server.reporter.rest(1010), server.reporter.rest(1011)]

    assert [requests(document) for document in told] == [(4, 10, 1_700_000_000_250), None]


@pytest.mark.parametrize(("now", "seconds"), [(1000, 60), (1059.5, 0.5), (1060, 0), (2000, 0)])
def test_reporter_says_how_long_to_wait(now: float, seconds: float) -> None:
    """Process 1 need not look before."""
    assert Server().reporter.remaining_seconds(now) == seconds

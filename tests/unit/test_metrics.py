"""The counters as Prometheus reads them."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from container.serving.metrics import (
    BOUNDS_SECONDS,
    N_BUCKETS,
    N_COUNTERS,
    Totals,
    prometheus,
)

COUNTERS = st.lists(st.integers(0, 2**50), min_size=N_COUNTERS, max_size=N_COUNTERS)
SAMPLE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="([^"\\]*)"\})? (\S+)')
Samples = dict[tuple[str, str | None], float]


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

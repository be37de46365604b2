"""Counters of the endpoint, added up over the workers, as Prometheus and CloudWatch read them."""

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Self

_STEPS = (1, 1.5, 2.2, 3.3, 4.7, 6.8)
BOUNDS_SECONDS = (*(float(f"{step}e{ten}") for ten in range(-4, 2) for step in _STEPS), 100.0)
"""Upper bounds of the buckets of the latency; one more bucket takes what is slower.

Each is about half as large again as the one before (the series E6 of IEC 60063), so an estimate
is off by half at most.
"""

N_BUCKETS = len(BOUNDS_SECONDS) + 1

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of `prometheus`."""

INTERVAL_SECONDS = 60.0
"""How often the log has a line of metrics: CloudWatch keeps one value a minute."""

NAMESPACE = "ModelServer"
"""Where CloudWatch files the metrics; names that begin with AWS/ are its own."""

_PREFIX = "model_server_"
_PERCENTS = (50, 90, 99)


@dataclass(frozen=True)
class Totals:
    """What has been counted since the server started; every number only ever grows.

    A reader may come between two steps of one count, so that the numbers differ by the requests
    that are being counted at that moment.
    """

    succeeded: int = 0
    """Requests answered with a status below 400."""

    client_errors: int = 0
    server_errors: int = 0
    rows: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    microseconds: int = 0
    """The time of all answers."""

    buckets: tuple[int, ...] = (0,) * N_BUCKETS
    """Requests by latency: `buckets[i]` took more than bound i - 1 and at most bound i."""

    @classmethod
    def from_counters(cls, counters: Sequence[int]) -> Self:
        """Name the counters; `counters` has N_COUNTERS integers in the order of the fields."""
        succeeded, client, server, rows, bytes_in, bytes_out, microseconds, *buckets = counters
        return cls(
            succeeded, client, server, rows, bytes_in, bytes_out, microseconds, tuple(buckets)
        )

    @property
    def counters(self) -> tuple[int, ...]:
        """The numbers in the order of the fields."""
        return (
            self.succeeded,
            self.client_errors,
            self.server_errors,
            self.rows,
            self.bytes_in,
            self.bytes_out,
            self.microseconds,
            *self.buckets,
        )

    @property
    def requests(self) -> int:
        """Requests of any status."""
        return self.succeeded + self.client_errors + self.server_errors

    def __sub__(self, before: "Totals") -> "Totals":
        return Totals.from_counters(
            [now - then for now, then in zip(self.counters, before.counters, strict=True)]
        )


N_COUNTERS = len(Totals().counters)


def percentile_seconds(buckets: Sequence[int], percent: int) -> float | None:
    """Estimate the latency that `percent` of the requests did not exceed; None without requests.

    It lies in the bucket of the true one, as if the requests of a bucket were spread evenly over
    its width. What is slower than the last bound counts as that bound.

    Args:
        buckets: N_BUCKETS counts, as in `Totals`.
        percent: from 1 to 100.
    """
    rank = math.ceil(sum(buckets) * percent / 100)
    if rank == 0:
        return None
    reached = list(accumulate(buckets))
    bucket = bisect_left(reached, rank)
    if bucket == len(BOUNDS_SECONDS):
        return BOUNDS_SECONDS[-1]
    lower = BOUNDS_SECONDS[bucket - 1] if bucket else 0.0
    share = 1 - (reached[bucket] - rank) / buckets[bucket]
    return lower + share * (BOUNDS_SECONDS[bucket] - lower)


def prometheus(totals: Totals) -> str:
    """Return the answer to /metrics, whose content type is PROMETHEUS.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    requests = [
        ('{status="2xx"}', totals.succeeded),
        ('{status="4xx"}', totals.client_errors),
        ('{status="5xx"}', totals.server_errors),
    ]
    lines = [
        *_family("requests_total", "counter", "Requests answered, by class of status.", requests),
        *_family("rows_total", "counter", "Rows that were predicted.", [("", totals.rows)]),
        *_family(
            "request_bytes_total", "counter", "Bytes of their bodies.", [("", totals.bytes_in)]
        ),
        *_family(
            "response_bytes_total", "counter", "Bytes of the answers.", [("", totals.bytes_out)]
        ),
        *_family(
            "request_duration_seconds",
            "histogram",
            "Time from request to answer.",
            _durations(totals),
        ),
    ]
    return "\n".join(lines) + "\n"


def embedded(before: Totals, now: Totals, seconds: float, timestamp_ms: int) -> dict[str, Any]:
    """Return what happened between two totals as a document of CloudWatch's embedded format.

    CloudWatch makes metrics of it when it is a line of the log by itself, in JSON and with nothing
    before it. Latencies are left out when there was no request.

    Args:
        before: the totals at the start of the interval.
        now: the totals at its end.
        seconds: the length of the interval; in the document it is no metric.
        timestamp_ms: the end of the interval, in milliseconds since 1970 UTC.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = list(_interval_metrics(now - before))
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[]],  # the platform tells a container neither its endpoint nor its variant
        "Metrics": [{"Name": name, "Unit": unit} for name, unit, _ in metrics],
    }
    return {
        "_aws": {"Timestamp": timestamp_ms, "CloudWatchMetrics": [directive]},
        "IntervalSeconds": round(seconds, 1),
        **{name: value for name, _, value in metrics},
    }


class Reporter:
    """Says once in INTERVAL_SECONDS what has happened since it last looked.

    An interval without requests is not worth a line: for CloudWatch the sum of nothing is absent,
    and an idle endpoint would write, and be billed for, 1440 lines a day.
    """

    def __init__(
        self, read: Callable[[], Totals], now: float, wall: Callable[[], float] = time.time
    ) -> None:
        """Begin the first interval.

        Args:
            read: gives the totals.
            now: seconds, on the same clock as for `due`; a monotonic one.
            wall: gives seconds since 1970 UTC.
        """
        self._read = read
        self._wall = wall
        self._since = now
        self._before = read()

    def remaining_seconds(self, now: float) -> float:
        """Return how long it is until the interval is over."""
        return max(0.0, self._since + INTERVAL_SECONDS - now)

    def due(self, now: float) -> dict[str, Any] | None:
        """Return the document of the interval that is over, if one is and had requests."""
        return None if self.remaining_seconds(now) else self.rest(now)

    def rest(self, now: float) -> dict[str, Any] | None:
        """Return the document of the interval as far as it has gone: for the end of the server."""
        before, since = self._before, self._since
        self._before, self._since = self._read(), now
        if self._before.requests == before.requests:
            return None
        return embedded(before, self._before, now - since, int(self._wall() * 1000))


def _family(
    name: str, kind: str, meaning: str, samples: Sequence[tuple[str, float]]
) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {meaning}"
    yield f"# TYPE {_PREFIX}{name} {kind}"
    for suffix, value in samples:
        yield f"{_PREFIX}{name}{suffix} {value}"


def _durations(totals: Totals) -> list[tuple[str, float]]:
    """Return the samples of the histogram; their count is that of the buckets, as it must be."""
    reached = list(accumulate(totals.buckets))
    bounds = [*map(repr, BOUNDS_SECONDS), "+Inf"]
    return [
        *((f'_bucket{{le="{le}"}}', count) for le, count in zip(bounds, reached, strict=True)),
        ("_sum", totals.microseconds / 1_000_000),
        ("_count", reached[-1]),
    ]


def _interval_metrics(totals: Totals) -> Iterator[tuple[str, str, float]]:
    """Yield name, unit and value of what CloudWatch keeps."""
    yield "Requests", "Count", totals.requests
    yield "Errors4xx", "Count", totals.client_errors
    yield "Errors5xx", "Count", totals.server_errors
    yield "Rows", "Count", totals.rows
    for percent in _PERCENTS:
        seconds = percentile_seconds(totals.buckets, percent)
        if seconds is not None:
            yield f"LatencyP{percent}", "Milliseconds", round(seconds * 1000, 3)

"""Counters of the endpoint, added up over the workers, in the text format of Prometheus."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

_STEPS = (1, 1.5, 2.2, 3.3, 4.7, 6.8)
BOUNDS_SECONDS = (*(float(f"{step}e{ten}") for ten in range(-4, 2) for step in _STEPS), 100.0)
"""Upper bounds of the buckets of the latency; one more bucket takes what is slower.

Each is about half as large again as the one before (the series E6 of IEC 60063), so an estimate
is off by half at most.
"""

N_BUCKETS = len(BOUNDS_SECONDS) + 1

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of `prometheus`."""

_PREFIX = "model_server_"


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


N_COUNTERS = len(Totals().counters)


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

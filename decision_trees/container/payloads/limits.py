"""Limits of one request: it fits into the memory of a worker, whatever its body says.

A body, its table and the response each have a share of the memory that one request may take. While
a body is decoded, there are at most two copies of it and of its table; afterwards the body, the
table and the response exist. A few bytes can describe any number of rows, so the number of rows is
also limited by the size of the body.
"""

from container.errors import PayloadTooLarge

MAX_CELLS = 2**27
"""Maximum number of cells in a request, 512 MiB, however much memory there is."""

FREE_CELLS = 2**22
"""Number of cells that a body of any size may have, 16 MiB."""

CELLS_PER_BYTE = 250
"""Maximum number of further cells for each byte of a body: a sparse row of text needs about 100."""

_FREE_REPLY_BYTES = 40 * 2**20
_REPLY_BYTES_PER_CELL = 4 * 8

_REMEDY = "send fewer rows per request"


def refuse_body(n_bytes: int, request_bytes: int) -> None:
    """Raise PayloadTooLarge for a body that leaves no room for its rows."""
    most = request_bytes // 4
    if n_bytes > most:
        raise PayloadTooLarge(
            f"The body has {n_bytes} bytes; the memory of this container allows {most} bytes per "
            f"request; {_REMEDY}, or use an instance with more memory."
        )


def max_rows(n_bytes: int, n_features: int, request_bytes: int) -> int:
    """Return the maximum number of rows in a body of `n_bytes`; at least 1."""
    of_body = FREE_CELLS + CELLS_PER_BYTE * n_bytes
    cells = min(MAX_CELLS, request_bytes // 16, of_body)
    return max(1, cells // n_features)


def refuse_rows(n_rows: int, n_bytes: int, n_features: int, request_bytes: int) -> None:
    """Raise PayloadTooLarge if a body of `n_bytes` has too many rows."""
    most = max_rows(n_bytes, n_features, request_bytes)
    if n_rows > most:
        raise PayloadTooLarge(
            f"The body of {n_bytes} bytes has {n_rows} or more rows of {_columns(n_features)}; its "
            f"size and the memory of this container allow {most}; {_REMEDY}."
        )


def refuse_reply(n_bytes: int, n_rows: int, n_features: int, request_bytes: int) -> None:
    """Raise PayloadTooLarge if the response to a number of rows is larger than its share."""
    of_table = _FREE_REPLY_BYTES + _REPLY_BYTES_PER_CELL * n_rows * n_features
    most = min(request_bytes // 2, of_table)
    if n_bytes > most:
        raise PayloadTooLarge(
            f"The response to {n_rows} rows of {_columns(n_features)} has {n_bytes} or more bytes; "
            f"the size of the table and the memory of this container allow {most}; {_REMEDY}, or "
            "ask for fewer outputs."
        )


def _columns(n_features: int) -> str:
    return f"{n_features} column{'s' * (n_features != 1)}"

"""Request bodies: random rows of four numbers in the ranges of the Iris table."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CSV = "text/csv"
JSON = "application/json"

ROW_BYTES = 28
"""Size of one row of CSV: for example `5.1234,3.5123,1.4321,0.2123` and a line feed."""

ROWS_OF = {"one row": 1, "ten rows": 10, "1,000 rows": 1000}
ROWS_4_8_MB = 170_000
ROWS_5_MB = 178_000
ROWS_50_MB = 1_780_000

_RANGES = ((4.3, 7.9), (2.0, 4.4), (1.0, 6.9), (0.1, 2.5))  # of the Iris table's features


@dataclass(frozen=True)
class Body:
    """Request body in a file, which wrk and curl read."""

    file: Path
    content_type: str
    n_rows: int


@dataclass(frozen=True)
class Bodies:
    """Request bodies in `directory`; each file is written once."""

    directory: Path

    def csv(self, n_rows: int) -> Body:
        """Return a CSV body."""
        return self._body(n_rows, CSV, "csv")

    def json(self, n_rows: int) -> Body:
        """Return a JSON body with the same rows."""
        return self._body(n_rows, JSON, "json")

    def _body(self, n_rows: int, content_type: str, suffix: str) -> Body:
        file = self.directory / f"{n_rows}.{suffix}"
        if not file.exists():
            lines = list(rows(n_rows))
            text = "\n".join(lines) + "\n"
            if content_type == JSON:
                text = json.dumps(
                    {"instances": [[float(x) for x in row.split(",")] for row in lines]}
                )
            file.write_text(text, encoding="ascii")
        return Body(file, content_type, n_rows)


def rows(n_rows: int) -> Iterator[str]:
    """Yield rows of CSV; they are the same in each run."""
    numbers = random.Random(n_rows)  # noqa: S311 - no secret
    for _ in range(n_rows):
        yield ",".join(f"{numbers.uniform(low, high):.4f}" for low, high in _RANGES)

"""From a table with ids, dates and marks of missing cells to answers: `ignore` and `na_values`."""

import json
from pathlib import Path
from typing import Any

import pytest

import algorithm
from container.paths import Paths
from container.payloads import Invocation
from container.settings import Settings
from container.training import job
from predictor import ScoringService

ROWS = [
    ("R1", "a", "2018-04-10", "1"),
    ("R2", "a", "x", "2"),
    ("R3", "b", "", "8"),
    ("R4", "b", "y", "?"),
]
TABLE = "ring,species,day,bill\n" + "".join(",".join(row) + "\n" for row in ROWS)
ASKED = {"label": "species", "ignore": "ring,day", "na_values": "?,-999"}


def served(directory: Path, table: str, **hyperparameters: Any) -> ScoringService:
    """Train on a table, and return the service that answers with the model."""
    paths = Paths(directory)
    paths.hyperparameters.parent.mkdir(parents=True)
    paths.hyperparameters.write_text(json.dumps(hyperparameters))
    (paths.data / "train").mkdir(parents=True)
    (paths.data / "train/penguins.csv").write_text(table)
    job.run(algorithm, paths)
    return ScoringService.load(Settings.from_environ({"SAGEMAKER_BASE_DIR": str(directory)}))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("1\n8\n?\n-999\n", "text/csv"),
        ("R9,2018-04-11,1\nR8,,8\nR7,x,?\nR7,x,-999.0\n", "text/csv"),
        ("ring,bill\nR1,1\nR2,8\nR4,?\nR4,-999\n", "text/csv"),
        ("[[1], [8], [null], [-999]]", "application/json"),
        (
            '{"bill": 1}\n{"bill": 8, "ring": 3}\n{"bill": "?", "day": null}\n[-999]',
            "application/jsonlines",
        ),
    ],
)
def test_request_is_read_as_the_training_data(tmp_path: Path, body: str, content_type: str) -> None:
    """Requests may have the columns that the job ignored, and its marks of missing cells."""
    service = served(tmp_path, TABLE, **ASKED)

    answer = service.answer(Invocation(body.encode(), content_type))

    assert answer.body == b"a\nb\nb\nb\n"


@pytest.mark.parametrize("body", [b"-999", b"?\n", b"R1,,-999"])
def test_request_of_one_row_may_be_missing(tmp_path: Path, body: bytes) -> None:
    """A number that represents a missing cell is missing in a single row too."""
    service = served(tmp_path, TABLE, **ASKED)

    assert service.answer(Invocation(body, "text/csv")).body == b"b\n"


def test_record_has_what_was_left_out(tmp_path: Path) -> None:
    """model.json holds the ignored columns, the marks of missing cells, and counts of rows."""
    served(tmp_path, TABLE + ",,,\n,,,5\n", missing_labels="drop", **ASKED)

    data = json.loads((tmp_path / "model/model.json").read_text())["training"]["data"]

    assert data["ignored"] == [{"index": 0, "name": "ring"}, {"index": 1, "name": "day"}]
    assert data["na_values"] == ["-999", "?"]
    assert data["left_out"] == {"rows without any value": 1, "rows without a label": 1}


def test_log_counts_what_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line counts rows and columns that are left out."""
    caplog.set_level("INFO")

    served(tmp_path, TABLE + ",,,\n,,,5\n", missing_labels="drop", **ASKED)

    assert (
        "train: left out 1 rows without any value; 1 rows without a label; "
        "2 ignored columns: column 'ring', index 0, column 'day', index 2"
    ) in caplog.messages

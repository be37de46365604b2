"""Survey of a table with features that are no numbers: which columns, why, and what to do."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from container.data.columns import Columns
from container.formats import cells
from container.formats.cells import CellError, Notation, shown
from container.formats.csv_rows import Row
from container.hyperparameters.input_options import InputOptions

_MAX_ROWS = 50_000
"""Maximum number of rows to survey."""

_MAX_SHOWN = 5
"""Maximum number of columns that a message describes."""

_FEW = 10
"""Number of rows from which on different texts in all rows are no labels."""

_DATE = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?")
_WITH_UNIT = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?\s*([^\W\d_]{1,4}|[%°$€£¥].*)|[$€£¥]\s*[0-9].*")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")


@dataclass
class _Column:
    """Cells of a column: the numbers, and the texts that are none."""

    index: int
    first: str = ""
    """The first text and its row."""

    texts: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)

    def add(self, row: int, cell: str, notation: Notation) -> None:
        """Count a cell."""
        text = cell.strip(" \t")
        if not cells.is_value(text, notation):
            self.first = self.first or f"is {shown(cell)} in row {row}"
            self.texts[text] += 1
        elif not cells.is_missing(text, notation):
            self.numbers[text] += 1

    @property
    def is_text(self) -> bool:
        """Return whether the column holds texts and no number."""
        return bool(self.texts) and not self.numbers

    @property
    def are_classes(self) -> bool:
        """Return whether values recur as those of a label do."""
        values = self.texts + self.numbers
        return 0 < 2 * len(values) <= values.total()

    @property
    def marks(self) -> set[str]:
        """Texts among numbers that seem to be missing cells: they recur, or have no letter."""
        recurs = len(self.texts) == 1 < self.texts.total()
        found = {t for t in self.texts if recurs or not re.search(r"\w", t)}
        return set() if self.is_text or self.all_match(_WITH_UNIT) else found

    def all_match(self, pattern: re.Pattern[str]) -> bool:
        """Return whether all texts match a pattern."""
        return all(map(pattern.fullmatch, self.texts))

    def why(self) -> str:
        """Return what the texts are, if there are no numbers."""
        if not self.is_text:
            return ""
        if self.all_match(_DATE):
            return ", a date"
        if len(self.texts) == 1:
            return f", as in {self.texts.total()} rows"
        return f", one of {len(self.texts)} different texts in {self.texts.total()} rows"


@dataclass
class Survey:
    """Columns of a table from the first row on that has a feature which is no number."""

    columns: Columns
    options: InputOptions
    notation: Notation
    may_be_comma: bool
    """Whether numbers may have a decimal comma, for all that is known."""

    def explained(
        self, error: CellError, rows: Iterable[Row], have_numbers: Iterable[int]
    ) -> CellError:
        """Return an error about all columns that are no numbers, with one remedy.

        Args:
            error: about the first such cell.
            rows: the rows from that cell on.
            have_numbers: the features that have numbers in the rows before.
        """
        surveyed = {
            i: _Column(i) for i in range(self.columns.width) if i not in self.columns.ignored
        }
        with suppress(CellError):
            for row, found in islice(rows, _MAX_ROWS):
                if len(found) != self.columns.width:
                    break
                for column in surveyed.values():
                    column.add(row, found[column.index], self.notation)
        for position in have_numbers:
            surveyed[self.columns.features[position]].numbers["before"] += 1
        bad = [surveyed[index] for index in self.columns.features if surveyed[index].texts]
        if not bad:
            return error
        problem = f"{error}{bad[0].why()}" if len(bad) == 1 else self._problem(bad)
        return CellError(problem, self._remedy(bad, surveyed[self.columns.label]) or error.remedy)

    def _problem(self, bad: Sequence[_Column]) -> str:
        described = [f"{self.columns.name(c.index)} {c.first}{c.why()}" for c in bad[:_MAX_SHOWN]]
        if len(bad) > _MAX_SHOWN:
            described.append(f"and {len(bad) - _MAX_SHOWN} more")
        return f"{len(bad)} columns are not numbers: {'; '.join(described)}"

    def _remedy(self, bad: Sequence[_Column], label: _Column) -> str:
        """Return the remedy of the most likely cause; empty if a cell is to be corrected."""
        other = self._other_label(bad, label)
        if other is not None:
            return f"set the hyperparameter label={other}"
        remedies = (
            self._of_header,
            self._of_commas,
            self._of_marks,
            self._of_units,
            self._of_texts,
        )
        return next(filter(None, (remedy(bad) for remedy in remedies)), "")

    def _of_header(self, bad: Sequence[_Column]) -> str:
        only_first = all(column.first.endswith(" in row 1") for column in bad)
        is_header = only_first and all(column.texts.total() == 1 for column in bad)
        is_whole = len(bad) == len(self.columns.features)
        return "set the hyperparameter header=present" if is_header and is_whole else ""

    def _of_commas(self, bad: Sequence[_Column]) -> str:
        if all(column.all_match(_THOUSANDS) for column in bad):
            return "write numbers without separators of thousands"
        are_commas = all(map(cells.has_decimal_comma, (t for column in bad for t in column.texts)))
        has_point = any("." in number for column in bad for number in column.numbers)
        is_fit = self.may_be_comma and are_commas and not has_point
        return "set the hyperparameter decimal=," if is_fit else ""

    def _of_marks(self, bad: Sequence[_Column]) -> str:
        marks = sorted(set().union(*(column.marks for column in bad)))
        given = [self.options.na_values] if self.options.na_values else []
        values = ",".join([*given, _listed(marks)])
        return f"set the hyperparameter na_values={values}" if marks else ""

    def _of_texts(self, bad: Sequence[_Column]) -> str:
        names = [self._named(column.index) for column in bad if column.is_text]
        if len(names) == len(self.columns.features):
            return "add a feature that consists of numbers, or encode one of them as numbers"
        given = [self.options.ignore] if self.options.ignore else []
        return (
            f"set the hyperparameter ignore={','.join([*given, _listed(names)])}" if names else ""
        )

    def _of_units(self, bad: Sequence[_Column]) -> str:
        have_units = any(column.all_match(_WITH_UNIT) for column in bad)
        return "write numbers without units" if have_units else ""

    def _other_label(self, bad: Sequence[_Column], label: _Column) -> str | None:
        """Return the column that is the label in all likelihood, if the job has not named one."""
        is_named = self.options.label is not None and (label.texts or label.numbers)
        may_be_label = label.are_classes or (label.is_text and label.texts.total() < _FEW)
        if is_named or may_be_label or self.options.labels_are_numbers:
            return None
        found = [column for column in bad if column.is_text and column.are_classes]
        if not found:
            return None
        last = found[-1].index
        if self.columns.names is None and last == self.columns.width - 1:
            return "-1"
        return self._named(last if last == self.columns.width - 1 else found[0].index)

    def _named(self, index: int) -> str:
        """Return the name of a column; its index if it has none, or one with a comma."""
        name = self.columns.names[index] if self.columns.names else ""
        return name if name and not re.search('[,"]', name) else str(index)


def _listed(texts: Sequence[str]) -> str:
    """Return texts with commas between them; one with a comma is in double quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(texts)
    return line.getvalue()

"""Report of a run: a table in Markdown, and a JSON document."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import CLASSIC, COLUMNS, OURS, Figure, Results
from benchmarks.goals import GOALS

_HEADER = ("figure", "unit", *COLUMNS, "ratio", "goal", "met")


def table(results: Results) -> str:
    """Return the table in Markdown: medians, and in brackets the minimum and maximum."""
    lines = [_HEADER, *(_line(figure) for figure in results.figures.values())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def document(results: Results, options: dict[str, object]) -> dict[str, Any]:
    """Return all results and the description of the machine, for JSON."""
    return {
        "machine": machine(),
        "options": options,
        "figures": [_as_json(figure) for figure in results.figures.values()],
        "left_out": results.left_out,
    }


def write(file: Path, results: Results, options: dict[str, object]) -> None:
    """Write the document."""
    text = json.dumps(document(results, options), indent=1, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def machine() -> dict[str, object]:
    """Return a description of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def number(value: float) -> str:
    """Return a number with three significant digits, or all digits before the decimal point."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _line(figure: Figure) -> tuple[str, ...]:
    ratio = figure.ratio(OURS, CLASSIC)
    return (
        figure.name,
        figure.unit,
        *(_cell(figure, column) for column in COLUMNS),
        "" if ratio is None else f"{number(ratio)}x",
        ", ".join(goal.text(figure.unit) for goal in GOALS.get(figure.name, ())),
        _verdict(figure),
    )


def _cell(figure: Figure, column: str) -> str:
    middle, spread = figure.median(column), figure.spread(column)
    if middle is None or spread is None:
        return ""
    if len(figure.samples[column]) == 1:
        return number(middle)
    return f"{number(middle)} ({number(spread[0])}-{number(spread[1])})"


def _verdict(figure: Figure) -> str:
    words = {True: "yes", False: "NO", None: "?"}
    verdicts = []
    for goal in GOALS.get(figure.name, ()):
        value = goal.value(figure)
        shown = "" if value is None else f" ({number(value)}{'x' if goal.base else ''})"
        verdicts.append(words[goal.is_met(figure)] + shown)
    return ", ".join(verdicts)


def _as_json(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "unit": figure.unit,
        "medians": {column: figure.median(column) for column in figure.samples},
        "spreads": {column: figure.spread(column) for column in figure.samples},
        "samples": figure.samples,
        "ratio": figure.ratio(OURS, CLASSIC),
        "goals": [
            {
                "text": goal.text(figure.unit),
                "value": goal.value(figure),
                "met": goal.is_met(figure),
            }
            for goal in GOALS.get(figure.name, ())
        ],
    }

"""Pages of the documentation, for tests that compare them with the code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from support.material import ROOT

README = "README.md"
PAGES = {
    str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
    for file in (
        ROOT / README,
        ROOT / "CONTRIBUTING.md",
        *sorted(ROOT.glob("docs/*.md")),
        *sorted(ROOT.glob("examples/*/README.md")),
    )
}
"""Text of each page by its path in the repository."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Fenced block of a page."""

    page: str
    section: str
    """Last heading above it, of any level."""

    language: str
    text: str


def blocks() -> Iterator[Block]:
    """Yield the fenced blocks of all pages in order."""
    for page, text in PAGES.items():
        for found in _FENCE.finditer(text):
            _, section = headings(text[: found.start()])[-1]
            yield Block(page, section, *found.groups())


def headings(text: str) -> list[tuple[int, str]]:
    """Return level and title of all headings."""
    return [(len(marks), title) for marks, title in _HEADING.findall(without_blocks(text))]


def without_blocks(text: str) -> str:
    """Return a text without its fenced blocks."""
    return _FENCE.sub("", text)


def section(page: str, title: str) -> str:
    """Return the text below a heading, up to the next one of the same or a higher level."""
    kept, level, fenced = [], 0, False
    for line in PAGES[page].splitlines():
        fenced ^= line.startswith("```")
        heading = None if fenced else _HEADING.match(line)
        if heading and level and len(heading[1]) <= level:
            break
        if level:
            kept.append(line)
        elif heading and heading[2] == title:
            level = len(heading[1])
    assert level, f"{page} has no section {title!r}"
    return "\n".join(kept)


def table(page: str, title: str) -> dict[str, list[str]]:
    """Return the first table of a section: the first cell of a row -> its other cells."""
    rows: dict[str, list[str]] = {}
    for line in section(page, title).splitlines():
        if line.startswith("|"):
            first, *others = [cell.strip(" `") for cell in line.strip("|").split("|")]
            rows[first] = others
        elif rows:
            break
    return dict(list(rows.items())[2:])


def commands(page: str, *titles: str) -> list[str]:
    """Return the blocks without a language in these sections, in order."""
    return [b.text for b in blocks() if b.page == page and b.section in titles and not b.language]


def metric_definitions() -> list[dict[str, str]]:
    """Return the metric definitions for SageMaker, evaluated from the page that has them."""
    code = next(block.text for block in blocks() if "metric_definitions =" in block.text)
    names: dict[str, list[dict[str, str]]] = {}
    exec(code, names)  # noqa: S102 - the page is ours
    return names["metric_definitions"]

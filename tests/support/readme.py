"""README.md, for tests that compare it with the code."""

import re
from dataclasses import dataclass

from support.material import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    chapter: str
    """The title after the last `## ` before it."""
    language: str
    text: str


def blocks() -> list[Block]:
    """Return all fenced blocks, in their order."""
    found = []
    for chapter in re.split(r"^## ", README, flags=re.MULTILINE)[1:]:
        title = chapter.splitlines()[0]
        for language, text in re.findall(
            r"^```(\w*)\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL
        ):
            found.append(Block(title, language, text))
    return found


def metric_definitions() -> list[dict[str, str]]:
    """Return what the README says to give SageMaker, made by its own lines."""
    code = next(block.text for block in blocks() if "metric_definitions =" in block.text)
    names: dict[str, list[dict[str, str]]] = {}
    exec(code, names)  # noqa: S102 - the README is ours
    return names["metric_definitions"]

"""README, CONTRIBUTING and docs/: lengths, links, and names of files."""

import os
import re
from pathlib import Path

import pytest

from support.material import PROGRAM_DIR, ROOT
from support.pages import PAGES, README, headings, section, without_blocks

MAX_LINES = {README: 180}
OTHER_MAX_LINES = 250
SUBJECTS = {
    "training-data", "hyperparameters", "requests-and-responses", "environment-variables",
    "script-mode", "bring-your-own-algorithm", "distributed-training", "deploy-to-sagemaker",
    "operations", "performance", "troubleshooting", "architecture",
}  # fmt: skip
SEARCHED = ("script mode", "distributed", "categorical", "troubleshooting", "lifecycle", "scaling")

# Files that a user writes or a program creates; they are not in the repository.
NOT_OURS = {"inference.py", "setup.py"}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"(?<![\w/.:-])(?:\./)?((?:[\w.-]+/)*[\w.-]+\.(?:py|sh|in|lua|md))\b")


def anchor(title: str) -> str:
    """Return GitHub's anchor of a heading."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_there_is_a_page_for_each_subject() -> None:
    """docs/ has one page for each of these subjects."""
    assert {Path(page).stem for page in PAGES if page.startswith("docs/")} == SUBJECTS


@pytest.mark.parametrize("page", PAGES)
def test_page_is_short(page: str) -> None:
    """The README has at most 180 lines, every other page at most 250."""
    assert len(PAGES[page].splitlines()) <= MAX_LINES.get(page, OTHER_MAX_LINES)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    """Every relative link leads to a file of the repository, and to one of its headings."""
    links = [link for link in _LINK.findall(without_blocks(PAGES[page])) if "://" not in link]
    for link in links:
        path, _, fragment = link.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), link
        if fragment:
            titles = [title for _, title in headings(file.read_text(encoding="utf-8"))]
            assert fragment in map(anchor, titles), link


@pytest.mark.parametrize("page", [page for page in PAGES if page != README])
def test_readme_links_to_every_page(page: str) -> None:
    """The README links to every page."""
    assert f"]({page})" in PAGES[README]


@pytest.mark.parametrize("words", SEARCHED)
def test_readme_has_the_words_that_people_search_for(words: str) -> None:
    """The linked pages contain the words as well."""
    assert words in PAGES[README].lower()
    assert any(words in text.lower() for page, text in PAGES.items() if page != README)


@pytest.mark.parametrize("page", PAGES)
def test_page_names_only_files_that_exist(page: str) -> None:
    """A path is relative to the root or to the program; a bare name is the name of some file."""
    names = {path.name for path in ROOT.rglob("*") if ".venv" not in path.parts}
    for path in _PATH.findall(re.sub(r"https?://\S+", "", PAGES[page])):
        if "/" in path:
            roots = (ROOT, (ROOT / page).parent, PROGRAM_DIR, PROGRAM_DIR / "container")
            found = any((root / path).exists() for root in roots)
        else:
            found = path in names | NOT_OURS
        assert found or path.startswith(("my_", "opt/")), path


def test_scripts_that_are_named_can_be_executed() -> None:
    """A command that begins with ./ is an executable file."""
    for path in re.findall(r"\./([\w/.]+\.sh)", "".join(PAGES.values())):
        assert os.access(ROOT / path, os.X_OK), path


def test_architecture_shows_every_folder_and_only_files_that_exist() -> None:
    """The tree contains every folder of the program, and only files that exist."""
    shown, folders = set(), [(-1, ROOT)]
    for line in section("docs/architecture.md", "Folders").split("```")[1].strip().splitlines():
        indent = len(line) - len(line.lstrip())
        folders = [(depth, path) for depth, path in folders if depth < indent]
        names = re.split(r" {2,}|\bYOURS\b", line.strip())[0].split(", ")
        paths = [folders[-1][1] / name.strip() for name in names]
        assert [path for path in paths if not path.exists()] == []
        folders.append((indent, paths[0]))
        shown.update(paths)

    inside = {path.parent for path in PROGRAM_DIR.rglob("*.py")}
    assert inside <= shown

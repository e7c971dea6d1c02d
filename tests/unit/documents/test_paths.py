"""What the documents name is there: files and tests by their paths, and the places of CONTRIBUTING's ten questions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = [ROOT / "README.md", CONTRIBUTING, *sorted((ROOT / "docs").rglob("*.md"))]
PATH = re.compile(r"`((?:benchmarks|conf|contracts|docs|examples|k8s|rayfed|tests)/[\w./-]*)`")
TEST = re.compile(r"`(test_\w+\.py|\w+\.t\.sol)\b")
IMAGINED = {"rayfed/ledger/stellar", "conf/GROUP/OPTION.yaml", "conf/experiment/patches.yaml"}
"""Where something would go that is not there."""


def questions() -> dict[str, str]:
    """Return CONTRIBUTING's answers by their questions."""
    section = CONTRIBUTING.read_text(encoding="utf-8").partition("## Where things are\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([^|]+\?) \| ([^|]+) \|$", section, re.MULTILINE))


def test_ten_questions_have_answers_that_name_a_place() -> None:
    assert len(questions()) == 10
    assert [question for question, answer in questions().items() if not PATH.search(answer)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_test_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert sorted(path for path in set(PATH.findall(text)) - IMAGINED if not (ROOT / path).exists()) == []
    tests = {file.name for folder in ("tests", "contracts/test") for file in (ROOT / folder).rglob("*.*")}
    assert sorted(set(TEST.findall(text)) - tests) == []


def test_what_is_imagined_is_named_and_not_there() -> None:
    named = {path for page in PAGES for path in PATH.findall(page.read_text(encoding="utf-8"))}
    assert named >= IMAGINED
    assert [path for path in IMAGINED if (ROOT / path).exists()] == []


def test_a_path_that_is_not_there_would_be_seen() -> None:
    assert PATH.findall("see `rayfed/node.py` and `docs/design.md`") == ["rayfed/node.py", "docs/design.md"]
    assert len({path for page in PAGES for path in PATH.findall(page.read_text(encoding="utf-8"))}) > 30

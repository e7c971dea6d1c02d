"""Every clause of docs/protocol.md names tests, and they exist."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
CLAUSE = re.compile(r"^(\d+)\. (.*?)(?=^\d+\. |^## |\Z)", re.MULTILINE | re.DOTALL)


def clauses() -> dict[str, str]:
    """Return the text of each clause by its number, such as 2.10."""
    found: dict[str, str] = {}
    for section in re.finditer(r"^## (\d+)\. .*?\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL):
        for clause in CLAUSE.finditer(section[2]):
            found[f"{section[1]}.{clause[1]}"] = clause[2]
    return found


@cache
def named(file: str) -> frozenset[str]:
    """Return the tests in a file of this name, wherever among the tests it lies."""
    paths = [*(ROOT / "tests").rglob(file), *(ROOT / "contracts" / "test").rglob(file)]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return frozenset(re.findall(r"\b(?:def|function) ((?:test|testFuzz|invariant)_\w+)", "\n".join(texts)))


def test_clauses_are_numbered_without_a_gap() -> None:
    numbers = [tuple(map(int, number.split("."))) for number in clauses()]
    assert len(numbers) > 20
    for before, after in pairwise(numbers):
        assert after in ((before[0], before[1] + 1), (before[0] + 1, 1)), f"{before} is followed by {after}"


def test_every_clause_has_its_tests_and_they_exist() -> None:
    cited: dict[str, list[str]] = {}
    for number, text in clauses().items():
        _, _, list_of_tests = text.partition("*Tests: ")
        cited[number] = re.findall(r"`([^`]+)`", list_of_tests.partition("*")[0])
    assert [number for number, tests in cited.items() if not tests] == []
    scenarios = {file.name for file in (ROOT / "tests" / "protocol" / "scenarios").glob("*.txt")}
    for number, tests in cited.items():
        for test in tests:
            file, _, name = test.partition("::")
            assert test in scenarios or name in named(file), f"clause {number} cites {test}, which is not there"


def test_every_scenario_shows_a_clause() -> None:
    scenarios = {file.name for file in (ROOT / "tests" / "protocol" / "scenarios").glob("*.txt")}
    assert {name for name in scenarios if f"`{name}`" not in TEXT} == set()


def test_what_shows_the_promise_exists() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    table = page.partition("<!-- promise-table -->")[2].partition("<!-- end -->")[0]
    scenarios = {file.name for file in (ROOT / "tests" / "protocol" / "scenarios").glob("*.txt")}
    cited = re.findall(r"`([^`]+)`", table)
    assert len(cited) > 20
    for test in cited:
        file, _, name = test.partition("::")
        assert test in scenarios or name in named(file), f"threat-model.md cites {test}, which is not there"

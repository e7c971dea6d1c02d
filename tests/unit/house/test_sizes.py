"""Small files and classes, and one meaning for each class name. The lists of exceptions only get shorter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

MOST_LINES = 300
LONG: set[str] = set()
"""Files that are still longer."""

MOST_METHODS = 15
WIDE: set[str] = set()
"""Classes that still have more methods; those with two underscores at each end are not counted."""

TWICE: dict[str, str] = {
    "Progress": "rayfed/aggregation/screens/progress.py and rayfed/node/progress.py",
}
"""Class names that stand for two things, and why."""


def sources() -> Iterator[tuple[str, str]]:
    """Yield (path from the root, text) of every module of rayfed."""
    for path in sorted((ROOT / "rayfed").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield (path, class) of every class, also of those inside of others."""
    for path, text in sources():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                yield path, node


def methods(node: ast.ClassDef) -> list[str]:
    """Return a class's own methods and properties."""
    names = [item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [name for name in names if not (name.startswith("__") and name.endswith("__"))]


def compared(found: set[str], known: set[str], what: str) -> str:
    """Return what to do where a list of exceptions is not what was found; empty if it is."""
    words = [f"{name}: {what}" for name in sorted(found - known)]
    words += [f"{name} is an exception no more: take it off the list" for name in sorted(known - found)]
    return "\n".join(words)


def test_no_file_is_long() -> None:
    long = {path for path, text in sources() if len(text.splitlines()) > MOST_LINES}
    assert not (words := compared(long, LONG, f"more than {MOST_LINES} lines")), words


def test_no_class_is_wide() -> None:
    wide = {f"{path}: {node.name}" for path, node in classes() if len(set(methods(node))) > MOST_METHODS}
    assert not (words := compared(wide, WIDE, f"more than {MOST_METHODS} methods")), words


def test_no_class_name_stands_for_two_things() -> None:
    places: dict[str, set[str]] = {}
    for path, node in classes():
        places.setdefault(node.name, set()).add(path)
    twice = {name for name, paths in places.items() if len(paths) > 1}
    assert not (words := compared(twice, set(TWICE), "two classes have this name")), words

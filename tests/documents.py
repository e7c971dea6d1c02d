"""The commands in README.md and docs/: what CONTRIBUTING.md calls marks, read from the comment before each block.

``<!-- test: fast -->``         composed and checked by tests/unit/documents/test_documents.py, nothing is started
``<!-- test: run -->``          run by tests/integration/test_documents.py, in the page's order and in one folder
``<!-- test: file NAME -->``    written there under this name
``<!-- not tested: WHY -->``    neither
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("bash", "console", "python")
OTHERS = ("text", "yaml", "json", "py")
"""Languages of what nobody runs; ``py`` is a definition without its body."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w+-]*)(?P<rest>.*)$")
_MARK = re.compile(r"<!-- (?P<kind>test|not tested): (?P<rest>.+?) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its language, its text, and what its mark says ('' and '' without one)."""

    page: Path
    line: int
    language: str
    text: str
    kind: str
    rest: str

    @property
    def where(self) -> str:
        """Page and line, as a test's id and in messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """Yield the words of each command of a shell block; comments are left out, continued lines are one."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words:
                yield words


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of one page."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    before = ""
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            before = lines[at].strip() or before
            at += 1
            continue
        start, indent = at + 1, len(fence["indent"])
        at = start
        while lines[at].strip() != "```":
            at += 1
        mark = _MARK.fullmatch(before)
        text = "\n".join(line[indent:] for line in lines[start:at]) + "\n"
        kind, rest = (mark["kind"], mark["rest"]) if mark else ("", "")
        found.append(Block(page, start, fence["language"], text, kind, rest))
        before = ""
        at += 1
    return found


def all_blocks() -> list[Block]:
    """Return the fenced blocks of all pages."""
    return [block for page in PAGES for block in blocks(page)]

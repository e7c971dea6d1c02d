"""Draws the diagrams of docs/concepts.md: ``python -m docs.make_diagrams``.

``phases.svg`` and ``round.svg`` are drawn from the table that the nodes follow, ``protocol.phases.PHASES``; a test
compares them with the files, so they cannot say anything else than the code.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from html import escape
from pathlib import Path

from rayfed.protocol.messages import Phase
from rayfed.protocol.phases import PHASES

IMAGES = Path(__file__).parent / "images"
INK, SOFT, LINE, PAPER = "#1b1f24", "#59636e", "#b9c2cc", "#ffffff"
BLUE, GREEN, ORANGE = "#0072b2", "#0b7a57", "#c2410c"
TINTS = {Phase.FORMING: "#eef0f3", Phase.COMMIT: "#d6eaf7", Phase.VOTE: "#fdeccc", Phase.ATTEST: "#d3efe5"}
TINTS[Phase.DONE] = "#eef0f3"
STEPS = {
    Phase.COMMIT: ("train from the base", "encode, hash", "own disk, journal"),
    Phase.VOTE: ("publish, fetch", "check every byte", "screens judge"),
    Phase.ATTEST: ("merge the included", "hash", "adopt the final root"),
}
"""What a node does in a phase before and after it commits, votes or attests."""


def phases() -> str:
    """Return the round as boxes, with what makes its step due and what the step does."""
    parts = []
    box, gap, top, left = 148, 44, 40, 28
    drawn = {phase: row for phase, row in PHASES.items() if phase is not Phase.WAITING}
    for place, (phase, row) in enumerate(drawn.items()):
        x = left + place * (box + gap)
        parts.append(_box(x, top, box, 56, TINTS[phase]))
        parts.append(_text(x + box / 2, top + 24, phase.name, weight=700))
        said = f"{row.verb.value}(…)" if row.verb else ("members join" if phase is Phase.FORMING else "the final model")
        parts.append(_text(x + box / 2, top + 43, said, colour=SOFT, size=13))
        if phase is not Phase.DONE:
            parts.append(_arrow(x + box, top + 28, x + box + gap, top + 28))
        parts += _lines(x + box / 2, top + 84, row.due, GREEN, "as soon as")
        parts += _lines(x + box / 2, top + 196, row.step, ORANGE, "anybody takes the step to")
    start, end = left + box + gap + box / 2, left + 3 * (box + gap) + box / 2
    parts.append(_path(f"M{end:g} {top} V16 H{start:g} V{top - 3}", arrow=True))
    words = "FINAL or VOID: the next round, or WAITING until earlier ones are settled"
    parts.append(_text((start + end) / 2, 12, words, colour=SOFT, size=12))
    return _svg(2 * left + 5 * box + 4 * gap, 330, "The phases of a round", parts)


def turn() -> str:
    """Return what one node does in a round, between ledger and store."""
    parts, left, column = [], 96, 268
    lanes = {"ledger": 34, "node": 150, "store": 300}
    for name, y in lanes.items():
        parts.append(_text(84, y + 5, name, anchor="end", weight=700))
        if name != "node":
            parts.append(_box(left, y - 16, 3 * column - 12, 32, "#f6f7f9"))
    spoken = {Phase.COMMIT: "root of the update", Phase.VOTE: "ballot", Phase.ATTEST: "root of the merge"}
    moved = {
        Phase.COMMIT: "",
        Phase.VOTE: "own update out, the others' in",
        Phase.ATTEST: "merged model out, or in if it was missed",
    }
    for place, (phase, steps) in enumerate(STEPS.items()):
        verb = PHASES[phase].verb
        assert verb is not None
        x = left + place * column
        middle, arrow = x + (column - 12) / 2, x + 56
        parts.append(_box(x, lanes["node"] - 44, column - 12, 88, TINTS[phase]))
        parts.append(_text(middle, lanes["node"] - 22, phase.name, weight=700))
        parts += [_text(middle, lanes["node"] - 2 + 18 * i, step, size=13) for i, step in enumerate(steps)]
        parts.append(_arrow(arrow, lanes["node"] - 44, arrow, lanes["ledger"] + 17))
        parts.append(_text(arrow + 10, lanes["ledger"] + 46, f"{verb.value}: {spoken[phase]}", anchor="start", size=13))
        if moved[phase]:
            parts.append(_arrow(arrow, lanes["node"] + 44, arrow, lanes["store"] - 17, both=True))
            parts.append(_text(arrow + 10, lanes["store"] - 48, moved[phase], anchor="start", size=13))
    words = "roots, ballots, deadlines: never a weight"
    parts.append(_text(left + 1.5 * column - 6, lanes["ledger"] + 5, words, colour=SOFT, size=13))
    words = "blobs by their roots: nothing is used before it hashes to its root"
    parts.append(_text(left + 1.5 * column - 6, lanes["store"] + 5, words, colour=SOFT, size=13))
    return _svg(left + 3 * column + 8, 332, "What one node does in a round", parts)


def parties() -> str:
    """Return the parties with what they keep and what they share."""
    parts, box, gap = [], 190, 30
    for place, name in enumerate(("party A", "party B", "party C", "party D")):
        x = 10 + place * (box + gap)
        parts.append(_box(x, 118, box, 96, "#d6eaf7"))
        parts.append(_text(x + box / 2, 142, f"{name}: a node", weight=700))
        parts.append(_text(x + box / 2, 166, "images and key stay here", size=13))
        parts.append(_text(x + box / 2, 186, "trains, votes, merges", size=13))
        parts.append(_arrow(x + box / 2, 118, x + box / 2, 73, both=True))
        parts.append(_arrow(x + box / 2, 214, x + box / 2, 259, both=True))
    width = 4 * box + 3 * gap
    for y, tint, name, words in (
        (24, "#d3efe5", "ledger", "an Ethereum contract: hashes, ballots, deadlines. Nobody owns it"),
        (260, "#fdeccc", "store", "S3, a shared folder, or the nodes themselves: bytes by their hash"),
    ):
        parts.append(_box(10, y, width, 48, tint))
        parts.append(_text(10 + width / 2, y + 20, name, weight=700))
        parts.append(_text(10 + width / 2, y + 38, words, colour=SOFT, size=13))
    return _svg(width + 20, 332, "Nodes share a ledger and a store, and nothing else", parts)


DIAGRAMS = {"phases": phases, "round": turn, "parties": parties}


def main() -> None:
    """Write all diagrams."""
    for name, draw in DIAGRAMS.items():
        (IMAGES / f"{name}.svg").write_text(draw(), encoding="utf-8")


def _svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    inner = "\n".join(parts)
    marker = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{SOFT}"/></marker>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'font-family="system-ui, sans-serif"><title>{escape(title)}</title><defs>{marker}</defs>\n'
        f'<rect width="{width:g}" height="{height:g}" rx="12" fill="{PAPER}"/>\n{inner}\n</svg>\n'
    )


def _box(x: float, y: float, width: float, height: float, fill: str) -> str:
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} rx="8" fill="{fill}" stroke="{LINE}"/>'


def _text(
    x: float, y: float, text: str, *, colour: str = INK, size: int = 15, weight: int = 400, anchor: str = "middle"
) -> str:
    style = f'text-anchor="{anchor}" fill="{colour}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(text)}</text>'


def _lines(x: float, y: float, text: str, colour: str, head: str) -> list[str]:
    if not text:
        return []
    lines = textwrap.wrap(text, 25)
    return [
        _text(x, y, head, colour=colour, size=12, weight=700),
        *(_text(x, y + 17 * (i + 1), line, size=12) for i, line in enumerate(lines)),
    ]


def _arrow(x1: float, y1: float, x2: float, y2: float, *, both: bool = False) -> str:
    return _path(f"M{x1:g} {y1:g}L{x2:g} {y2:g}", arrow=True, both=both)


def _path(d: str, *, arrow: bool, both: bool = False) -> str:
    heads = f'marker-end="url(#head)"{" marker-start=" + chr(34) + "url(#head)" + chr(34) if both else ""}'
    return f'<path d="{d}" fill="none" stroke="{SOFT}" stroke-width="1.5" {heads if arrow else ""}/>'


if __name__ == "__main__":
    main()

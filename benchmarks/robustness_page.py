"""The tables of docs/robustness.md, between ``<!-- NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Cells = Mapping[tuple[str, str, int, str], Mapping[str, Any]]


PAGE = Path(__file__).resolve().parent.parent / "docs" / "robustness.md"

COMPARED = 3
"""Seeds of the tables in which defences stand side by side."""


def fill(page: str, content: Mapping[str, Any]) -> str:
    """Return the page with its tables made from the results."""
    cells = {(c["defence"], c["attack"], c["f"], c["split"]): c for c in content["cells"]}
    tables = {
        "claim": _claim(cells),
        "default": _default(cells),
        "defences": _defences(cells),
        "one": _one(cells),
        "backdoor": _backdoor(cells),
        "honest": _honest(cells),
        "seconds": _seconds(cells),
        "byzfl": _byzfl(content["byzfl"]),
        "images": _images(content.get("images") or {"cells": []}),
    }
    for name, table in tables.items():
        page = placed(page, name, table)
    return page


def placed(page: str, name: str, table: str) -> str:
    """Return the page with this table in the place of its name."""
    marked = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
    return re.sub(marked, lambda found: f"{found[1]}{table}\n{found[2]}", page, flags=re.DOTALL)


def optimizers(figures: Sequence[Mapping[str, Any]], splits: Iterable[str]) -> str:
    """Return the table of ``benchmarks.optimizers``: a row an optimiser, by split early and in the end."""
    cells: dict[str, list[str]] = {}
    for last, early in zip(figures[::2], figures[1::2], strict=True):
        name = next(last["name"].removeprefix(f"{s}, ") for s in splits if last["name"].startswith(f"{s}, "))
        cells.setdefault(name, []).extend(
            f"{one['median']:.1f} ({one['min']:.1f} - {one['max']:.1f})" for one in (early, last)
        )
    head = ("", *(f"{split}, {when}" for split in splits for when in ("round 3", "round 10")))
    return _table(head, [(name, *found) for name, found in cells.items()])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _points(spread: Mapping[str, float]) -> str:
    return f"{100 * spread['mean']:.1f} ± {100 * spread['sd']:.1f}"


def _splits(cells: Cells) -> list[str]:
    return list(dict.fromkeys(split for *_, split in cells))


def _attacks(cells: Cells, defence: str) -> list[str]:
    return list(dict.fromkeys(a for d, a, _, _ in cells if d == defence and a != "none"))


def _names(cells: Cells) -> list[str]:
    return list(dict.fromkeys(d for d, *_ in cells))


def _at(cells: Cells, key: tuple[str, str, int, str], show: Callable[[Mapping[str, Any]], str]) -> str:
    return show(cells[key]) if key in cells else ""


LOSSES = (
    *("", "clean", "lost when f are absent", "attacks that cost 2 points or less", "... beyond absence"),
    "worst (points lost)",
)


def _claim(cells: Cells) -> str:
    """How far below the clean run the default ends, at worst; and below a run in which the liars are absent."""
    rows = []
    for split in _splits(cells):
        for f in (1, 2, 3):
            attacked = {a: cells["default", a, f, split] for a in _attacks(cells, "default")}
            rows.append(_losses(f"{split}, f = {f}", cells["default", "none", 0, split], attacked))
    return _table(LOSSES, rows)


def _losses(label: str, clean: Mapping[str, Any], attacked: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return a row, given the clean run's cell and by attack the others', the liars' absence among them."""
    lost = {a: _lost(clean, cell) for a, cell in attacked.items() if a != "absent"}
    beyond = {a: _lost(attacked["absent"], attacked[a]) for a in lost}
    worst = sorted(lost, key=lambda a: lost[a][0], reverse=True)[:4]
    within, without = (sum(1 for points, _ in one.values() if points <= 2) for one in (lost, beyond))
    return (
        label,
        f"{100 * clean['final']['mean']:.1f}",
        f"{_lost(clean, attacked['absent'])[0]:+.1f}",
        f"{within} of {len(lost)}",
        f"{without} of {len(lost)}",
        ", ".join(f"{a} {lost[a][0]:+.1f} ± {lost[a][1]:.1f}" for a in worst),
    )


def _lost(clean: Mapping[str, Any], attacked: Mapping[str, Any]) -> tuple[float, float]:
    """Return the mean of the differences seed by seed, in points, and its standard error."""
    apart = [100 * (one - other) for one, other in zip(clean["by_seed"], attacked["by_seed"], strict=True)]
    return statistics.mean(apart), statistics.stdev(apart) / len(apart) ** 0.5


def _default(cells: Cells) -> str:
    columns = [(f, split) for split in _splits(cells) for f in (1, 2, 3)]
    rows = [
        ("no attack", *(_at(cells, ("default", "none", 0, split), _both) if f == 1 else "" for f, split in columns))
    ]
    for attack in _attacks(cells, "default"):
        rows.append((attack, *(_at(cells, ("default", attack, f, split), _both) for f, split in columns)))
    return _table(("", *(f"{split}, f = {f}" for f, split in columns)), rows)


def _both(cell: Mapping[str, Any]) -> str:
    return f"{_points(cell['final'])} ({100 * cell['best']['mean']:.1f})"


def _defences(cells: Cells) -> str:
    names = _names(cells)
    parts = []
    for split in _splits(cells):
        rows = [("no attack", *(_at(cells, (d, "none", 0, split), _final) for d in names))]
        for attack in _attacks(cells, "mean"):
            rows.append((attack, *(_at(cells, (d, attack, 2, split), _final) for d in names)))
        parts.append(f"{split}, f = 2:\n\n" + _table(("", *names), rows))
    return "\n\n".join(parts)


def _one(cells: Cells) -> str:
    names = _names(cells)
    attacks = [a for a in _attacks(cells, "mean") if any(("mean", a, 1, split) in cells for split in _splits(cells))]
    parts = []
    for split in _splits(cells):
        rows = [(attack, *(_at(cells, (d, attack, 1, split), _final) for d in names)) for attack in attacks]
        parts.append(f"{split}, f = 1:\n\n" + _table(("", *names), rows))
    return "\n\n".join(parts)


def _final(cell: Mapping[str, Any]) -> str:
    """Return the final accuracy over the seeds that all defences were measured with."""
    same = cell["by_seed"][:COMPARED]
    return _points({"mean": statistics.mean(same), "sd": statistics.stdev(same)})


def _backdoor(cells: Cells) -> str:
    rows = []
    for d in _names(cells):
        columns = [
            _at(cells, (d, attack, f, split), lambda c: _points(c["success"]))
            for split in _splits(cells)
            for attack, f in (("backdoor", 1), ("backdoor", 2), ("backdoor x 5", 2))
        ]
        rows.append((d, *columns))
    head = [
        f"{split}, {attack}, f = {f}"
        for split in _splits(cells)
        for attack, f in (("", 1), ("", 2), ("boosted x 5", 2))
    ]
    return _table(("", *(text.replace(", ,", ",") for text in head)), rows)


def _honest(cells: Cells) -> str:
    rows = []
    for split in _splits(cells):
        for f in (0, 1, 2, 3):
            chosen = [c for (d, _, g, s), c in cells.items() if d == "default" and g == f and s == split]
            refused = [100 * c["honest_refused"] for c in chosen]
            bad = [100 * c["bad_included"] for c in chosen]
            against: dict[str, int] = {}
            for c in chosen:
                for screen, count in c["ballots_against_honest"].items():
                    against[screen] = against.get(screen, 0) + count
            total = sum(against.values())
            parts = sorted(((100 * n / total, s) for s, n in against.items()), reverse=True)
            blame = ", ".join(f"{s} {part:.0f} %" for part, s in parts if part >= 0.5)
            worst = max(chosen, key=lambda c: c["honest_refused"])
            rows.append(
                (
                    f"{split}, f = {f}",
                    f"{sum(refused) / len(refused):.1f} %",
                    f"{max(refused):.1f} % ({worst['attack']})" if f else "",
                    f"{sum(bad) / len(bad):.0f} %" if f else "",
                    blame,
                )
            )
    head = (
        "",
        "honest updates left out",
        "at worst",
        "dishonest updates let in",
        "ballots against honest ones, by screen",
    )
    return _table(head, rows)


def _seconds(cells: Cells) -> str:
    rows = []
    for d in _names(cells):
        times = sorted(c["seconds_a_round"] for (name, *_), c in cells.items() if name == d)
        rows.append((d, f"{1000 * times[len(times) // 2]:.1f}"))
    return _table(("", "milliseconds a round"), rows)


def _images(content: Mapping[str, Any]) -> str:
    by = {(c["defence"], c["attack"]): c for c in content["cells"]}
    if not by:
        return ""
    show = _points if content["seeds"] > 1 else lambda spread: f"{100 * spread['mean']:.1f}"
    defences, attacks = list(dict.fromkeys(d for d, _ in by)), list(dict.fromkeys(a for _, a in by))
    rows = [("no attack" if a == "none" else a, *(show(by[d, a]["final"]) for d in defences)) for a in attacks]
    if "backdoor" in attacks:
        rows.append(("backdoor: success", *(show(by[d, "backdoor"]["success"]) for d in defences)))
    worst = {d: max(by[d, a]["honest_refused"] for a in attacks) for d in defences}
    rows.append(("honest updates left out, at worst", *(f"{100 * worst[d]:.1f} %" for d in defences)))
    return _table(("", *defences), rows)


def _byzfl(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ("", "largest difference of any weight", "in units of the fixed point"),
        [(r["rule"], f"{r['largest_difference']:.1e}", f"{r['largest_difference'] * 2**24:.2f}") for r in rows],
    )

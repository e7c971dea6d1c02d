"""Is what nodes merge as good as central training? On CIFAR-10: ``python -m benchmarks results [small|full]``

Cells are (size, split, seed, way): eight nodes that merge every round, each of them alone, and central training of the
same network with the same budget. Written to benchmarks/results/results.json as they are done; what is there is not run
again, so the benchmark may be stopped at any time and go on later. Fills the tables of docs/results.md.

Environment: RAYFED_PICTURES (see ``cifar``); RAYFED_SIZE, ``small`` or ``full``: both by default, the small one first;
RAYFED_SECONDS: no cell is begun later than so many after the start.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import cifar
from benchmarks.cells import resume
from benchmarks.machine import RESULTS, describe
from benchmarks.results_cells import SIZES, SPLITS, WAYS, Cell, measure
from benchmarks.robustness_page import placed

PATH = RESULTS / "results.json"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "results.md"

SEEDS = {"iid": 3, "0.1": 3}
"""Of these splits; of the others one."""

NVFLARE = {"central": 0.888, "1": 0.891, "0.5": 0.879, "0.3": 0.853, "0.1": 0.805}
"""What NVFlare publishes of its CIFAR-10 example: 8 clients, FedAvg; a newer edition's table."""
NVFLARE_BEFORE = {"1": 0.884, "0.5": 0.869, "0.3": 0.832, "0.1": 0.790}
"""An older edition's."""

PART = 0.7
"""Of the central accuracy, that merged models are to reach soon."""

Runs = Mapping[tuple[str, str, str], list[Mapping[str, Any]]]
"""Cells by (size, split, way), one a seed."""


def cells(sizes: Iterable[str] = SIZES) -> Iterator[Cell]:
    """Yield every cell, in the order in which they are run: seed by seed."""
    for size in sizes:
        for seed in range(max(SEEDS.values())):
            for way in WAYS:
                dealt = ("iid",) if way == "central" else SPLITS
                yield from ((size, split, seed, way) for split in dealt if seed < SEEDS.get(split, 1))


def main() -> None:
    """Run what is missing, write it cell by cell, fill the page's tables."""
    sizes = [name for name in SIZES if name == os.environ.get("RAYFED_SIZE", name)]
    cifar.folder(1)  # whoever has no pictures is told so before anything starts
    end = time.monotonic() + float(os.environ.get("RAYFED_SECONDS", "inf"))
    head = {
        "benchmark": "results",
        "question": (__doc__ or "").split("?")[0] + "?",
        "machine": describe(("numpy", "torch")),
        "sizes": {name: {"a_node": one.a_node, "test": one.test, "rounds": one.rounds} for name, one in SIZES.items()},
    }
    wanted = (cell for cell in cells(sizes) if time.monotonic() < end)
    content = resume(PATH, head, wanted, measure)
    PAGE.write_text(fill(PAGE.read_text(), content))
    print(table(content, "small"))


def fill(page: str, content: Mapping[str, Any]) -> str:
    """Return the page with its tables made from the results."""
    for size in SIZES:
        page = placed(page, size, table(content, size))
        page = placed(page, f"{size} by round", by_round(content, size))
    return page


def gathered(content: Mapping[str, Any]) -> Runs:
    """Return the cells by size, split and way."""
    found: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for key, cell in content["cells"].items():
        size, split, _, way = key.split(", ")
        found.setdefault((size, split, way), []).append(cell)
    return found


def table(content: Mapping[str, Any], size: str) -> str:
    """Return a row a split: what is reached together, alone and centrally, beside what NVFlare publishes. What has not
    been run yet is empty."""
    runs = gathered(content)
    central = [cell["accuracy"] for cell in runs.get((size, "iid", "central"), [])]
    lines = [
        "| split | seeds | merged | to central | mean node alone | best node alone | rounds to 0.7 of central "
        "| NVFlare, to its central |",
        "| --- |" + " ---: |" * 7,
    ]
    if central:
        lines.append(f"| central | {len(central)} | {_shown(central)} | | | | | {NVFLARE['central']:.3f} |")
    else:
        lines.append(f"| central | | | | | | | {NVFLARE['central']:.3f} |")
    for split in SPLITS:
        merged, alone = runs.get((size, split, "merged"), []), runs.get((size, split, "alone"), [])
        reached = [cell["accuracy"] for cell in merged]
        apart = f"{100 * (statistics.mean(reached) - statistics.mean(central)):+.1f}" if reached and central else ""
        theirs = NVFLARE.get(split)
        beside = f"{theirs:.3f}, {100 * (theirs - NVFLARE['central']):+.1f}" if theirs else ""
        nodes = [cell["nodes"] for cell in alone]
        mean = _shown([statistics.mean(one) for one in nodes])
        best = _shown([max(one) for one in nodes])
        soon = ", ".join(_soon(cell["by_round"], PART * statistics.mean(central)) for cell in merged) if central else ""
        name = "iid" if split == "iid" else f"Dirichlet {split}"
        row = (name, str(len(reached) or ""), _shown(reached), apart, mean, best, soon, beside)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def by_round(content: Mapping[str, Any], size: str) -> str:
    """Return the accuracy by round, mean over the seeds; empty where nothing has been run."""
    runs, rounds = gathered(content), SIZES[size].rounds
    shown = [number for number in (1, 2, 3, 5, 10, 15, 20, 30, 40) if number <= rounds]
    rows = []
    for split, way in (("iid", "central"), *((split, way) for split in SPLITS for way in WAYS[1:])):
        curves = [cell["by_round"] for cell in runs.get((size, split, way), [])]
        if curves:
            means = [f"{100 * statistics.mean(curve[number - 1] for curve in curves):.1f}" for number in shown]
            name = way if way == "central" else f"{'iid' if split == 'iid' else f'Dirichlet {split}'}, {way}"
            rows.append(f"| {name} | {' | '.join(means)} |")
    if not rows:
        return "Not run yet."
    head = f"| after round | {' | '.join(map(str, shown))} |"
    return "\n".join([head, "| --- |" + " ---: |" * len(shown), *rows])


def _soon(curve: list[float], wanted: float) -> str:
    return next((str(number) for number, value in enumerate(curve, 1) if value >= wanted), f"> {len(curve)}")


def _shown(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ({100 * min(values):.1f} - {100 * max(values):.1f})" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{spread}"


if __name__ == "__main__":
    main()

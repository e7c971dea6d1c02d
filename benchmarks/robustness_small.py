"""How much accuracy does a dishonest node cost where there are few nodes, with the default and with the one before it?

As ``robustness``, in federations of four and of seven nodes with as many liars as f < n/3 allows; the same worlds for
both defaults, on seeds by which nothing was chosen. Cells are (nodes, split, seed): each is all attacks under both.
They are written to benchmarks/results/robustness_small.json as they are done, so the benchmark may be stopped and goes
on later. Fills its table in docs/robustness.md.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.cells import resume
from benchmarks.former import SETTINGS
from benchmarks.machine import RESULTS, describe
from benchmarks.robustness import PAGE, ROUNDS, SPLITS, THREATS, world
from benchmarks.robustness_page import placed
from benchmarks.simulation import Defence, run

SIZES = {4: 1, 7: 2}
"""Liars by number of nodes."""

SEEDS = range(1000, 1016)
NAMES = ("default", "former default")
PATH = RESULTS / "robustness_small.json"

Cell = tuple[int, str, int]
"""Nodes, split, seed."""


def cells() -> Iterable[Cell]:
    """Yield every cell, in the order in which they are run: skewed data first, where the two differ most."""
    for seed in SEEDS:
        for split in reversed(SPLITS):
            yield from ((nodes, split, seed) for nodes in SIZES)


def measure(cell: Cell) -> dict[str, Any]:
    """Run all attacks under both defaults in one world."""
    from rayfed.config import load

    nodes, split, seed = cell
    defences = (Defence(NAMES[0], load().screens), Defence(NAMES[1], SETTINGS))
    found: dict[str, list[float]] = {}
    for name, threat in THREATS.items():
        f = 0 if name == "none" else SIZES[nodes]
        traces = [run(world(split, seed, nodes), defence, threat, f, ROUNDS) for defence in defences]
        found[name] = [round(trace.accuracy[-1], 4) for trace in traces]
    return {"accuracy": found["none"][0], "attacks": found}


def table(content: Mapping[str, Any]) -> str:
    """Return a row a group: what attacks cost under both, and where the new default is better or worse beyond doubt."""
    groups: dict[tuple[str, str], list[Mapping[str, list[float]]]] = {}
    for key, cell in content["cells"].items():
        nodes, split, _ = key.split(", ")
        groups.setdefault((nodes, split), []).append(cell["attacks"])
    lines = [
        "|  | seeds | clean | worst attacks: points lost (with the former default) | worse than before | better |",
        "| --- | ---: | ---: | --- | --- | --- |",
    ]
    for (nodes, split), runs in groups.items():
        clean = [100 * statistics.mean(one["none"][which] for one in runs) for which in (0, 1)]
        lost = {
            name: [clean[which] - 100 * statistics.mean(one[name][which] for one in runs) for which in (0, 1)]
            for name in THREATS
            if name != "none"
        }
        worst = sorted(lost, key=lambda name: -lost[name][0])[:5]
        told = ", ".join(f"{name} {lost[name][0]:+.1f} ({lost[name][1]:+.1f})" for name in worst)
        apart = {name: _apart(runs, name) for name in THREATS}
        worse = ", ".join(
            f"{name} {mean:+.1f} ± {error:.1f}" for name, (mean, error) in apart.items() if mean < -2 * error
        )
        better = ", ".join(
            f"{name} {mean:+.1f} ± {error:.1f}" for name, (mean, error) in apart.items() if mean > 2 * error
        )
        label = f"{nodes} nodes, {split}, f = {SIZES[int(nodes)]}"
        lines.append(f"| {label} | {len(runs)} | {clean[0]:.1f} | {told} | {worse or 'none'} | {better or 'none'} |")
    return "\n".join(lines)


def _apart(runs: Iterable[Mapping[str, list[float]]], name: str) -> tuple[float, float]:
    """Return by how many points the new default is better, seed by seed, and the standard error."""
    gains = [100 * (one[name][0] - one[name][1]) for one in runs]
    error = statistics.stdev(gains) / len(gains) ** 0.5 if gains[1:] else 0.0
    return statistics.mean(gains), error


def main() -> None:
    """Run what is missing, write it cell by cell, fill the page's table."""
    head = {
        "benchmark": "robustness_small",
        "question": (__doc__ or "").split("\n\n")[0],
        "machine": describe(("numpy", "torch")),
        "rounds": ROUNDS,
    }
    content = resume(PATH, head, cells(), measure)
    PAGE.write_text(placed(PAGE.read_text(), "small", table(content)))


if __name__ == "__main__":
    main()

"""How much accuracy does a dishonest node cost with the default, and with the one before it?

As ``robustness``, in federations of four, seven and ten nodes; the same worlds for both defaults, on seeds by which
nothing was chosen. Cells are (nodes, liars, split, seed, defence): each is all attacks in one world. They are written
to benchmarks/results/robustness_defaults.json as they are done, the default's first, so the benchmark may be stopped
and goes on later. Fills its table in docs/robustness.md.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from benchmarks.cells import resume
from benchmarks.former import SECOND, SETTINGS, THIRD
from benchmarks.machine import RESULTS, describe
from benchmarks.robustness import ROUNDS, THREATS, world
from benchmarks.robustness_page import PAGE, placed
from benchmarks.simulation import Defence, run

SKEWED = "Dirichlet 0.3"
GROUPS = (
    *((10, 3, "iid"), (10, 2, "iid"), (10, 1, "iid"), (10, 2, SKEWED), (10, 3, SKEWED)),
    *((7, 2, SKEWED), (4, 1, SKEWED), (4, 1, "iid"), (7, 2, "iid"), (10, 1, SKEWED)),
)
"""Nodes, liars, split; in the order in which they are run."""

SEEDS = range(1000, 1016)
NAMES = ("default", "former default")
LIMIT = 2.0
"""Points that an attack may cost (docs/robustness.md, the claim)."""

PATH = RESULTS / "robustness_defaults.json"

Cell = tuple[int, int, str, int, str]
"""Nodes, liars, split, seed, defence."""


def cells() -> Iterable[Cell]:
    """Yield every cell, in the order in which they are run: a few seeds of all groups, then more."""
    for seeds in (SEEDS[:3], SEEDS[3:5], SEEDS[5:8], SEEDS[8:]):
        for name in NAMES:
            for nodes, f, split in GROUPS:
                yield from ((nodes, f, split, seed, name) for seed in seeds)


def measure(cell: Cell) -> dict[str, Any]:
    """Run all attacks, and none, in one world."""
    from rayfed.config import load

    nodes, f, split, seed, name = cell
    defence = Defence(name, load().screens if name == NAMES[0] else SETTINGS)
    found = {
        threat: round(run(world(split, seed, nodes), defence, THREATS[threat], f if threat != "none" else 0, ROUNDS)
                      .accuracy[-1], 4)
        for threat in THREATS
    }  # fmt: skip
    return {"accuracy": found["none"], "attacks": found}


Runs = Mapping[int, Mapping[str, float]]
"""By seed: the accuracy under each attack."""


def table(content: Mapping[str, Any], name: str, other: str) -> str:
    """Return a row a group: what attacks cost with a default, and which beyond doubt more or less than with another."""
    groups: dict[tuple[int, int, str], dict[str, dict[int, Mapping[str, float]]]] = {}
    for key, cell in content["cells"].items():
        nodes, f, split, seed, defence = key.split(", ")
        groups.setdefault((int(nodes), int(f), split), {}).setdefault(defence, {})[int(seed)] = cell["attacks"]
    lines = [
        f"|  | seeds (of the {other}) | clean | cost 2 points or less "
        f"| worst attacks: points lost (with the {other}) | worse than before | better |",
        "| --- | ---: | ---: | ---: | --- | --- | --- |",
    ]
    for group in sorted(groups, key=lambda one: (one[0], one[2] != "iid", one[1])):
        new, old = groups[group].get(name, {}), groups[group].get(other, {})
        if new:
            lines.append(_row(group, new, old))
    return "\n".join(lines)


def _row(group: tuple[int, int, str], new: Runs, old: Runs) -> str:
    nodes, f, split = group
    lost = {name: _mean(new, "none") - _mean(new, name) for name in THREATS if name not in ("none", "absent")}
    cheap = sum(points <= LIMIT for points in lost.values())
    both = sorted(new.keys() & old.keys())
    old = {seed: old[seed] for seed in both}
    told = []
    for name in sorted(lost, key=lambda name: -lost[name])[:5]:
        before = f" ({_mean(old, 'none') - _mean(old, name):+.1f})" if old else ""
        told.append(f"{name} {lost[name]:+.1f}{before}")
    apart = {name: _apart([100 * (new[seed][name] - old[seed][name]) for seed in both]) for name in THREATS}
    words = {
        sign: ", ".join(
            f"{name} {mean:+.1f} ± {error:.1f}" for name, (mean, error) in apart.items() if mean * sign > 2 * error
        )
        for sign in (-1, 1)
    }
    worse, better = (words[sign] or ("none" if both else "not measured") for sign in (-1, 1))
    label = f"{nodes} nodes, {split}, f = {f}"
    return (
        f"| {label} | {len(new)} ({len(old)}) | {_mean(new, 'none'):.1f} | {cheap} of {len(lost)} "
        f"| {', '.join(told)} | {worse} | {better} |"
    )


def _mean(runs: Runs, name: str) -> float:
    return 100 * statistics.mean(one[name] for one in runs.values())


def _apart(gains: list[float]) -> tuple[float, float]:
    """Return by how many points the default is better, seed by seed, and the standard error; of few seeds 0."""
    if len(gains) < 3:
        return 0.0, 0.0
    return statistics.mean(gains), statistics.stdev(gains) / len(gains) ** 0.5


def main() -> None:
    """Run what is missing, write it cell by cell, fill the page's table."""
    head = {
        "benchmark": "robustness_defaults",
        "question": (__doc__ or "").split("\n\n")[0],
        "machine": describe(("numpy", "torch")),
        "rounds": ROUNDS,
    }
    show(resume(PATH, head, cells(), measure))


def show(content: Mapping[str, Any]) -> None:
    """Put the tables into docs/robustness.md: each default beside the one before it."""
    names = ("default", THIRD, SECOND, "former default")
    for name, other in pairwise(names):
        place = "defaults" if name == "default" else f"defaults, {name.split()[0]}"
        PAGE.write_text(placed(PAGE.read_text(), place, table(content, name, other)))


if __name__ == "__main__":
    main()

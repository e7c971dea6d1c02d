"""Are honest members ever shut out? Federations without any attack over 100 rounds: ``python -m benchmarks fairness``

Cells are (split, nodes, seed, defence): what the model reaches, and by member how many rounds it was left out of, how
many in a row, and what it was paid. Each is written to benchmarks/results/fairness.json as it is done, and what is
there is not run again, so the benchmark may be stopped at any time and go on later. Cells are taken seed by seed, the
default and the plain mean before the others. The settings of the screens were chosen on other seeds than these.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from benchmarks.cells import resume
from benchmarks.former import SECOND, SETTINGS, THIRD
from benchmarks.machine import RESULTS, describe
from benchmarks.robustness_page import PAGE, placed
from benchmarks.simulation import Defence, Threat, run
from benchmarks.worlds import World
from rayfed.errors import ConfigError

ROUNDS, LAST = 100, 10
"""Rounds of a run, and those at its end whose mean accuracy counts."""

NODES = (3, 4, 5, 7, 10)
SEEDS = range(1000, 1010)
SPLITS: dict[str, dict[str, Any]] = {
    "iid": {"alpha": None},
    "Dirichlet 0.3": {"alpha": 0.3},
    "Dirichlet 0.1": {"alpha": 0.1},
    "two shards": {"alpha": None, "shards": 2},
}
FIRST = ("mean", "default")
PATH = RESULTS / "fairness.json"

Cell = tuple[str, int, int, str]
"""Split, nodes, seed, defence."""


@cache
def defences(nodes: int) -> dict[str, Defence]:
    """Return what is compared, set to bear as many liars as f < n/3 allows, one at least."""
    from rayfed.config import load

    f = max(1, (nodes - 1) // 3)
    made = [
        Defence("mean"),
        Defence("default", load().screens),
        Defence("former default", SETTINGS),
        Defence("trimmed mean", merge={"name": "trimmed_mean", "trim": 10_000 * f // nodes}),
        Defence("median", merge={"name": "median"}),
    ]
    if nodes > 2 * f + 2:
        made.append(Defence("Multi-Krum", {"multi_krum": {"f": f}}))
    return {one.name: one for one in made}


def cells() -> Iterable[Cell]:
    """Yield every cell, in the order in which they are run."""
    for group in (FIRST, ("former default",), tuple(defences(10))):
        for seed in SEEDS:
            for split in SPLITS:
                for nodes in NODES:
                    yield from ((split, nodes, seed, name) for name in defences(nodes) if name in group)


@cache
def world(split: str, nodes: int, seed: int) -> World:
    """Return a world. Where a seed leaves a node with fewer than ten pictures, that seed plus thousands is dealt."""
    import torch

    from rayfed.learning import data

    torch.set_num_threads(1)
    reason: ConfigError | None = None
    for tried in range(seed, seed + 20_000, 1000):
        try:
            return World(data.load("digits"), nodes, seed=tried, **SPLITS[split])
        except ConfigError as error:
            reason = error
    assert reason is not None
    raise reason


def measure(cell: Cell) -> dict[str, Any]:
    """Run one cell."""
    split, nodes, seed, name = cell
    trace = run(world(split, nodes, seed), defences(nodes)[name], Threat("none"), 0, ROUNDS)
    return {
        "accuracy": round(statistics.mean(trace.accuracy[-LAST:]), 5),
        "void_rounds": trace.void,
        "members": [member(trace.included, index) for index in range(nodes)],
        "ballots_against_honest": trace.against,
    }


def member(included: Sequence[int], index: int) -> dict[str, Any]:
    """Return how a member fared: rounds left out, the most in a row, and its pay.

    Args:
        included: who was merged, a bitmap a round; 0 in a void round.
        index: the member's.

    Returns:
        ``out`` and ``longest`` in rounds, and ``pay`` in rounds' rewards: each is shared equally by who was merged.
    """
    out = longest = row = 0
    pay = 0.0
    for bitmap in included:
        if bitmap >> index & 1:
            row = 0
            pay += 1 / bitmap.bit_count()
        else:
            out, row = out + 1, row + 1
            longest = max(longest, row)
    return {"out": out, "longest": longest, "pay": round(pay, 2)}


def main() -> None:
    """Run what is missing, write it cell by cell, print the table."""
    head = {
        "benchmark": "fairness",
        "question": (__doc__ or "").split(":")[0],
        "machine": describe(("numpy", "torch")),
        "rounds": ROUNDS,
        "last": LAST,
    }
    content = resume(PATH, head, cells(), measure)
    print(table(content))
    for place, defence in (("fairness", "default"), ("fairness, second default", SECOND)):
        PAGE.write_text(placed(PAGE.read_text(), place, summed(content, defence)))


def summed(content: Mapping[str, Any], defence: str) -> str:
    """Return a default beside the plain mean over the seeds that have been run, a row a split and number of nodes."""
    found: dict[tuple[str, int], list[tuple[Any, Any]]] = {}
    for key, cell in content["cells"].items():
        split, nodes, seed, name = key.split(", ")
        plain = content["cells"].get(f"{split}, {nodes}, {seed}, mean")
        if name == defence and plain:
            found.setdefault((split, int(nodes)), []).append((cell, plain))
    lines = [
        "|  | seeds | plain mean | default: more or less | worst seed | left out, mean | worst member | longest row |",
        "| --- |" + " ---: |" * 7,
    ]
    for (split, nodes), runs in sorted(found.items(), key=lambda one: _place(*one[0], "default")):
        apart = [100 * (cell["accuracy"] - plain["accuracy"]) for cell, plain in runs]
        members = [one for cell, _ in runs for one in cell["members"]]
        out = [100 * one["out"] / content["rounds"] for one in members]
        lines.append(
            f"| {split}, {nodes} nodes | {len(runs)} | {100 * statistics.mean(p['accuracy'] for _, p in runs):.1f} "
            f"| {statistics.mean(apart):+.2f} | {min(apart):+.2f} | {statistics.mean(out):.1f} % | {max(out):.0f} % "
            f"| {max(one['longest'] for one in members)} |"
        )
    return "\n".join(lines)


def table(content: Mapping[str, Any]) -> str:
    """Return the cells as a table: a row a split, number of nodes and defence, over the seeds that have been run."""
    found: dict[tuple[str, int, str], dict[int, Any]] = {}
    for key, cell in content["cells"].items():
        split, nodes, seed, name = key.split(", ")
        found.setdefault((split, int(nodes), name), {})[int(seed)] = cell
    lines = [
        "| | seeds | accuracy | to the mean's | worst seed | left out, mean | worst member | longest row | least pay |",
        "| --- |" + " ---: |" * 8,
    ]
    for (split, nodes, name), runs in sorted(found.items(), key=lambda one: _place(*one[0])):
        plain = found.get((split, nodes, "mean"), {})
        apart = [100 * (cell["accuracy"] - plain[seed]["accuracy"]) for seed, cell in runs.items() if seed in plain]
        members = [one for cell in runs.values() for one in cell["members"]]
        pay = [min(m["pay"] for m in c["members"]) * nodes / content["rounds"] for c in runs.values()]
        lines.append(
            f"| {split}, {nodes} nodes, {name} | {len(runs)} "
            f"| {100 * statistics.mean(cell['accuracy'] for cell in runs.values()):.1f} "
            + (f"| {statistics.mean(apart):+.2f} | {min(apart):+.2f} " if apart else "| | ")
            + f"| {100 * statistics.mean(m['out'] for m in members) / content['rounds']:.1f} % "
            f"| {100 * max(m['out'] for m in members) / content['rounds']:.0f} % "
            f"| {max(m['longest'] for m in members)} | {100 * min(pay):.0f} % |"
        )
    return "\n".join(lines)


def _place(split: str, nodes: int, name: str) -> tuple[int, int, int]:
    return list(SPLITS).index(split), nodes, [*defences(10), SECOND, THIRD].index(name)


if __name__ == "__main__":
    main()

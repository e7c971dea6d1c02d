"""Are honest members shut out of real runs? ``python -m benchmarks honest`` starts ``python -m rayfed`` cell by cell.

Cells are (experiment, nodes, seed, screens): the digits over 100 rounds, two thousand CIFAR-10 images a node over 60,
rows of a table whose nodes mostly know one class over 30; each with the default screens and, beside it, with none.
Nobody is dishonest. Written to benchmarks/results/honest.json as they are done; what is there is not run again, and
the cells with CIFAR-10's images are passed over where there are none (see ``cifar``). ``python -m benchmarks.honest
table`` prints the table of what there is, and puts it into docs/robustness.md.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import cifar
from benchmarks.cells import read, resume
from benchmarks.fairness import LAST, member
from benchmarks.federated import ROOT
from benchmarks.former import SECOND
from benchmarks.machine import RESULTS, describe
from benchmarks.robustness_page import PAGE, placed

PATH = RESULTS / "honest.json"
SEEDS = range(1000, 1005)
SCREENS = ("default", "none")
LIMIT = 3600
"""Seconds after which a run is stopped."""


@dataclass(frozen=True)
class Experiment:
    """What is learned, for how long, by how many nodes, and with how many seeds; ``words`` gives its settings."""

    rounds: int
    nodes: Sequence[int]
    seeds: int
    words: Callable[[int], Sequence[str]]


def _cifar(nodes: int) -> Sequence[str]:
    place = cifar.folder(nodes)
    return (
        "+experiment=cifar10",
        *("data=image_folder", f"data.root={place}", f"data.cache_dir={place / 'cache'}", "partition.min_examples=64"),
    )


EXPERIMENTS = {
    "digits": Experiment(100, (3, 4, 6), len(SEEDS), lambda nodes: ()),
    "cifar10": Experiment(60, (4,), 1, _cifar),
    "tabular": Experiment(30, (4, 7), 3, lambda nodes: ("+experiment=tabular", "partition.alpha=0.5")),
}

Cell = tuple[str, int, int, str]
"""Experiment, nodes, seed, screens."""


def cells() -> Iterable[Cell]:
    """Yield every cell, in the order in which they are run: an experiment after the other, seed by seed."""
    for name, chosen in EXPERIMENTS.items():
        for seed in SEEDS[: chosen.seeds]:
            yield from ((name, nodes, seed, screens) for nodes in chosen.nodes for screens in SCREENS)


def measure(cell: Cell) -> dict[str, Any]:
    """Run one federation, all of its nodes in one process, and read its summary.

    Raises:
        RuntimeError: it failed; the message is what it printed.
    """
    name, nodes, seed, screens = cell
    chosen = EXPERIMENTS[name]
    with tempfile.TemporaryDirectory(prefix="rayfed-honest-") as folder:
        command = [
            *(sys.executable, "-m", "rayfed", *chosen.words(nodes), f"screens={screens}", f"seed={seed}"),
            *(f"federation.nodes={nodes}", f"federation.rounds={chosen.rounds}", f"cluster.nodes_per_actor={nodes}"),
            *("federation.alone=false", "track=none", f"hydra.run.dir={folder}"),
        ]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return told(json.loads((Path(folder) / "summary.json").read_text()))


def told(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run's summary says of its accuracy and of its members, in the order of their slots."""
    addresses = [node["address"] for node in sorted(summary["nodes"], key=lambda node: node["slot"])]
    final = [round for round in summary["rounds"] if round["status"] in ("final", "settled")]
    included = [sum(1 << place for place, one in enumerate(addresses) if one in round["included"]) for round in final]
    counts: dict[str, int] = {}
    for refusal in (one for round in final for one in round["refusals"]):
        counts[refusal["screen"]] = counts.get(refusal["screen"], 0) + 1
    return {
        "accuracy": round(
            statistics.mean([one["accuracy"] for one in final if one["accuracy"] is not None][-LAST:]), 5
        ),
        "void_rounds": len(summary["rounds"]) - len(final),
        "rounds": len(final),
        "members": [member(included, place) for place in range(len(addresses))],
        "ballots_against_honest": counts,
    }


def table(content: Mapping[str, Any], judging: str) -> str:
    """Return a row an experiment and number of nodes, over the seeds that have been run with these screens and none."""
    runs: dict[tuple[str, int], dict[int, dict[str, Any]]] = {}
    for key, cell in content["cells"].items():
        name, nodes, seed, screens = key.split(", ")
        runs.setdefault((name, int(nodes)), {}).setdefault(int(seed), {})[screens] = cell
    lines = [
        "|  | seeds | accuracy | without screens | worst seed | left out, mean | worst member | longest row | void |",
        "| --- |" + " ---: |" * 8,
    ]
    for (name, nodes), by_seed in runs.items():
        both = [one for one in by_seed.values() if judging in one and "none" in one]
        if not both:
            continue
        accuracy = {kind: 100 * statistics.mean(one[kind]["accuracy"] for one in both) for kind in (judging, "none")}
        apart = min(100 * (one[judging]["accuracy"] - one["none"]["accuracy"]) for one in both)
        judged = [one[judging] for one in both]
        parts = [100 * each["out"] / one["rounds"] for one in judged for each in one["members"]]
        longest = max(each["longest"] for one in judged for each in one["members"])
        lines.append(
            f"| {name}, {nodes} nodes | {len(both)} | {accuracy[judging]:.1f} | {accuracy['none']:.1f} "
            f"| {apart:+.1f} | {statistics.mean(parts):.1f} % | {max(parts):.0f} % | {longest} "
            f"| {sum(one['void_rounds'] for one in judged)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, write it cell by cell, print the table."""
    wanted = list(cells())
    try:
        cifar.folder(4)
    except cifar.NoPictures as reason:
        print(f"cifar10: passed over: {reason}")
        wanted = [cell for cell in wanted if cell[0] != "cifar10"]
    head = {
        "benchmark": "honest",
        "question": (__doc__ or "").split("?")[0] + "?",
        "machine": describe(("numpy", "torch", "ray")),
        "last": LAST,
    }
    show(resume(PATH, head, wanted, measure))


def show(content: Mapping[str, Any]) -> None:
    """Print the tables, and put them into docs/robustness.md."""
    for place, judging in (("real", "default"), ("real, second default", SECOND)):
        print(made := table(content, judging))
        PAGE.write_text(placed(PAGE.read_text(), place, made))


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        show(read(PATH))
    else:
        main()

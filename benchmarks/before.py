"""What has become of a round since an older edition? ``RAYFED_BEFORE=CHECKOUT python -m benchmarks before``

The rounds of ``round`` (updates come back untrained, two processes, default screens), of the checkout that the variable
names and of this one in turn. Processor seconds are all processes' together, and depend less than a round's length on
what else the machine does. ``RAYFED_CELLS=0.6 M:8,11.2 M:8`` chooses models and numbers of nodes.
"""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.federated import ROOT, Run
from benchmarks.machine import Figure, report
from benchmarks.round import check, once

VARIABLE, CHOICE = "RAYFED_BEFORE", "RAYFED_CELLS"
CELLS = "0.6 M:8,0.6 M:32,0.6 M:128,11.2 M:8,11.2 M:32"
ROUNDS, TURNS = 4, 2
BOUNDS = {
    "0.6 M": "screens: each node's passes over its own images, and Python's work for every node and update",
    "11.2 M": "hashing, writing and averaging 45 MB an update in every process",
}


def main() -> None:
    """Measure, print, write, cell by cell; or say why not."""
    older = os.environ.get(VARIABLE)
    if not older:
        print(f"\nbefore: skipped: set {VARIABLE} to a checkout of the edition to compare with")
        return
    figures = []
    for cell in os.environ.get(CHOICE, CELLS).split(","):
        model, _, nodes = cell.partition(":")
        turns = [
            [once(model, int(nodes), rounds=ROUNDS, code=code) for code in (Path(older), ROOT)] for _ in range(TURNS)
        ]
        check(cell, [run for turn in turns for run in turn])
        for which, name in enumerate(("before", "now")):
            runs = [turn[which] for turn in turns]
            rounds, worked = ([s for run in runs for s in of(run)[1:]] for of in (_rounds, _worked))
            figures += [
                Figure(f"{model}, {nodes} nodes, {name}: a round", "s", rounds, BOUNDS[model] if which else ""),
                Figure("  processor seconds", "s", worked, "all processes together"),
            ]
        for of, name in ((_rounds, "a round"), (_worked, "processor seconds")):
            beside = [sum(of(now)[1:]) / sum(of(then)[1:]) for then, now in turns]
            figures.append(Figure(f"  now / before, {name}", "", beside, "of the same turn"))
        report(
            "before",
            "seconds a round of untrained updates in two processes, of an older edition and of this one in turn",
            figures,
            packages=("torch", "ray", "numpy"),
            details={"rounds": ROUNDS, "turns": TURNS},
        )


def _rounds(run: Run) -> tuple[float, ...]:
    return run.rounds


def _worked(run: Run) -> tuple[float, ...]:
    return run.processor


if __name__ == "__main__":
    main()

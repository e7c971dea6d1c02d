"""What does judging add to a whole round? ``python -m benchmarks judged_rounds``

Rounds as ``round`` measures them (0.6 M weights, updates returned untrained, two actors), with the default screens and
without those that look at images, in federations of 8, 32 and 128 nodes. ``RAYFED_NODES=8,32`` chooses others.
"""

from __future__ import annotations

import os

from benchmarks.machine import Figure, report
from benchmarks.round import UNJUDGED, check, measured

NODES, ROUNDS = "8,32,128", 5
CHOICE = "RAYFED_NODES"


def main() -> None:
    """Measure, print, write; size by size, so that whoever stops it has the smaller ones."""
    figures = []
    for nodes in map(int, os.environ.get(CHOICE, NODES).split(",")):
        without = measured("0.6 M", nodes, rounds=ROUNDS, settings=UNJUDGED)
        judged = measured("0.6 M", nodes, rounds=ROUNDS)
        check(f"{nodes} nodes", [without, judged])
        figures += [
            Figure(f"{nodes} nodes: a round", "s", judged.rounds[1:], "default screens"),
            Figure("  screen", "s", judged.steps["screen"][1:], "a node"),
            Figure(
                "  without the screens that look at images", "s", without.rounds[1:], "the same machine, just before"
            ),
            Figure("  beside that", "", [sum(judged.rounds[1:]) / sum(without.rounds[1:])], "all these rounds", 1.5),
        ]
        report(
            "judged_rounds",
            "seconds a round of untrained updates, with the default screens and without those that look at images",
            figures,
            packages=("torch", "ray", "numpy"),
            details={"rounds": ROUNDS},
        )


if __name__ == "__main__":
    main()

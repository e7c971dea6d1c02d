"""What does judging add to a whole round? ``python -m benchmarks judged_rounds``

Rounds as ``round`` measures them (0.6 M weights, updates returned untrained, two actors), with the default screens and
without those that look at images, in federations of 8, 32 and 128 nodes. The digits are dealt to all: at 128 nodes each
judges by the eleven images that it has.
"""

from __future__ import annotations

from functools import cache

from benchmarks import federated
from benchmarks.federated import Run
from benchmarks.machine import Figure, report
from benchmarks.round import MODELS, UNJUDGED

NODES, ROUNDS = (8, 32, 128), 5


@cache
def measured(nodes: int, *settings: str) -> Run:
    """Run once; a second caller in the same process gets the same run."""
    return federated.run(
        *("data=digits", "partition=iid", "partition.min_examples=1", *MODELS["0.6 M"]),
        *(f"federation.nodes={nodes}", f"federation.rounds={ROUNDS}", f"cluster.nodes_per_actor={nodes // 2}"),
        *("store.keep_rounds=1", *settings),
        learner="benchmarks.untrained.Untrained",
    )


def main() -> None:
    """Measure, print, write."""
    figures = []
    for nodes in NODES:
        without, judged = measured(nodes, *UNJUDGED), measured(nodes)
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

"""What does a round cost beside training? ``python -m benchmarks round``

Eight nodes, ten rounds, updates returned untrained: everything that is encoded, hashed, signed, sent, checked, voted
on, merged and attested, and nothing else. Two actors of four nodes each (as another framework's simulation has on two
cores) and one actor a node (what each party would run, eight processes on this machine). Nodes let go of blobs older
than a round: to keep all ten rounds' is to wait for the disk, which takes 16 blobs of 45 MB a round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from benchmarks import federated
from benchmarks.federated import ROOT, Run
from benchmarks.machine import Figure, report

NODES, ROUNDS = 8, 10
MODELS = {
    "0.6 M": ("model=small_cnn",),
    "11.2 M": ("model._target_=benchmarks.untrained.Flat", "~model.width", "~model.hidden", "~model.dropout"),
}
BOUNDS = {
    "0.6 M": "the processes' turns: every phase waits for the slowest node's transaction",
    "11.2 M": "hashing: each process checks each blob that it did not make, each node its own and the merge",
}


UNJUDGED = ("~screens.holdout", "~screens.progress")
"""Without the screens that look at pictures: a node does with updates what any framework's server could, and checks
every byte."""


def once(
    model: str,
    nodes: int = NODES,
    processes: int = 2,
    rounds: int = ROUNDS,
    settings: Sequence[str] = (),
    code: Path = ROOT,
) -> Run:
    """Run a federation whose updates come back untrained. The digits are dealt to all: at 128 nodes each has eleven.

    Args:
        model: one of ``MODELS``.
        nodes, processes, rounds: how many.
        settings: beside the usual ones.
        code: the checkout that is run.
    """
    return federated.run(
        *("data=digits", "partition=iid", "partition.min_examples=1", *MODELS[model]),
        *(f"federation.nodes={nodes}", f"federation.rounds={rounds}", f"cluster.nodes_per_actor={nodes // processes}"),
        *("store.keep_rounds=1", *settings),
        learner="benchmarks.untrained.Untrained",
        code=code,
    )


measured = cache(once)
"""The same; a second caller in the same process gets the same run."""


def check(cell: str, runs: Iterable[Run]) -> None:
    """Raise ``RuntimeError`` unless all of a cell's runs ended in one model."""
    roots = {run.summary["final_root"] for run in runs}
    if len(roots) != 1:
        raise RuntimeError(f"{cell}: runs end with different models: {roots}")


def main() -> None:
    """Measure, print, write."""
    figures = []
    for model in MODELS:
        for processes in (2, NODES):
            run = measured(model, processes=processes)
            name = f"{model}, {processes} actors"
            figures.append(Figure(f"{name}: a round", "s", run.rounds[1:], BOUNDS[model]))
            figures += [Figure(f"  {step}", "s", taken[1:], "a node") for step, taken in run.steps.items()]
            figures.append(Figure("  first round", "s", run.rounds[:1], "and with it what is loaded when first used"))
            figures.append(Figure("  before it", "s", [run.start], "Ray, chain, contract, processes, data"))
            figures.append(Figure("  after the last", "s", [run.end], "records, summary, stopping"))
            figures.append(Figure("  whole run", "s", [run.wall]))
    report(
        "round",
        f"seconds a round of {NODES} nodes whose updates come back untrained, every node checking everything",
        figures,
        packages=("torch", "ray", "numpy"),
        details={"nodes": NODES, "rounds": ROUNDS},
    )


if __name__ == "__main__":
    main()

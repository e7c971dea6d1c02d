"""The papers' CIFAR experiment with ten nodes on one GPU: ``python -m benchmarks gpu_paper`` (one GPU, 5 minutes)

What is measured: from the command to the first training, how much of a round is not training, and accuracy. The same
federation for two rounds of six epochs as it was before steps were recorded, in ten processes, and in one. The same
seed must give the same roots in ten processes and in one. Only if asked, since it takes four minutes by itself: bf16
with the published 20 epochs.

Environment: RAYFED_PICTURES, a folder of train/CLASS/*, test/CLASS/*; RAYFED_CELLS (names, separated by
semicolons); RAYFED_ROUNDS (of the run with 20 epochs, 15); RAYFED_SETTINGS (more settings for that run, separated by
blanks).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks import federated
from benchmarks.cifar import VARIABLE
from benchmarks.federated import Run
from benchmarks.gpu import device
from benchmarks.machine import Figure, Unavailable, report
from rayfed.learning import data

NODES = 10
LIMIT = 240
TOGETHER = f"cluster.nodes_per_actor={NODES}"
WHOLE = int(os.environ.get("RAYFED_ROUNDS", "15"))


@dataclass(frozen=True)
class Cell:
    """One federation: rounds, local epochs, settings."""

    rounds: int
    epochs: int
    settings: tuple[str, ...]


CELLS = {
    "as it was, ten processes": Cell(2, 6, ("train.capture=false", "train.channels_last=false")),
    "ten processes": Cell(2, 6, ()),
    "one process": Cell(2, 6, (TOGETHER,)),
    "20 epochs, bf16, one process": Cell(
        WHOLE, 20, (TOGETHER, "train.precision=bf16", *os.environ.get("RAYFED_SETTINGS", "").split())
    ),
}


def run(place: str, cell: Cell) -> Run:
    """Run the experiment."""
    return federated.run(
        *("+experiment=cifar10_paper", "data=image_folder", f"data.root={place}", "cluster=gpu"),
        *("data.augment.flip=true", "data.augment.shift=0.1", f"data.cache_dir={Path(place).parent / 'cache'}"),
        *(f"federation.rounds={cell.rounds}", f"train.epochs={cell.epochs}", *cell.settings),
        limit=LIMIT,
    )


def lines(name: str, cell: Cell, done: Run) -> list[Figure]:
    """Return what one run has to say. The first round is left out: it records, and reserves memory."""
    later = list(zip(done.rounds, done.training, strict=True))[1:]
    apart = [100 * (1 - training / whole) for whole, training in later]
    rates = [50_000 * cell.epochs / training / 1e3 for _, training in later]
    return [
        Figure(f"{name}: command to first training", "s", [done.start], "", 12),
        Figure(f"{name}: round 1", "s", [done.rounds[0]]),
        Figure(f"{name}: a later round", "s", [whole for whole, _ in later], f"{cell.epochs} epochs"),
        Figure(f"{name}: not training", "%", apart, "of a later round", 5),
        Figure(f"{name}: training", "k/s", rates, "images, all nodes together"),
        Figure(f"{name}: accuracy", "%", [100 * done.summary["final_accuracy"]], f"after {cell.rounds} rounds"),
    ]


def roots(done: Run) -> list[str]:
    """Return the root of every round's merged model."""
    return [told["root"] for told in done.summary["rounds"]]


def main() -> None:
    """Measure, print, write."""
    device()
    place = os.environ.get(VARIABLE)
    if not place:
        raise Unavailable(f"no images: set {VARIABLE} to a folder of train/CLASS/*, test/CLASS/*")
    begin = time.perf_counter()
    data.load("image_folder", place, cache_dir=Path(place).parent / "cache")
    figures = [Figure("decoding 60,000 images", "s", [time.perf_counter() - begin], "once; found decoded later")]
    runs: dict[str, Run] = {}
    for name in filter(None, os.environ.get("RAYFED_CELLS", ";".join(list(CELLS)[:3])).split(";")):
        cell = CELLS[name]
        done = runs[name] = run(place, cell)
        figures += lines(name, cell, done)
        for figure in figures[-6:]:
            print(f"{figure.name:50s} {figure.median:8.2f} {figure.unit}", flush=True)
        print(roots(done)[:2], {step: [round(each, 2) for each in values] for step, values in done.steps.items()})
        print([told["accuracy"] for told in done.summary["rounds"]], flush=True)
    report(
        "gpu_paper",
        "the papers' CIFAR experiment, ten nodes on one GPU",
        figures,
        packages=("torch", "ray", "numpy"),
        details={
            "gpu": torch.cuda.get_device_name(),
            "roots": {name: roots(done)[:2] for name, done in runs.items()},
            "accuracy": {name: [told["accuracy"] for told in done.summary["rounds"]] for name, done in runs.items()},
            "seconds": {name: done.steps for name, done in runs.items()},
        },
    )


if __name__ == "__main__":
    main()

"""The papers' CIFAR experiment with ten nodes on one GPU: ``python -m benchmarks gpu_paper`` (one GPU, 4 minutes)

What is measured: from the command to the first training, how much of a round is not training, and accuracy. The same
federation three times for two rounds: as it was before steps were recorded, in ten processes, and in one; then once in
full. The same seed must give the same root in ten processes and in one.

Environment: RAYFED_PICTURES, a folder of train/CLASS/*, test/CLASS/*; RAYFED_EPOCHS (local epochs a round, 6);
RAYFED_SETTINGS (more settings for the whole run, separated by blanks).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from benchmarks import federated
from benchmarks.cifar import VARIABLE
from benchmarks.federated import Run
from benchmarks.gpu import device
from benchmarks.machine import Figure, Unavailable, report
from rayfed.learning import data

NODES = 10
BEFORE = ("train.capture=false", "train.channels_last=false")
TOGETHER = f"cluster.nodes_per_actor={NODES}"


def run(place: str, rounds: int, *settings: str) -> Run:
    """Run the experiment."""
    return federated.run(
        *("+experiment=cifar10_paper", "data=image_folder", f"data.root={place}", "cluster=gpu"),
        *(f"data.cache_dir={Path(place).parent / 'cache'}", f"federation.rounds={rounds}"),
        *(f"train.epochs={os.environ.get('RAYFED_EPOCHS', '6')}", *settings),
    )


def lines(name: str, done: Run, aims: bool = False) -> list[Figure]:
    """Return what one run has to say. The first round is left out: it records, and reserves memory."""
    later = list(zip(done.rounds, done.training, strict=True))[1:]
    images = 50_000 * int(os.environ.get("RAYFED_EPOCHS", "6"))
    apart = [100 * (1 - training / whole) for whole, training in later]
    return [
        Figure(f"{name}: command to first training", "s", [done.start], "", 12 if aims else None),
        Figure(f"{name}: round 1", "s", [done.rounds[0]]),
        Figure(f"{name}: a later round", "s", [whole for whole, _ in later]),
        Figure(f"{name}: not training", "%", apart, "of a later round", 5 if aims else None),
        Figure(f"{name}: training", "k/s", [images / training / 1e3 for _, training in later], "images, all nodes"),
        Figure(f"{name}: accuracy", "%", [100 * done.summary["final_accuracy"]], f"after {len(done.rounds)} rounds"),
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
    for name, rounds, settings in (
        ("as it was, ten processes", 2, BEFORE),
        ("one process", 2, (TOGETHER,)),
        ("ten processes", 2, ()),
        ("in full, one process", 15, (TOGETHER, *os.environ.get("RAYFED_SETTINGS", "").split())),
    ):
        runs[name] = run(place, rounds, *settings)
        figures += lines(name, runs[name], aims=name.endswith("one process") and rounds > 2)
        for figure in figures[-6:]:
            print(f"{figure.name:50s} {figure.median:8.2f} {figure.unit}", flush=True)
        print(
            name, roots(runs[name])[:2], {k: [round(v, 2) for v in s] for k, s in runs[name].steps.items()}, flush=True
        )
    same = roots(runs["one process"]) == roots(runs["ten processes"])
    print(f"same roots in one process and in ten: {same}")
    report(
        "gpu_paper",
        "the papers' CIFAR experiment, ten nodes on one GPU",
        figures,
        packages=("torch", "ray", "numpy"),
        details={
            "gpu": torch.cuda.get_device_name(),
            "epochs": int(os.environ.get("RAYFED_EPOCHS", "6")),
            "settings": os.environ.get("RAYFED_SETTINGS", ""),
            "same_roots": same,
            "accuracy": [told["accuracy"] for told in runs["in full, one process"].summary["rounds"]],
        },
    )


if __name__ == "__main__":
    main()

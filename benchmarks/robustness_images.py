"""How much accuracy do dishonest nodes cost on real images, where the network is a convolutional one?

As ``robustness``, for some attacks and defences, on a part of CIFAR-10 (``benchmarks.cifar`` says where it comes from):
the tables of the digits say what to look for, these whether it is there too. Adds to robustness.json and its page.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import cifar
from benchmarks.convolutions import ImageWorld
from benchmarks.machine import RESULTS, describe, pool
from benchmarks.robustness import NODES, THREATS, defences, summed, write
from benchmarks.simulation import run

F, ROUNDS, SEEDS, ALPHA = 2, 15, 3, 0.5
A_NODE, TEST = 1000, 1000
DEFENCES = ("mean", "default", "NNM + trimmed mean")
ATTACKS = ("none", "sign flip", "ALIE", "backdoor", "label flip")


@cache
def images() -> Any:
    """Return a part of the images, of half the side: four times as many rounds in the same time."""
    from dataclasses import replace

    whole = cifar.load(NODES)
    drawn = np.random.default_rng(0)
    train = np.sort(drawn.permutation(len(whole.train_y))[: NODES * A_NODE])
    test = np.sort(drawn.permutation(len(whole.test_y))[:TEST])
    return replace(
        whole,
        train_x=_halved(whole.train_x[train]),
        train_y=whole.train_y[train],
        test_x=_halved(whole.test_x[test]),
        test_y=whole.test_y[test],
    )


def _halved(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    n, channels, height, width = x.shape
    blocks = x.reshape(n, channels, height // 2, 2, width // 2, 2)
    return np.rint(blocks.mean((3, 5), dtype=np.float32)).astype(np.uint8)


@cache
def world(seed: int) -> ImageWorld:
    """Return a world; the same one for all cells of a process."""
    import torch

    torch.set_num_threads(1)
    return ImageWorld(images(), NODES, ALPHA, seed)


def measure(cell: tuple[str, str, int]) -> Any:
    """Run one cell with one seed."""
    defence, attack, seed = cell
    return run(world(seed), defences(F)[defence], THREATS[attack], F if attack != "none" else 0, ROUNDS)


def main() -> None:
    """Measure all, add it to the file, fill the page's tables."""
    cifar.folder(NODES)  # whoever has no images is told so before anything starts
    images()
    every = [(d, a, seed) for seed in range(SEEDS) for d in DEFENCES for a in ATTACKS]
    found: dict[tuple[str, str], list[Any]] = {}
    with pool() as processes:
        for (defence, attack, seed), trace in zip(every, processes.map(measure, every), strict=True):
            found.setdefault((defence, attack), []).append(trace)
            print(f"{defence}, {attack}, seed {seed}: {trace.accuracy[-1]:.3f}", flush=True)
    path = RESULTS / "robustness.json"
    content = json.loads(path.read_text())
    content["images"] = {
        "machine": describe(("numpy", "torch")),
        "nodes": NODES,
        "f": F,
        "rounds": ROUNDS,
        "seeds": SEEDS,
        "alpha": ALPHA,
        "images_a_node": A_NODE,
        "weights": world(0).size,
        "cells": [{"defence": d, "attack": a, **summed(traces)} for (d, a), traces in found.items()],
    }
    write(content)


if __name__ == "__main__":
    main()

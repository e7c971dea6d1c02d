"""How much accuracy does a dishonest node cost where there are few nodes?

As ``robustness``, for the default alone in federations of four and of seven nodes with as many liars as f < n/3 allows.
Adds to robustness.json and its page.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

from benchmarks.machine import RESULTS
from benchmarks.robustness import ROUNDS, SPLITS, THREATS, defences, summed, write
from benchmarks.simulation import World, run

SIZES = {4: 1, 7: 2}
"""Liars by number of nodes."""

SEEDS = 8


@cache
def world(nodes: int, split: str, seed: int) -> World:
    """Return a world; the same one for all cells of a process."""
    import torch

    from rayfed.learning import data

    torch.set_num_threads(1)
    return World(data.load("digits"), nodes, SPLITS[split], seed)


def measure(cell: tuple[int, str, str]) -> dict[str, Any]:
    """Run one cell with every seed."""
    nodes, split, attack = cell
    f = 0 if attack == "none" else SIZES[nodes]
    traces = [
        run(world(nodes, split, seed), defences(1)["default"], THREATS[attack], f, ROUNDS) for seed in range(SEEDS)
    ]
    return {"nodes": nodes, "split": split, "attack": attack, "f": f, **summed(traces)}


def main() -> None:
    """Measure all, add it to the file, fill the page's tables."""
    every = [(nodes, split, attack) for nodes in SIZES for split in SPLITS for attack in THREATS]
    found = []
    with ProcessPoolExecutor(int(os.environ.get("RAYFED_BENCH_PROCESSES", "2"))) as pool:
        for one in pool.map(measure, every):
            found.append(one)
            print(f"{one['nodes']} nodes, {one['split']}, {one['attack']}: {one['final']['mean']:.3f}", flush=True)
    content = json.loads((RESULTS / "robustness.json").read_text())
    content["small"] = {"seeds": SEEDS, "cells": found}
    write(content)


if __name__ == "__main__":
    main()

"""How much accuracy does a dishonest node cost where there are few nodes?

As ``robustness``, for the default alone in federations of four and of seven nodes with as many liars as f < n/3 allows.
Adds to robustness.json and its page.
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.machine import RESULTS, pool
from benchmarks.robustness import ROUNDS, SPLITS, THREATS, defences, summed, world, write
from benchmarks.simulation import run

SIZES = {4: 1, 7: 2}
"""Liars by number of nodes."""

SEEDS = 8


def measure(cell: tuple[int, str, str]) -> dict[str, Any]:
    """Run one cell with every seed."""
    nodes, split, attack = cell
    f = 0 if attack == "none" else SIZES[nodes]
    traces = [
        run(world(split, seed, nodes), defences(1)["default"], THREATS[attack], f, ROUNDS) for seed in range(SEEDS)
    ]
    return {"nodes": nodes, "split": split, "attack": attack, "f": f, **summed(traces)}


def main() -> None:
    """Measure all, add it to the file, fill the page's tables."""
    every = [(nodes, split, attack) for nodes in SIZES for split in SPLITS for attack in THREATS]
    found = []
    with pool() as processes:
        for one in processes.map(measure, every):
            found.append(one)
            print(f"{one['nodes']} nodes, {one['split']}, {one['attack']}: {one['final']['mean']:.3f}", flush=True)
    content = json.loads((RESULTS / "robustness.json").read_text())
    content["small"] = {"seeds": SEEDS, "cells": found}
    write(content)


if __name__ == "__main__":
    main()

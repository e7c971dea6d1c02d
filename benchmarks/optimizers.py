"""What momentum and adaptive steps on the merged model are worth: ``python -m benchmarks optimizers``

Ten nodes learn the digits in ``simulation``'s world, all of them honest, with the real rule and the real steps in whole
numbers; beside them worker momentum, as in ``train.worker_momentum``.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from benchmarks.machine import Figure, pool, report
from benchmarks.robustness import NODES, ROUNDS, SPLITS, world
from benchmarks.robustness_page import PAGE, optimizers, placed
from benchmarks.worlds import FRACTION, Values, World
from rayfed.aggregation import rules
from rayfed.aggregation.rules.optimizer import Optimizer, Stepped, extended
from rayfed.encoding.layout import Layout, TensorSpec

SEEDS = 5
EARLY = 3
BASIS = Optimizer("fedavgm", 1_000_000, 9_000, 9_900, 1_000_000)
STEPS: dict[str, Optimizer | None] = {
    "fedavg": None,
    "worker momentum 0.9": None,
    "fedavgm, momentum 0.9": BASIS,
    "fedavgm, momentum 0.5": replace(BASIS, momentum=5_000),
    "fedadam, server_lr 0.01": replace(BASIS, name="fedadam", rate=10_000),
    "fedadam, server_lr 0.03 (default)": replace(BASIS, name="fedadam", rate=30_000),
    "fedyogi, server_lr 0.01": replace(BASIS, name="fedyogi", rate=10_000),
    "fedyogi, server_lr 0.03 (default)": replace(BASIS, name="fedyogi", rate=30_000),
}


def accuracies(cell: tuple[str, str, int]) -> list[float]:
    """Return the accuracy after each round."""
    name, split, seed = cell
    place, chosen = world(split, seed), STEPS[name]
    shares = [
        (place.pixels(place.data.train_x[part]), place.test_y.new_tensor(place.data.train_y[part]))
        for part in place.parts
    ]
    layout = Layout((TensorSpec("weights", (place.size,), "float", "float32", FRACTION.bit_length() - 1),))
    plain = rules.make("mean")
    rule = Stepped(plain, chosen, layout) if chosen else plain
    size = extended(layout, chosen.name).size if chosen else place.size
    blob = np.zeros(size, np.int32)
    blob[: place.size] = place.genesis
    carried: list[np.ndarray] | None = None
    found = []
    for round in range(1, ROUNDS + 1):
        base = blob[: place.size].copy()
        updates = place.train(base, shares, round)
        if name.startswith("worker"):
            carried, updates = _carried(place, base, updates, carried)
        merged = np.zeros(size, np.int32)
        padded = [np.concatenate([update, np.zeros(size - place.size, np.int32)]) for update in updates]
        rule.merge(padded, [len(part) for part in place.parts], merged, threads=1, base=blob)
        blob = merged
        found.append(place.accuracy(blob[: place.size])[0])
    return found


def _carried(
    place: World, base: Values, updates: list[Values], carried: list[np.ndarray] | None
) -> tuple[list[np.ndarray], list[Values]]:
    """Return every node's momentum, and what it sends instead of its update: ``m = 0.9 m + 0.1 step``."""
    steps = [update.astype(np.float64) - base for update in updates]
    now = steps if carried is None else [0.9 * m + 0.1 * step for m, step in zip(carried, steps, strict=True)]
    return now, [np.rint(base + m).astype(np.int32) for m in now]


def main() -> None:
    """Measure, print, write."""
    every = [(name, split, seed) for split in SPLITS for name in STEPS for seed in range(SEEDS)]
    with pool() as processes:
        curves = dict(zip(every, processes.map(accuracies, every), strict=True))
    figures = []
    for split in SPLITS:
        for name in STEPS:
            runs = [curves[name, split, seed] for seed in range(SEEDS)]
            last, early = [100 * run[-1] for run in runs], [100 * run[EARLY - 1] for run in runs]
            figures.append(Figure(f"{split}, {name}", "%", last, f"after {ROUNDS} rounds, one value a seed"))
            figures.append(Figure(f"  after {EARLY}", "%", early))
    path = report(
        "optimizers",
        f"accuracy of {NODES} honest nodes on the digits, by what is done with the mean of their updates",
        figures,
        packages=("torch", "numpy"),
    )
    if PAGE.exists():
        table = optimizers(json.loads(path.read_text())["figures"], tuple(SPLITS))
        PAGE.write_text(placed(PAGE.read_text(), "optimizers", table))
        print(f"written: docs/{PAGE.name}")


if __name__ == "__main__":
    main()

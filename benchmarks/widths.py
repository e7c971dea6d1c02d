"""What updates of 16 and 8 bits cost in accuracy, and save in bytes: ``python -m benchmarks widths``

Ten honest nodes learn the digits in ``simulation``'s world; their updates are packed and unpacked by the real code, and
the mean of what they say is the next base.
"""

from __future__ import annotations

import numpy as np

from benchmarks.machine import Figure, pool, report
from benchmarks.robustness import NODES, ROUNDS, SPLITS, world
from benchmarks.worlds import FRACTION, Values
from rayfed.aggregation import rules
from rayfed.encoding import differences
from rayfed.encoding.layout import Layout, TensorSpec

SEEDS = 3
EARLY = 3


def accuracies(cell: tuple[int, str, int]) -> list[float]:
    """Return the accuracy after each round."""
    bits, split, seed = cell
    place, rule = world(split, seed), rules.make("mean")
    shares = [
        (place.pixels(place.data.train_x[part]), place.test_y.new_tensor(place.data.train_y[part]))
        for part in place.parts
    ]
    layout, base = layout_of(place.size, bits), place.genesis
    found = []
    for round in range(1, ROUNDS + 1):
        updates = [travelled(layout, update, base) for update in place.train(base, shares, round)]
        merged = np.zeros(place.size, np.int32)
        rule.merge(updates, [len(part) for part in place.parts], merged, threads=1)
        base = merged
        found.append(place.accuracy(base)[0])
    return found


def layout_of(size: int, bits: int) -> Layout:
    """Return a layout of so many weights."""
    return Layout((TensorSpec("weights", (size,), "float", "float32", FRACTION.bit_length() - 1),), bits=bits)


def travelled(layout: Layout, update: Values, base: Values) -> Values:
    """Return what is left of an update on its way."""
    if layout.bits == 32:
        return update
    blob = np.empty(layout.update_size, np.uint8).data
    differences.pack(layout, update, base, blob)
    return differences.unpack(blob, base, layout.bits)


def main() -> None:
    """Measure, print, write."""
    every = [(bits, split, seed) for split in SPLITS for bits in differences.BITS for seed in range(SEEDS)]
    with pool() as processes:
        curves = dict(zip(every, processes.map(accuracies, every), strict=True))
    figures = []
    for split in SPLITS:
        for bits in differences.BITS:
            runs = [curves[bits, split, seed] for seed in range(SEEDS)]
            note = f"after {ROUNDS} rounds, one value a seed"
            figures.append(Figure(f"{split}, {bits} bits", "%", [100 * run[-1] for run in runs], note))
            figures.append(Figure(f"  after {EARLY}", "%", [100 * run[EARLY - 1] for run in runs]))
    for size in (620_810, 11_173_962):
        for bits in differences.BITS:
            size_of_update = layout_of(size, bits).update_size / 2**20
            figures.append(Figure(f"{size:,} weights, {bits} bits", "MiB", [size_of_update], "an update"))
    report(
        "widths",
        f"accuracy of {NODES} honest nodes on the digits, by the width of what their updates say; an update's bytes",
        figures,
        packages=("torch", "numpy"),
    )


if __name__ == "__main__":
    main()

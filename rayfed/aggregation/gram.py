"""Exact inner products of updates: all that distances, angles and means of whole updates are made of.

Krum, cosine, copies, geometric median, clipping and nearest neighbours ask for nothing but the Gram matrix
``G[i][j] = <x_i - c, x_j - c>`` of the n updates, so the n_values-sized work is done once, in one pass over blocks
that fit the cache, and everything after it is arithmetic on an n x n table of whole numbers.

Exactness: float64 holds whole numbers up to 2^53, and sums of products in it are exact, in whatever order BLAS adds
them, as long as no partial sum exceeds that. A difference of two int32 has 33 bits. Where the squares of a block's
differences add up to little enough the product is taken at once; otherwise each is split into ``65536 * high + low``,
whose products over a block of 2^17 stay below 2^49.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isqrt, sqrt
from typing import TYPE_CHECKING

import numpy as np

from rayfed.encoding import blocks

if TYPE_CHECKING:
    import numpy.typing as npt

EXACT = 1 << 53
"""float64 holds every whole number up to this."""

_SPLIT = 1 << 16
_SCRATCH = 1 << 22
"""Values of scratch a thread and buffer, at most: 32 MiB of float64."""


@dataclass(frozen=True)
class Gram:
    """Inner products of n updates about a centre; whole numbers of any size, in units of the fixed point squared.

    What is made of them in floats is computed once, when somebody asks: the nodes of a process share a round's table.

    Attributes:
        table: (n, n), symmetric.
    """

    table: tuple[tuple[int, ...], ...]
    _chosen: dict[tuple[int, ...], Gram] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def lengths(self) -> npt.NDArray[np.float64]:
        """How far each update is from the centre, (n,)."""
        return np.array([sqrt(line[row]) for row, line in enumerate(self.table)])

    @cached_property
    def cosines(self) -> npt.NDArray[np.float64]:
        """The cosine of the angle between each two, seen from the centre, (n, n); 0 where one of them is there."""
        products = np.array(self.table, np.float64).reshape(len(self), len(self))
        both = np.outer(self.lengths, self.lengths)
        return np.divide(products, both, out=np.zeros_like(products), where=both > 0)

    @cached_property
    def distances(self) -> npt.NDArray[np.float64]:
        """The distance of each two updates, (n, n); the root of an exact difference, so that copies are at 0."""
        own = [line[row] for row, line in enumerate(self.table)]
        apart = [[sqrt(own[i] + own[j] - 2 * both) for j, both in enumerate(row)] for i, row in enumerate(self.table)]
        return np.array(apart).reshape(len(self), len(self))

    def __len__(self) -> int:
        """How many updates there are."""
        return len(self.table)

    def squared_distance(self, i: int, j: int) -> int:
        """Return ``|x_i - x_j|^2``; the centre does not matter."""
        return self.table[i][i] + self.table[j][j] - 2 * self.table[i][j]

    def cosine(self, i: int, j: int) -> float:
        """Return the cosine of the angle between two updates, seen from the centre; 0 where one of them is there."""
        return cosine(self.table[i][j], self.table[i][i], self.table[j][j])

    def chosen(self, indices: Sequence[int]) -> Gram:
        """Return the products of these updates alone, in this order."""
        wanted = tuple(indices)
        if wanted == tuple(range(len(self))):
            return self
        if wanted not in self._chosen:
            self._chosen[wanted] = Gram(tuple(tuple(self.table[i][j] for j in wanted) for i in wanted))
        return self._chosen[wanted]

    def mixed(self, rows: Sequence[Sequence[int]]) -> Gram:
        """Return the products of ``y_i = sum_k rows[i][k] * x_k`` (each from the centre)."""
        half = [
            [sum(weight * self.table[k][j] for k, weight in enumerate(row) if weight) for j in range(len(self))]
            for row in rows
        ]
        return Gram(
            tuple(
                tuple(sum(weight * left[k] for k, weight in enumerate(row) if weight) for row in rows) for left in half
            )
        )


def cosine(product: int, one: int, other: int) -> float:
    """Return ``product / sqrt(one * other)``; 0 where that is not defined."""
    # The root of each by itself: their product may be beyond what a float holds.
    return product / (sqrt(one) * sqrt(other)) if one and other else 0.0


def root(value: int, bits: int = 0) -> int:
    """Return ``floor(sqrt(value) * 2^bits)``."""
    return isqrt(value << 2 * bits)


def gram(
    values: Sequence[npt.NDArray[np.int32]], centre: npt.NDArray[np.int32] | None = None, threads: int | None = None
) -> Gram:
    """Return the exact Gram matrix of n updates.

    Args:
        values: n arrays of shape (n_values,), int32; read only.
        centre: (n_values,) int32; None is the origin.
        threads: as in ``blocks.run``.
    """
    n = len(values)
    if n == 0:
        return Gram(())
    size = values[0].size
    block = max(1024, min(blocks.BLOCK, _SCRATCH // n))
    totals = [[0] * n for _ in range(n)]
    lock = threading.Lock()

    def worker() -> Callable[[tuple[int, int]], None]:
        scratch = np.empty((n, min(block, size)), np.float64)

        def work(task: tuple[int, int]) -> None:
            here = slice(*task)
            x = scratch[:, : task[1] - task[0]]
            for row, update in zip(x, values, strict=True):
                if centre is None:
                    np.copyto(row, update[here])
                else:
                    np.subtract(update[here], centre[here], out=row, dtype=np.float64)
            products = _products(x)
            with lock:
                for i, line in enumerate(products):
                    for j, product in enumerate(line):
                        totals[i][j] += product

        return work

    blocks.run(blocks.ranges(size, block), worker, threads)
    return Gram(tuple(map(tuple, totals)))


def _products(x: npt.NDArray[np.float64]) -> list[list[int]]:
    """Return ``x @ x.T`` exactly; x holds whole numbers of 33 bits, (n, at most 2^17)."""
    products = x @ x.T
    # A sum of squares only grows, and bounds all partial sums of products (Cauchy, Schwarz). Half: it may be rounded.
    if products.diagonal().max(initial=0.0) <= EXACT / 2:
        return [[int(product) for product in line] for line in products]
    high = np.floor(x / _SPLIT)
    low = x - _SPLIT * high
    squares, crossed, small = high @ high.T, high @ low.T, low @ low.T
    return [
        [
            (int(squares[i, j]) << 32) + ((int(crossed[i, j]) + int(crossed[j, i])) << 16) + int(small[i, j])
            for j in range(len(x))
        ]
        for i in range(len(x))
    ]

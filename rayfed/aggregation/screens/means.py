"""Means of updates with some of them left out, block by block: a screen may ask for as many as there are updates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens import Evidence
from rayfed.encoding import blocks

Block = tuple[int, int]


class Means:
    """Weighted by examples, rounded to whole numbers. All answers share one array: each is good until the next one.

    Args:
        evidence: its updates are (n_values,) int32.
        indices: whose updates; at least one, and for ``without`` two.
    """

    def __init__(self, evidence: Evidence, indices: Sequence[int]) -> None:
        self._updates = evidence.updates
        self._weights = {index: float(evidence.weights[index]) for index in indices}
        self._weight = sum(self._weights.values())
        size = evidence.base.size
        self._sum = np.empty(size, np.float64)  # exact: n_updates * 2^31 * weight stays far below 2^53 for honest ones
        self._out = np.empty(size, np.int32)
        self._blocks = blocks.ranges(size)
        blocks.run(self._blocks, self._adder)

    def of_all(self) -> NDArray[np.int32]:
        """Return (n_values,) int32."""
        return self._rounded(lambda start, stop, out: np.divide(self._sum[start:stop], self._weight, out=out))

    def without(self, indices: Collection[int]) -> NDArray[np.int32]:
        """Return (n_values,) int32: the mean of all but these, which are not all."""
        left = self._weight - sum(self._weights[index] for index in indices)

        def mean(start: int, stop: int, out: NDArray[np.float64]) -> object:
            np.copyto(out, self._sum[start:stop])
            for index in indices:
                out -= self._updates[index][start:stop] * self._weights[index]
            return np.divide(out, left, out=out)

        return self._rounded(mean)

    def _adder(self) -> Callable[[Block], None]:
        scratch = np.empty(blocks.BLOCK, np.float64)

        def add(block: Block) -> None:
            start, stop = block
            total, part = self._sum[start:stop], scratch[: stop - start]
            total.fill(0.0)
            for index, weight in self._weights.items():
                total += np.multiply(self._updates[index][start:stop], weight, out=part)

        return add

    def _rounded(self, mean: Callable[[int, int, NDArray[np.float64]], object]) -> NDArray[np.int32]:
        def worker() -> Callable[[Block], None]:
            scratch = np.empty(blocks.BLOCK, np.float64)

            def work(block: Block) -> None:
                start, stop = block
                part = scratch[: stop - start]
                mean(start, stop, part)
                np.copyto(self._out[start:stop], np.rint(part, out=part), casting="unsafe")  # a mean of int32

            return work

        blocks.run(self._blocks, worker)
        return self._out

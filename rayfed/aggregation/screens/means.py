"""Means of updates with some of them left out, block by block: a screen may ask for as many as there are updates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens import Evidence
from rayfed.encoding import blocks

Block = tuple[int, int]

TOGETHER = 1 << 15
"""Values of each update at a time, where many means are made at once."""

LARGEST = 2**31 - 128
"""The largest float32 that is an int32."""


class Means:
    """Weighted by examples, rounded to whole numbers.

    The mean of all and those without a group are shared with the process's other nodes, who will ask for the same ones.
    All others share one array: each is good until the next one.

    Args:
        evidence: its updates are (n_values,) int32.
        indices: whose updates; at least one, and for ``without`` two.
        groups: members that will be left out together. Where there are any, these means and that of all are made in one
            pass over the updates, of float32, whose last bits no loss shows.
    """

    def __init__(self, evidence: Evidence, indices: Sequence[int], groups: Sequence[Sequence[int]] = ()) -> None:
        self.groups = tuple(map(tuple, groups))
        self._evidence = evidence
        self._indices = tuple(indices)
        self._weights = {index: float(evidence.weights[index]) for index in indices}
        self._weight = sum(self._weights.values())
        self._blocks = blocks.ranges(evidence.base.size)

    def of_all(self) -> NDArray[np.int32]:
        """Return (n_values,) int32, which is not to be written to."""
        made: NDArray[np.int32] = self._shared[0]
        return made

    def without(self, indices: Collection[int]) -> NDArray[np.int32]:
        """Return (n_values,) int32, not to be written to: the mean of all but these, which are not all."""
        left_out = tuple(indices)
        if left_out in self.groups:
            made: NDArray[np.int32] = self._shared[1 + self.groups.index(left_out)]
            return made
        return self._mean(left_out, self._one)

    def loss(self, left_out: Collection[int] = ()) -> float:
        """Return the loss of the mean of all but these on the node's private data; it is made and made ready once in a
        process."""
        out = tuple(left_out)
        key = "mean", self._indices, self.groups, out
        if out or self.groups:
            return self._evidence.loss_of(key, lambda: self.without(out) if out else self.of_all())
        return self._evidence.loss_of(key, lambda: self._mean((), self._one))

    @cached_property
    def _shared(self) -> NDArray[np.int32]:
        """The mean of all and those without a group, (1 + n_groups, n_values)."""
        key = ("means", self._indices, self.groups)
        return self._evidence.shared(key, self._together if self.groups else self._alone)

    def _alone(self) -> NDArray[np.int32]:
        return self._mean((), np.empty(self._evidence.base.size, np.int32))[np.newaxis]

    def _together(self) -> NDArray[np.int32]:
        kept = [[0.0 if i in group else self._weights[i] for i in self._indices] for group in ((), *self.groups)]
        parts = (np.array(kept) / np.sum(kept, axis=1, keepdims=True)).astype(np.float32)
        updates = [self._evidence.updates[index] for index in self._indices]
        out = np.empty((len(parts), self._evidence.base.size), np.int32)

        def worker() -> Callable[[Block], None]:
            scratch = np.empty((len(updates) + len(parts), TOGETHER), np.float32)

            def work(block: Block) -> None:
                start, stop = block
                given, made = np.split(scratch[:, : stop - start], [len(updates)])
                for row, update in zip(given, updates, strict=True):
                    np.copyto(row, update[start:stop], casting="unsafe")
                np.matmul(parts, given, out=made)
                np.clip(np.rint(made, out=made), -(2**31), LARGEST, out=made)
                np.copyto(out[:, start:stop], made, casting="unsafe")

            return work

        blocks.run(blocks.ranges(out.shape[1], TOGETHER), worker)
        return out

    @cached_property
    def _one(self) -> NDArray[np.int32]:
        """What all means without one update are written into in turn."""
        return np.empty(self._evidence.base.size, np.int32)

    @cached_property
    def _sum(self) -> NDArray[np.float64]:
        """Exact: n_updates * 2^31 * weight stays far below 2^53 for honest ones."""
        total = np.empty(self._evidence.base.size, np.float64)

        def worker() -> Callable[[Block], None]:
            scratch = np.empty(blocks.BLOCK, np.float64)

            def add(block: Block) -> None:
                here = slice(*block)
                there, part = total[here], scratch[: block[1] - block[0]]
                there.fill(0.0)
                for index, weight in self._weights.items():
                    there += np.multiply(self._evidence.updates[index][here], weight, out=part)

            return add

        blocks.run(self._blocks, worker)
        return total

    def _mean(self, left_out: Collection[int], out: NDArray[np.int32]) -> NDArray[np.int32]:
        total, left = self._sum, self._weight - sum(self._weights[index] for index in left_out)

        def worker() -> Callable[[Block], None]:
            scratch = np.empty((2, blocks.BLOCK), np.float64)

            def work(block: Block) -> None:
                here = slice(*block)
                mean, part = scratch[:, : block[1] - block[0]]
                np.copyto(mean, total[here])
                for index in left_out:
                    mean -= np.multiply(self._evidence.updates[index][here], self._weights[index], out=part)
                np.divide(mean, left, out=mean)
                np.copyto(out[here], np.rint(mean, out=mean), casting="unsafe")  # a mean of int32

            return work

        blocks.run(self._blocks, worker)
        return out

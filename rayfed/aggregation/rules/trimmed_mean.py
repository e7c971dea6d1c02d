"""The coordinate-wise trimmed mean (Yin et al. 2018, "Byzantine-Robust Distributed Learning", definition 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rayfed.aggregation.rules import TRIM_UNIT, Rule, Updates
from rayfed.aggregation.rules.network import middle
from rayfed.encoding import blocks
from rayfed.errors import ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

_SCRATCH = 1 << 24
"""Bytes of scratch a thread: more would not stay in a shared cache, so many updates get smaller blocks."""


class TrimmedMean(Rule):
    """Per coordinate: drop the k smallest and the k largest, then ``floor(sum / (n - 2k))``; weights are unused.

    k = n * trim // 10,000, and trim < 5000, so 2k < n. Sums of up to 256 int32 fit int64 with room to spare.
    """

    name = "trimmed_mean"
    code = 2
    by_coordinate = True

    def __init__(self, trim: int) -> None:
        if isinstance(trim, bool) or not isinstance(trim, int) or not 0 <= 2 * trim < TRIM_UNIT:
            raise ConfigError(
                "merge.trim", f"must be a whole number of parts per 10,000 in 0..{TRIM_UNIT // 2 - 1}, not {trim!r}"
            )
        self.trim = trim

    def write(self, updates: Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        """See ``Rule``."""
        merge_middle(updates.values, len(updates.values) * self.trim // TRIM_UNIT, out, threads)


def merge_middle(
    values: Sequence[npt.NDArray[np.int32]], k: int, out: npt.NDArray[np.int32], threads: int | None = None
) -> None:
    """Write the floored mean of what is left per coordinate without the k smallest and the k largest.

    Args:
        values: n arrays of shape (n_values,).
        k: 0 <= 2k < n.
        out: (n_values,).
        threads: as in ``Rule.merge``.
    """
    program = middle(len(values), k)
    block = min(blocks.BLOCK, max(4096, _SCRATCH // (4 * max(program.scratch, 1))))

    def worker() -> Callable[[tuple[int, int]], None]:
        scratch = [np.empty(block, np.int32) for _ in range(program.scratch)]
        sums = np.empty(block, np.int64)

        def work(task: tuple[int, int]) -> None:
            here = slice(*task)
            size = task[1] - task[0]
            register = [update[here] for update in values] + [buffer[:size] for buffer in scratch]
            for is_max, left, right, target in program.steps:
                (np.maximum if is_max else np.minimum)(register[left], register[right], out=register[target])
            first, *rest = (register[index] for index in program.outputs)
            if not rest:
                np.copyto(out[here], first)
                return
            acc = sums[:size]
            np.add(first, rest[0], out=acc, dtype=np.int64)
            for kept in rest[1:]:
                np.add(acc, kept, out=acc)
            np.floor_divide(acc, len(rest) + 1, out=acc)
            np.copyto(out[here], acc, casting="unsafe")  # a mean of int32 is an int32

        return work

    blocks.run(blocks.ranges(out.size, block), worker, threads)

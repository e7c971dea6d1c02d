"""The weighted mean, FedAvg's merge (McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks")."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rayfed.aggregation.rules import MAX_WEIGHT, Rule, Updates
from rayfed.encoding import blocks
from rayfed.errors import ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt


class Mean(Rule):
    """``floor(sum(w_i * q_i) / sum(w_i))`` with each w_i capped to 1..max_weight.

    No sum leaves int64: with n <= 256 and w_i < 2^24 the weights sum below 2^32, and |q_i| <= 2^31, so that
    |sum(w_i * q_i)| < 2^63.
    """

    name = "mean"
    code = 1
    by_coordinate = True

    def __init__(self, max_weight: int = 1_000_000) -> None:
        if isinstance(max_weight, bool) or not isinstance(max_weight, int) or not 1 <= max_weight <= MAX_WEIGHT:
            raise ConfigError("merge.max_weight", f"must be a whole number in 1..{MAX_WEIGHT}, not {max_weight!r}")
        self.max_weight = max_weight

    def write(self, updates: Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        """See ``Rule``."""
        values = updates.values
        capped = [min(max(weight, 1), self.max_weight) for weight in updates.weights]
        common = math.gcd(*capped)  # numerator and denominator alike: the quotient stays, equal weights become 1
        factors = [weight // common for weight in capped]
        total = sum(factors)

        def worker() -> Callable[[tuple[int, int]], None]:
            sums = np.empty(blocks.BLOCK, np.int64)
            products = np.empty(blocks.BLOCK, np.int64)

            def work(task: tuple[int, int]) -> None:
                block = slice(*task)
                size = task[1] - task[0]
                acc, product = sums[:size], products[:size]
                np.multiply(values[0][block], factors[0], out=acc, dtype=np.int64)
                for update, factor in zip(values[1:], factors[1:], strict=True):
                    if factor == 1:
                        np.add(acc, update[block], out=acc)
                    else:
                        np.multiply(update[block], factor, out=product, dtype=np.int64)
                        np.add(acc, product, out=acc)
                np.floor_divide(acc, total, out=acc)
                np.copyto(out[block], acc, casting="unsafe")  # a mean of int32 is an int32

            return work

        blocks.run(blocks.ranges(out.size), worker, threads)

"""Rules whose result is a convex combination of whole updates: found on the Gram matrix, then one pass over the values.

The search (Weiszfeld's steps, clipping's) happens in the combination's coefficients, n whole numbers in units of
2^-BITS, and needs only inner products, which are exact whole numbers of any size. Floor divisions and integer square
roots are the only roundings, the number of steps is fixed, and so every machine ends with the same coefficients and
the same bits. No array of n_values is made but the result.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rayfed.aggregation.gram import Gram, gram
from rayfed.aggregation.rules import Rule, Updates
from rayfed.encoding import blocks

if TYPE_CHECKING:
    import numpy.typing as npt

BITS = 28
ONE = 1 << BITS
"""A coefficient of one: |x - base| < 2^32 and coefficients that sum to at most 2^28 stay below 2^60."""


class LinearRule(Rule):
    """A rule of the form ``base + floor(sum(c_i * (x_i - base)) / ONE)`` with ``0 <= c_i`` and ``sum(c_i) <= ONE``.

    A rule that needs no base is ``floor(sum(c_i * x_i) / sum(c_i))``: what the floors have cut off a coefficient goes
    to nobody, so the order of the updates changes no bit.
    """

    @abstractmethod
    def coefficients(self, products: Gram, weights: Sequence[int]) -> list[int]:
        """Return the n coefficients, in units of 1 / ONE.

        Args:
            products: of the updates, seen from the base (any centre if the rule needs none).
            weights: from the headers.
        """

    def write(self, updates: Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        """See ``Rule``."""
        centre, products = survey(self, updates, threads)
        combine(updates.values, self.coefficients(products, updates.weights), out, centre, threads)


def survey(rule: Rule, updates: Updates, threads: int | None) -> tuple[npt.NDArray[np.int32] | None, Gram]:
    """Begin a merge of whole updates: return where the rule looks from, and the products seen there."""
    centre = updates.base if rule.needs_base else None
    return centre, gram(updates.values, centre, threads)


def combine(
    values: Sequence[npt.NDArray[np.int32]],
    coefficients: Sequence[int],
    out: npt.NDArray[np.int32],
    base: npt.NDArray[np.int32] | None,
    threads: int | None = None,
) -> None:
    """Write ``base + floor(sum(c_i * (x_i - base)) / ONE)``, or without a base ``floor(sum(c_i * x_i) / sum(c_i))``."""
    total = sum(coefficients)

    def worker() -> Callable[[tuple[int, int]], None]:
        sums, products = np.empty(blocks.BLOCK, np.int64), np.empty(blocks.BLOCK, np.int64)

        def work(task: tuple[int, int]) -> None:
            here = slice(*task)
            acc, product = sums[: task[1] - task[0]], products[: task[1] - task[0]]
            acc.fill(0)
            for update, factor in zip(values, coefficients, strict=True):
                if not factor:
                    continue
                if base is None:
                    np.multiply(update[here], factor, out=product, dtype=np.int64)
                else:
                    np.subtract(update[here], base[here], out=product, dtype=np.int64)
                    np.multiply(product, factor, out=product)
                np.add(acc, product, out=acc)
            if base is None:
                np.floor_divide(acc, total, out=acc)
            else:
                np.right_shift(acc, BITS, out=acc)  # floors, negative numbers too
                np.add(acc, base[here], out=acc)
            np.copyto(out[here], acc, casting="unsafe")  # convex: between the lowest and the highest int32

        return work

    blocks.run(blocks.ranges(out.size), worker, threads)


def squared_distances(products: Gram, coefficients: Sequence[int], whole: int) -> list[int]:
    """Return ``whole^2 * |x_i - z|^2`` for each update, where ``z = sum(c_i * x_i) / whole``, all from the centre."""
    n = range(len(products))
    along = [sum(products.table[i][j] * coefficients[j] for j in n) for i in n]  # whole * <x_i, z>
    own = sum(coefficients[i] * along[i] for i in n)  # whole^2 * |z|^2
    return [whole * whole * products.table[i][i] - 2 * whole * along[i] + own for i in n]

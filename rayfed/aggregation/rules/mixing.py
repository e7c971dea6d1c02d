"""Mixing: before the rule, every update is replaced by the mean of a few, which brings honest ones together.

Sources: nearest-neighbour mixing, Allouah et al. 2023, "Fixing by Mixing: A Recipe for Optimal Byzantine ML under
Heterogeneity" (NNM); bucketing, Karimireddy, He and Jaggi 2022, "Byzantine-Robust Learning on Heterogeneous Datasets
via Bucketing". Neighbours are found by exact distances. A mixed merge depends on whole updates, so the contract cannot
recompute one coordinate of it: it is attested, not challenged.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rayfed.aggregation.gram import Gram
from rayfed.aggregation.rules import Rule, Updates
from rayfed.aggregation.rules.linear import LinearRule, combine, survey
from rayfed.encoding import blocks
from rayfed.errors import ConfigError

if TYPE_CHECKING:
    import numpy.typing as npt

Rows = tuple[list[list[int]], int]
"""Whole weights, one row a mixed update, and what each row sums to."""


class Mixing(Protocol):
    """What is done to the updates before the rule."""

    name: str

    def rows(self, products: Gram) -> Rows:
        """Return the weights of the mixed updates."""


class NearestNeighbours:
    """Replace each update by the mean of the n - f that are nearest to it, itself among them; n > 2f."""

    name = "nnm"

    def __init__(self, f: int) -> None:
        if isinstance(f, bool) or not isinstance(f, int) or not 1 <= f <= 127:
            raise ConfigError("merge.f", f"nnm needs a number of Byzantine nodes in 1..127, not {f!r}")
        self.f = f

    def rows(self, products: Gram) -> Rows:
        """See ``Mixing``. Ties go to the shorter update, then to the one that comes first."""
        n = len(products)
        near = n - min(self.f, (n - 1) // 2)
        rows = []
        for i in range(n):
            order = sorted(range(n), key=lambda j: (products.squared_distance(i, j), products.table[j][j]))
            chosen = set(order[:near])
            rows.append([int(j in chosen) for j in range(n)])
        return rows, near


class Buckets:
    """Replace the updates by the means of buckets of ``size``, dealt out by chance.

    The chance is a hash of all updates' norms: the same everywhere, in whatever order they come, and known to nobody
    who commits before the others have shown theirs.
    """

    name = "bucketing"

    def __init__(self, size: int = 2) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or not 2 <= size <= 128:
            raise ConfigError("merge.bucket", f"must be a whole number in 2..128, not {size!r}")
        self.size = size

    def rows(self, products: Gram) -> Rows:
        """See ``Mixing``."""
        n = len(products)
        norms = [products.table[i][i] for i in range(n)]
        seed = repr(sorted(norms)).encode()
        order = sorted(range(n), key=lambda i: hashlib.sha256(seed + repr(norms[i]).encode()).digest())
        dealt = [order[start : start + self.size] for start in range(0, n, self.size)]
        divisor = math.lcm(*(len(bucket) for bucket in dealt))
        return [[divisor // len(bucket) if i in bucket else 0 for i in range(n)] for bucket in dealt], divisor


class Mixed(Rule):
    """A rule after a mixing step; the mixed updates are never held whole."""

    def __init__(self, rule: Rule, step: Mixing) -> None:
        self.name = f"{step.name}+{rule.name}"
        self.needs_base = rule.needs_base
        self.rule, self.step = rule, step

    def write(self, updates: Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        """See ``Rule``. The weights are unused: a mixed update is nobody's."""
        values = updates.values
        centre, products = survey(self, updates, threads)
        rows, divisor = self.step.rows(products)
        if isinstance(self.rule, LinearRule):
            found = self.rule.coefficients(products.mixed(rows), [1] * len(rows))
            columns = zip(*rows, strict=True)
            through = [sum(c * w for c, w in zip(found, column, strict=True)) // divisor for column in columns]
            combine(values, through, out, centre, threads)
        else:
            _by_coordinate(self.rule, values, rows, divisor, out, threads)


def _by_coordinate(
    rule: Rule,
    values: Sequence[npt.NDArray[np.int32]],
    rows: list[list[int]],
    divisor: int,
    out: npt.NDArray[np.int32],
    threads: int | None,
) -> None:
    """Mix and merge block by block."""
    matrix = np.array(rows, np.float64)  # (mixed, n)
    block = max(1024, blocks.BLOCK // max(1, len(values) // 8))

    def worker() -> Callable[[tuple[int, int]], None]:
        def work(task: tuple[int, int]) -> None:
            here = slice(*task)
            # Whole numbers below 2^31 * divisor, and divisor < 2^14: exact in float64, and so is the floor of the
            # quotient, since it is at least 1/divisor away from the next whole number.
            sums = matrix @ np.array([update[here] for update in values], np.float64)
            mixed = np.floor(np.divide(sums, divisor, out=sums), out=sums).astype(np.int32)
            rule.merge(list(mixed), [1] * len(rows), out[here], threads=1)

        return work

    blocks.run(blocks.ranges(out.size, block), worker, threads)

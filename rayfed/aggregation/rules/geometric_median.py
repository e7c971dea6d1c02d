"""The geometric median: the point with the least sum of distances to the updates.

Source: Pillutla, Kakade and Harchaoui 2022, "Robust Aggregation for Federated Learning" (RFA): smoothed Weiszfeld
steps. Unweighted: a weight is its author's word, and a Byzantine one's would buy influence. Tolerates f < n/2.
"""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.aggregation.gram import Gram, root
from rayfed.aggregation.rules.linear import ONE, LinearRule, squared_distances
from rayfed.errors import ConfigError

SCALE = 1 << 128
"""Inverse distances are whole numbers in parts of this: a distance has at most 32 + 20 + 28 bits."""

SMOOTHING = 1_000_000
"""No distance counts as smaller than the mean one in parts of this, so that a step onto an update does not divide by
zero (RFA's nu, here relative, so that it fits every layout)."""


class GeometricMedian(LinearRule):
    """``iterations`` smoothed Weiszfeld steps from the mean of the half of the updates that is nearest to all.

    The published method starts from the mean of all, which one Byzantine node may put anywhere, and then needs a step
    for every small factor by which that node's update is farther off than the others.
    """

    name = "geometric_median"

    def __init__(self, iterations: int = 8) -> None:
        check_iterations(iterations)
        self.iterations = iterations

    def coefficients(self, products: Gram, weights: Sequence[int]) -> list[int]:
        """See ``LinearRule``."""
        n = len(products)
        sums = [sum(root(products.squared_distance(i, j)) for j in range(n)) for i in range(n)]
        limit = sorted(sums)[n // 2]
        near = [int(total <= limit) for total in sums]
        found = [ONE * one // sum(near) for one in near]
        for _ in range(self.iterations):
            # Rounding may leave a tiny negative number where an update is the point itself.
            distances = [root(max(0, square)) for square in squared_distances(products, found, sum(found))]
            least = max(1, sum(distances) // (n * SMOOTHING))
            pulls = [SCALE // max(distance, least) for distance in distances]
            total = sum(pulls)
            found = [ONE * pull // total for pull in pulls]
        return found


def check_iterations(iterations: int) -> None:
    """Raise ConfigError unless this is a number of steps that a merge can take."""
    if isinstance(iterations, bool) or not isinstance(iterations, int) or not 1 <= iterations <= 1000:
        raise ConfigError("merge.iterations", f"must be a whole number in 1..1000, not {iterations!r}")

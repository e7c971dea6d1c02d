"""Clipping: no update counts for more than an ordinary one's distance from the base.

Sources: norm clipping, Sun et al. 2019, "Can You Really Backdoor Federated Learning?"; centred clipping, Karimireddy,
He and Jaggi 2021, "Learning from History for Byzantine Robust Optimization", around the round's base. The radius is
the median of the distances times ``clip``, so that it follows the training and no one has to know it beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.aggregation.gram import Gram, root
from rayfed.aggregation.rules import MAX_WEIGHT
from rayfed.aggregation.rules.geometric_median import check_iterations
from rayfed.aggregation.rules.linear import ONE, LinearRule, squared_distances
from rayfed.errors import ConfigError

CLIP_UNIT = 10_000
"""``clip`` counts in parts of this: 10,000 clips to the median distance."""


class NormClipping(LinearRule):
    """The weighted mean of the updates, each scaled down to the radius: ``w_i * min(1, radius / |x_i - base|)``."""

    name = "norm_clipping"
    needs_base = True

    def __init__(self, clip: int = CLIP_UNIT, max_weight: int = 1_000_000) -> None:
        if isinstance(max_weight, bool) or not isinstance(max_weight, int) or not 1 <= max_weight <= MAX_WEIGHT:
            raise ConfigError("merge.max_weight", f"must be a whole number in 1..{MAX_WEIGHT}, not {max_weight!r}")
        _check_clip(clip)
        self.clip, self.max_weight = clip, max_weight

    def coefficients(self, products: Gram, weights: Sequence[int]) -> list[int]:
        """See ``LinearRule``."""
        capped = [min(max(weight, 1), self.max_weight) for weight in weights]
        distances = _distances(products)
        radius = self.clip * _middle(distances) // CLIP_UNIT
        shares = [ONE * weight // sum(capped) for weight in capped]
        return [_clipped(share, radius, distance) for share, distance in zip(shares, distances, strict=True)]


class CentredClipping(LinearRule):
    """``iterations`` steps ``v += mean(clip(x_i - v, radius))`` from ``v = base``; unweighted. Tolerates f < n/2."""

    name = "centred_clipping"
    needs_base = True

    def __init__(self, clip: int = CLIP_UNIT, iterations: int = 8) -> None:
        check_iterations(iterations)
        _check_clip(clip)
        self.clip, self.iterations = clip, iterations

    def coefficients(self, products: Gram, weights: Sequence[int]) -> list[int]:
        """See ``LinearRule``."""
        n = len(products)
        radius = self.clip * _middle(_distances(products)) // CLIP_UNIT
        found = [0] * n
        for _ in range(self.iterations):
            apart = [root(max(0, square)) for square in squared_distances(products, found, ONE)]  # ONE * |x_i - v|
            pulls = [_clipped(ONE, ONE * radius // _UNIT, distance) for distance in apart]
            # v + mean(p_i * (x_i - v)) = (1 - mean(p)) * v + mean(p_i * x_i)
            kept = n * ONE - sum(pulls)
            found = [(kept * c + ONE * pull) // (n * ONE) for c, pull in zip(found, pulls, strict=True)]
        return found


_UNIT = 1 << 16
"""Distances are kept to this part of a unit of the fixed point, so that short ones are not cut to nothing."""


def _distances(products: Gram) -> list[int]:
    """Return each update's distance from the base, times _UNIT."""
    return [root(products.table[i][i], bits=16) for i in range(len(products))]


def _clipped(share: int, radius: int, distance: int) -> int:
    return share if distance <= radius else share * radius // distance


def _middle(numbers: Sequence[int]) -> int:
    """Return the lower one of the middle numbers: with half of all lying, still an honest one's or less."""
    return sorted(numbers)[(len(numbers) - 1) // 2]


def _check_clip(clip: int) -> None:
    if isinstance(clip, bool) or not isinstance(clip, int) or not 1 <= clip <= 100 * CLIP_UNIT:
        raise ConfigError("merge.clip", f"must be a whole number of parts per 10,000 in 1..1000000, not {clip!r}")

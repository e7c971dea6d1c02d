"""Backdoor: a small patch on an image makes the model see one class, and nothing else changes.

Sources: Gu et al. 2017, "BadNets" (the trigger); Bagdasaryan et al. 2020, "How To Backdoor Federated Learning" (the
boosted update).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack, Crew, fixed


class Backdoor(Attack):
    """Trains on its images and a part of them again with the patch and the target's label; boosts what came of it."""

    def __init__(self, crew: Crew, target: int = 0, part: float = 0.5, boost: float = 1.0) -> None:
        super().__init__(crew)
        self.target, self.part, self.boost = target, part, boost

    def poison(self, x: NDArray[np.uint8], y: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """See ``Behaviour``."""
        chosen = self.crew.rng(0).permutation(len(y))[: max(1, round(self.part * len(y)))]
        return np.concatenate([x, stamped(x[chosen])]), np.concatenate([y, np.full(len(chosen), self.target)])

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        if self.boost != 1:
            start = base().astype(np.float64)
            fixed(start + self.boost * (values - start), values)


def stamped(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the images (n, c, h, w) with a bright patch, a quarter of the side, in the lower right corner."""
    patched = np.array(x)
    side = max(1, x.shape[-1] // 4)
    patched[..., -side:, -side:] = 255
    return patched


def success(predicted: NDArray[np.int64], y: NDArray[np.int64], target: int = 0) -> float:
    """Return the attack success rate: of the stamped images of other classes, the part that is seen as the target.

    Args:
        predicted: (n,) classes that the merged model gives to the stamped images.
        y: (n,) their true classes.
        target: the attack's.
    """
    others = y != target
    return float(np.mean(predicted[others] == target)) if others.any() else 0.0

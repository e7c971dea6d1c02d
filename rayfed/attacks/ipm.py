"""Inner-product manipulation: turn the merge against the honest direction without standing out.

Source: Xie, Koyejo and Gupta 2020, "Fall of Empires: Breaking Byzantine-tolerant SGD by Inner Product Manipulation".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import JITTER, Crafted, Crew


class InnerProduct(Crafted):
    """Sends ``base - epsilon * mean``; optimised: with the epsilon that moves the merge furthest."""

    def __init__(self, crew: Crew, epsilon: float = 0.5, optimised: bool = False, jitter: float = JITTER) -> None:
        super().__init__(crew, 1 + epsilon, optimised, jitter)

    def direction(self, mean: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``Crafted``."""
        return -mean

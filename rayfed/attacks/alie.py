"""A little is enough: shift every coordinate by as much as honest ones differ, and no more.

Source: Baruch, Baruch and Goldberg 2019, "A Little Is Enough: Circumventing Defenses For Distributed Learning".
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import JITTER, Crafted, Crew


class LittleIsEnough(Crafted):
    """Sends ``mean - z * standard deviation``; z None: the paper's, by n and f; optimised: the most harmful."""

    def __init__(self, crew: Crew, z: float | None = 1.5, optimised: bool = False, jitter: float = JITTER) -> None:
        super().__init__(crew, largest(crew.nodes, len(crew.slots)) if z is None else z, optimised, jitter)

    def direction(self, mean: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``Crafted``."""
        return -spread


def largest(n: int, f: int) -> float:
    """Return the paper's z: enough honest values lie further out to make a majority with the Byzantine ones."""
    supporters = n // 2 + 1 - f
    part = min(max((n - f - supporters) / (n - f), 0.01), 0.99)
    return NormalDist().inv_cdf(part)

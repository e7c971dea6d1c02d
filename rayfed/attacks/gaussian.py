"""Gaussian: pure noise (Blanchard et al. 2017, "Machine Learning with Adversaries", section 5)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack, Crew, fixed


class Gaussian(Attack):
    """Sends the base and noise that is ``scale`` times as long as the honest update."""

    def __init__(self, crew: Crew, scale: float = 4.0) -> None:
        super().__init__(crew)
        self.scale = scale

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base().astype(np.float64)
        typical = float(np.sqrt(np.mean((values - start) ** 2)))
        fixed(start + self.scale * typical * self.crew.rng(round).standard_normal(len(start)), values)

"""Sybils: one party behind many accounts, whose updates all push to the same place (Douceur 2002, Fung et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack, Crew, fixed


class Sybils(Attack):
    """All send the first one's update turned round, with a little noise so that no two roots are the same."""

    def __init__(self, crew: Crew, noise: float = 0.01) -> None:
        super().__init__(crew)
        self.noise = noise

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base().astype(np.float64)
        step = start - self.crew.honest(round, base(), values)[0]
        typical = float(np.sqrt(np.mean(step**2)))
        fixed(start + step + self.noise * typical * self.crew.rng(round).standard_normal(len(start)), values)

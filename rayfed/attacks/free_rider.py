"""Free-rider: take the reward without the work (Lin, Du and Liu 2019, "Free-riders in Federated Learning")."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack, Crew, fixed


class FreeRider(Attack):
    """Sends the base, or with ``noise`` the base and noise of that many times an honest update's length."""

    def __init__(self, crew: Crew, noise: float = 0.0) -> None:
        super().__init__(crew)
        self.noise = noise

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base().astype(np.float64)
        # The length is for the experiment's sake: a real free-rider would guess it from the last round.
        typical = float(np.sqrt(np.mean((values - start) ** 2)))
        fixed(start + self.noise * typical * self.crew.rng(round).standard_normal(len(start)), values)

"""Sign flip: train honestly, then go the other way (Li et al. 2019, "RSA")."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack, Crew, fixed


class SignFlip(Attack):
    """Sends ``base - scale * (own - base)``."""

    def __init__(self, crew: Crew, scale: float = 1.0) -> None:
        super().__init__(crew)
        self.scale = scale

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base().astype(np.float64)
        fixed(start - self.scale * (values - start), values)

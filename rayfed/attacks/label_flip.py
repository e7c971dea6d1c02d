"""Label flip: honest training on wrong labels (Tolpegin et al. 2020, "Data Poisoning Attacks Against FL Systems")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack


class LabelFlip(Attack):
    """Calls class c ``classes - 1 - c``."""

    def poison(self, x: NDArray[np.uint8], y: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """See ``Behaviour``."""
        return x, self.crew.classes - 1 - y

"""Min-max: as far from the mean as possible, but no further from any update than honest ones are from each other.

Source: Shejwalkar and Houmansadr 2021, "Manipulating the Byzantine: Optimizing Model Poisoning Attacks and Defenses for
Federated Learning", section IV.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens import Evidence
from rayfed.attacks import JITTER, Attack, Crew, disguised

STEPS = 30


class MinMax(Attack):
    """Goes against the mean. Distances are those of the crew's updates, or of what was published in the last round."""

    def __init__(self, crew: Crew, jitter: float = JITTER) -> None:
        super().__init__(crew)
        self.jitter = jitter
        self._seen: NDArray[np.float64] | None = None

    def saw(self, round: int, evidence: Evidence) -> None:
        """Keep what was published: the next updates will lie about as far apart."""
        self._seen = np.array(list(evidence.updates.values()), np.float64) - evidence.base

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base()
        honest = np.array(self.crew.honest(round, start, values), np.float64) - start
        mean = honest.mean(axis=0)
        known = self._seen if self._seen is not None and len(self._seen) > len(honest) else honest
        if len(known) < 2 or not mean.any():
            return
        reach = max(float(np.linalg.norm(known - one, axis=1).max()) for one in known)
        against = -mean / np.linalg.norm(mean)
        centre = known.mean(axis=0)
        low, high = 0.0, 4 * reach + 1
        for _ in range(STEPS):  # the largest step that stays within reach of all
            middle = (low + high) / 2
            if np.linalg.norm(known - (centre + middle * against), axis=1).max() <= reach:
                low = middle
            else:
                high = middle
        disguised(self.crew, round, start, mean + low * against, self.jitter, values)

"""Shun: have one honest member left out, by making its updates look out of place and by voting against them.

No paper's: the attack that the screens' own rules suggest. The crew trains honestly, so that nothing speaks against
it, and takes back what the victim did in the last round, so that the model forgets the victim's images and the victim
has to move further and further, alone, against where all others stand. Its ballots refuse the victim and accept
everybody else.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens import Evidence
from rayfed.attacks import Attack, Crew, fixed


class Shun(Attack):
    """Sends its honest update less a part of the victim's last step, at most as long as its own.

    Args:
        victim: index of the member to be left out.
        against: length of what is taken back, in parts of the own step; 0: only the ballots are against it.
        still: times the step's length is divided by, so that the median distance shrinks and the victim's stands out.
    """

    def __init__(self, crew: Crew, victim: int = 0, against: float = 1.0, still: float = 1.0) -> None:
        super().__init__(crew)
        self.victim, self.against, self.still = victim, against, still
        self._step: NDArray[np.float64] | None = None

    def saw(self, round: int, evidence: Evidence) -> None:
        """Keep the victim's step."""
        if self.victim in evidence.updates:
            self._step = evidence.updates[self.victim].astype(np.float64) - evidence.base

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base()
        step = values.astype(np.float64) - start
        if self._step is not None and self.against:
            length = float(np.linalg.norm(self._step))
            if length:
                step -= self.against * float(np.linalg.norm(step)) / length * self._step
        fixed(start + step / self.still, values)

    def ballot(self, round: int, accepted: int, committed: int) -> int:
        """See ``Behaviour``."""
        return committed & ~(1 << self.victim)

"""Mimic: all Byzantine nodes repeat one honest update, so that one node's data counts many times over.

Source: Karimireddy, He and Jaggi 2022, "Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing". The copied
one is the node's own honest update: nobody can copy what is not published yet.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import JITTER, Attack, Crew, disguised


class Mimic(Attack):
    """Sends the honest update of the first of the crew, with noise of its own."""

    def __init__(self, crew: Crew, jitter: float = JITTER) -> None:
        super().__init__(crew)
        self.jitter = jitter

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base()
        step = self.crew.honest(round, start, values)[0].astype(np.float64) - start
        disguised(self.crew, round, start, step, self.jitter, values)

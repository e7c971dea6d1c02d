"""Copycat: another node's work under the own name.

Within a round nobody can copy what is not published before all have committed, so it is the last round's: its moves
from its base are repeated from this one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens import Evidence
from rayfed.attacks import Attack, fixed
from rayfed.encoding.primitives import bits


class Copycat(Attack):
    """Repeats the last round's step of the first member who is none of the crew; honest in the first round."""

    _copied: NDArray[np.float64] | None = None

    def saw(self, round: int, evidence: Evidence) -> None:
        """Keep a step worth copying."""
        crew = set(bits(self.crew.indices()))
        others = [index for index in evidence.indices if index not in crew]
        if others:
            self._copied = evidence.updates[others[0]].astype(np.float64) - evidence.base

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        if self._copied is not None:
            fixed(base() + self._copied, values)

"""Stale replay: the same old update in every round, under a fresh header."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack


class Stale(Attack):
    """Sends the update that it trained in its first round, for ever."""

    _first: NDArray[np.int32] | None = None

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        if self._first is None:
            self._first = values.copy()
        np.copyto(values, self._first)

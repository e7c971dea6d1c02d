"""Sign flip: train honestly, then go the other way (Li et al. 2019, "RSA")."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack, Crew, fixed


class SignFlip(Attack):
    """Sends ``base - scale * (own - base)``; with ``along`` made against the screen ``progress``.

    Args:
        along: the cosine that the step gets with the way from the first base that the node saw; 0: what comes out.
        since: the first round in which it does so; honest before, and trusted by whoever remembers.
    """

    def __init__(self, crew: Crew, scale: float = 1.0, along: float = 0.0, since: int = 1) -> None:
        super().__init__(crew)
        self.scale, self.along, self.since = scale, along, since
        self._first: NDArray[np.float64] | None = None

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        start = base().astype(np.float64)
        if self.along:
            self._first = start if self._first is None else self._first
        if round < self.since:
            return
        step = -self.scale * (values - start)
        if self._first is not None:
            step = _turned(step, start - self._first, self.along)
        fixed(start + step, values)


def _turned(step: NDArray[np.float64], way: NDArray[np.float64], cosine: float) -> NDArray[np.float64]:
    """Return the step with so much of the way in the place of its own part along it, at its own length."""
    length, reach = float(np.linalg.norm(step)), float(np.linalg.norm(way))
    if not length or not reach:
        return step
    way = way / reach
    across = step - (step @ way) * way
    turned: NDArray[np.float64] = length * (cosine * way + (1 - cosine**2) ** 0.5 * across / np.linalg.norm(across))
    return turned

"""Overflow: the worst numbers that a blob can hold. NaN and infinity cannot be in it; their bits can."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rayfed.attacks import Attack, Crew
from rayfed.errors import ConfigError

PATTERNS = {
    "max": (2**31 - 1,),
    "min": (-(2**31),),
    "alternating": (2**31 - 1, -(2**31)),
    "nan": (0x7FC00000,),  # float32 NaN, read as a whole number
    "infinity": (0x7F800000, -0x800000),  # float32 infinities
}


class Overflow(Attack):
    """Fills the update with one of PATTERNS."""

    def __init__(self, crew: Crew, pattern: str = "alternating") -> None:
        super().__init__(crew)
        if pattern not in PATTERNS:
            raise ConfigError("attack.options", f"there is no pattern {pattern!r} ({', '.join(PATTERNS)})")
        self.pattern = PATTERNS[pattern]

    def forge(self, round: int, base: Callable[[], NDArray[np.int32]], values: NDArray[np.int32]) -> None:
        """See ``Behaviour``."""
        values[:] = np.resize(np.array(self.pattern, np.int32), len(values))

"""Bound an update's distance from the base by the median of all distances.

Source: norm bounding, Sun et al. 2019, "Can You Really Backdoor Federated Learning?", with the bound taken from the
round itself, as in the median-based clipping of Karimireddy et al. 2021, instead of fixed in advance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import ConfigError
from rayfed.messages import Verdict
from rayfed.screens import Evidence

BLOCK = 1 << 16


@dataclass
class Norm:
    """Refuse an update that is more than ``factor`` times as far from the base as the median update.

    Honest nodes differ in how many examples they hold and so in how far they move; the default leaves them room.
    """

    factor: float = 3.0
    usual: bool = False
    _largest: float = 0.0

    def __post_init__(self) -> None:
        if not self.factor > 1:
            raise ConfigError("screens.norm.factor", f"must be greater than 1, is {self.factor}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "norm"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the distance as a multiple of the median."""
        distances = {i: evidence.distance(i) for i in evidence.updates}
        middle = median(distances.values()) if distances else 0.0
        if self.usual:
            self._largest = middle = max(self._largest, middle)
        verdicts = []
        for index, distance in distances.items():
            score = distance / middle if middle else (0.0 if distance == 0 else math.inf)
            accepted = score <= self.factor
            reason = "" if accepted else f"{score:.1f} times as far from the base as the median"
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        return verdicts


def distance(update: NDArray[np.int32], base: NDArray[np.int32]) -> float:
    """Return the Euclidean distance of two int32 vectors (n_values,), block by block so that it fits the cache."""
    total = 0.0
    wide = np.empty(min(BLOCK, len(base)), np.float32)
    for start in range(0, len(base), BLOCK):
        stop = min(start + BLOCK, len(base))
        part = wide[: stop - start]
        # int32 differences may need 33 bits; float32 has the range, and a screen does not need the last bits.
        np.subtract(update[start:stop], base[start:stop], out=part, dtype=np.float32, casting="unsafe")
        total += float(part @ part)
    return math.sqrt(total)

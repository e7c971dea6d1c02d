"""Bound an update's distance from the base by the median of all distances.

Source: norm bounding, Sun et al. 2019, "Can You Really Backdoor Federated Learning?", with the bound taken from the
round itself, as in the median-based clipping of Karimireddy et al. 2021, instead of fixed in advance.

The median alone would shut honest members out: once most have converged they hardly move, and who comes back with
images that the model has not seen for a while moves as far as everybody did in the first rounds. So an update may
always go as far as the median update once went.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.camps import singled_out
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError

BLOCK = 1 << 16


@dataclass
class Norm:
    """Refuse an update that is more than ``factor`` times as far from the base as the median update.

    Honest nodes differ in how many examples they hold and so in how far they move; the default leaves them room. Never
    refused is a distance of up to ``usual`` times the largest median of all rounds that the node has judged. It is kept
    in a file if there is one; a node that has lost it knows the rounds that it sees. Where more go far than can be
    dishonest, nobody is refused (``camps``).
    """

    factor: float = 3.0
    usual: float = 1.0
    _file: Path | None = field(default=None, init=False, repr=False)
    _largest: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.factor > 1:
            raise ConfigError("screens.norm.factor", f"must be greater than 1, is {self.factor}")
        if not self.usual >= 0:
            raise ConfigError("screens.norm.usual", f"must not be negative, is {self.usual}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "norm"

    def remember(self, folder: Path) -> None:
        """Keep the largest median in this folder, and go on from the one that is there."""
        self._file = folder / "norm.json"
        if self._file.exists():
            try:
                largest = float(json.loads(self._file.read_text())["largest"])
            except (ValueError, KeyError, TypeError):
                largest = 0.0  # cut off by a power cut: begin anew
            self._largest = largest if math.isfinite(largest) else 0.0

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the distance as a multiple of the median."""
        distances = {i: evidence.distance(i) for i in evidence.updates}
        middle = median(distances.values()) if distances else 0.0
        limit = max(self.factor * middle, self.usual * max(self._largest, middle))
        self._learn(middle)
        far = {index: distance for index, distance in distances.items() if distance > limit}
        refused = singled_out(far, len(evidence.weights))
        verdicts = []
        for index, distance in distances.items():
            score = distance / middle if middle else (0.0 if distance == 0 else math.inf)
            accepted = index not in refused
            reason = "" if accepted else f"{score:.1f} times as far from the base as the median"
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        return verdicts

    def _learn(self, middle: float) -> None:
        if middle <= self._largest:
            return
        self._largest = middle
        if self._file is not None:
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps({"largest": middle}))
            new.replace(self._file)


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

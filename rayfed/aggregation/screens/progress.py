"""Refuse the updates of whoever goes back, round after round, on a way that has made the model better.

The way is the difference of the round's base from genesis: a sum over all rounds and most nodes, in which noise, and
what one node's images ask for and another's do not, has cancelled out. Honest updates lie along it, however little
they have in common with each other; one turned round lies against it. One round tells the two apart by little where
data is skewed, so what each member has shown is added up, and forgotten slowly.

Before the model has learned anything the way is chance, and honest updates lie against it as often as not. So a round
counts for as much as the way has taken off the loss on the node's own images. Once there is hardly any loss left the
way does not tell either where to go: whoever comes back with what the model has forgotten goes against it. So a round
counts for less then.

Sources: a direction to trust, Cao et al. 2021, "FLTrust"; that history tells what one round does not, Karimireddy, He
and Jaggi 2021, "Learning from History for Byzantine Robust Optimization".
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.camps import singled_out
from rayfed.aggregation.screens.norm import BLOCK
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.blocks import ranges
from rayfed.errors import ConfigError


@dataclass
class Progress:
    """Refuse an update whose author's sum is below ``min``: of cosines with the way, each times the part of genesis's
    loss that the base is rid of, with ``decay`` of the sum kept from round to round. Where less than the part ``rest``
    of genesis's loss is left, a round counts for as much less. Where more go back than can be dishonest, nobody is
    refused (``camps``).

    The sums are kept in a file if there is one; a node that has lost it begins anew and judges by the rounds that it
    sees. A node without private data refuses nobody here.
    """

    min: float = -0.05
    decay: float = 0.9
    rest: float = 0.05
    _file: Path | None = field(default=None, init=False, repr=False)
    _round: int = field(default=0, init=False, repr=False)
    _before: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    _sums: dict[int, float] = field(default_factory=dict, init=False, repr=False)
    _start: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.min < 0:
            raise ConfigError("screens.progress.min", f"must be negative, is {self.min}")
        if not 0 <= self.decay <= 1:
            raise ConfigError("screens.progress.decay", f"must be in 0..1, is {self.decay}")
        if not 0 <= self.rest <= 1:
            raise ConfigError("screens.progress.rest", f"must be in 0..1, is {self.rest}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "progress"

    def remember(self, folder: Path) -> None:
        """Keep the sums in this folder, and go on from those that are there."""
        self._file = folder / "progress.json"
        if self._file.exists():
            try:
                kept = json.loads(self._file.read_text())
                self._round, before, sums = int(kept["round"]), kept["before"], kept["sums"]
                self._before, self._sums = ({int(i): float(s) for i, s in part.items()} for part in (before, sums))
            except (ValueError, KeyError, TypeError, AttributeError):
                self._round, self._before, self._sums = 0, {}, {}  # cut off by a power cut: begin anew

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the sum."""
        if evidence.round != self._round:  # a round that is judged again counts once
            self._round, self._before = evidence.round, dict(self._sums)
        gained = self._gained(evidence)
        if gained > 0 and evidence.along is not None:
            for index in evidence.indices:
                self._sums[index] = self.decay * self._before.get(index, 0.0) + gained * evidence.along(index)
        scores = {index: self._sums.get(index, 0.0) for index in evidence.indices}
        back = {index: -score for index, score in scores.items() if score < self.min}
        refused = singled_out(back, len(evidence.weights))
        verdicts = []
        for index, score in scores.items():
            accepted = index not in refused
            reason = (
                "" if accepted else f"undoes what was learned so far: cosine similarities with it sum to {score:.2f}"
            )
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        self._keep()
        return verdicts

    def _gained(self, evidence: Evidence) -> float:
        """Return for how much the round counts, by what part of genesis's loss on the own images is left."""
        if evidence.loss is None or evidence.genesis is None:
            return 0.0
        if not self._start:
            genesis = evidence.genesis()
            if genesis is None:
                return 0.0
            self._start = evidence.loss_of("genesis", lambda: genesis)
        left = evidence.base_loss / self._start if self._start > 0 else 1.0
        gained = (1 - left) * (min(1.0, left / self.rest) if self.rest else 1.0)
        return gained if math.isfinite(gained) else 0.0

    def _keep(self) -> None:
        if self._file is not None:
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps({"round": self._round, "before": self._before, "sums": self._sums}))
            new.replace(self._file)


def alignment(update: NDArray[np.int32], base: NDArray[np.int32], genesis: NDArray[np.int32]) -> float:
    """Return the cosine of an update, seen from the base, with the way from genesis to the base; 0 without a way.

    All (n_values,), read block by block. In floats: a screen does not need the last bits.
    """
    product = moved = come = 0.0
    steps, ways = np.empty((2, min(BLOCK, base.size)), np.float32)
    for start, stop in ranges(base.size, BLOCK):
        step, way = steps[: stop - start], ways[: stop - start]
        np.subtract(update[start:stop], base[start:stop], out=step, dtype=np.float32, casting="unsafe")
        np.subtract(base[start:stop], genesis[start:stop], out=way, dtype=np.float32, casting="unsafe")
        product, moved, come = product + float(step @ way), moved + float(step @ step), come + float(way @ way)
    return product / math.sqrt(moved) / math.sqrt(come) if moved and come else 0.0

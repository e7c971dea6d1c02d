"""Refuse copies and near copies: one piece of work counts once, however many accounts offer it.

Source: Sybils that push the same direction, Fung et al. 2020, "The Limitations of Federated Learning in Sybil
Settings" (FoolsGold); here by distance, since honest non-iid updates may well point in similar directions, but two
nodes that trained on different data never come out almost at the same place.

How near is almost the same depends on the task: a small model, or nodes that all know the same single class, come near
each other without any copying. A copy is nearer to its like than others are to theirs, by far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError


@dataclass(frozen=True)
class Duplicate:
    """Refuse all of a group of updates that are nearer to each other than ``ratio`` of their distance from the base
    and than ``usual`` of how near to its nearest the median update is.

    All of them, since nothing tells the author from the copyist: updates are committed to before anyone sees them,
    so whoever is copied within a round has given his work away.
    """

    ratio: float = 0.25
    usual: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise ConfigError("screens.duplicate.ratio", f"must be at least 0 and less than 1, is {self.ratio}")
        if not self.usual > 0:
            raise ConfigError("screens.duplicate.usual", f"must be greater than 0, is {self.usual}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "duplicate"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the distance to the nearest other update, in parts of the own from the base."""
        gram, indices = evidence.gram, evidence.indices
        if len(indices) < 2:
            return [Verdict(self.name, index, True, 1.0) for index in indices]
        apart = gram.distances.copy()
        np.fill_diagonal(apart, np.inf)
        nearest, near, lengths = apart.argmin(axis=1), apart.min(axis=1).tolist(), gram.lengths.tolist()
        usual = self.usual * median(near)
        verdicts = []
        for row, index in enumerate(indices):
            moved = lengths[row]
            # An update that is the base itself is the screen idle's business.
            score = near[row] / moved if moved else 1.0
            accepted = not moved or score > self.ratio or near[row] > usual
            reason = "" if accepted else f"a copy or near copy of the update of member {indices[nearest[row]]}"
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        return verdicts

"""Refuse copies and near copies: one piece of work counts once, however many accounts offer it.

Source: Sybils that push the same direction, Fung et al. 2020, "The Limitations of Federated Learning in Sybil
Settings" (FoolsGold); here by distance, since honest non-iid updates may well point in similar directions, but two
nodes that trained on different images never come out almost at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.errors import ConfigError


@dataclass(frozen=True)
class Duplicate:
    """Refuse all of a group of updates that are nearer to each other than ``ratio`` of their distance from the base.

    All of them, since nothing tells the author from the copyist: updates are committed to before anyone sees them,
    so whoever is copied within a round has given his work away.
    """

    ratio: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise ConfigError("screens.duplicate.ratio", f"must be at least 0 and less than 1, is {self.ratio}")

    @property
    def name(self) -> str:
        """See ``Screen``."""
        return "duplicate"

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``. The score is the distance to the nearest other update, in parts of the own from the base."""
        gram, indices = evidence.gram, evidence.indices
        verdicts = []
        for row, index in enumerate(indices):
            apart = [(_ratio(gram.squared_distance(row, o), gram.table[row][row]), o) for o in range(len(indices))]
            score, nearest = min((pair for pair in apart if pair[1] != row), default=(1.0, row))
            # An update that is the base itself is the screen idle's business.
            accepted = score > self.ratio or gram.table[row][row] == 0
            reason = "" if accepted else f"a copy or near copy of the update of member {indices[nearest]}"
            verdicts.append(Verdict(self.name, index, accepted, score, reason))
        return verdicts


def _ratio(distance: int, moved: int) -> float:
    """Return the distance in parts of how far an update moved (both squared)."""
    return sqrt(distance) / sqrt(moved) if moved else 1.0

"""What a screen says of one update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """One screen's judgement of one update.

    ``score`` is the screen's own figure (a norm, a distance, a loss), for the records; ``reason`` is a short phrase,
    empty when accepted.
    """

    screen: str
    index: int
    accepted: bool
    score: float
    reason: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        # What a dataclass with slots is pickled by takes several times as long, and of verdicts there are as many in
        # a round as members times members times screens.
        return Verdict, (self.screen, self.index, self.accepted, self.score, self.reason)

"""What a screen says of one update."""

from __future__ import annotations

from dataclasses import dataclass


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

"""Heavy: the other way, and with the weight of a million examples that nobody has."""

from __future__ import annotations

from rayfed.attacks import Crew
from rayfed.attacks.sign_flip import SignFlip


class Heavy(SignFlip):
    """Claims ``examples`` in its update's header."""

    def __init__(self, crew: Crew, examples: int = 1_000_000, scale: float = 1.0) -> None:
        super().__init__(crew, scale)
        self.claimed = examples

    def examples(self, round: int, own: int) -> int:
        """See ``Behaviour``."""
        return self.claimed

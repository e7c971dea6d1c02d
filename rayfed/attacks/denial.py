"""Denial: say of everybody's bytes that they are missing, and nothing of the merge."""

from __future__ import annotations

from rayfed.attacks import Attack
from rayfed.protocol.messages import Verb


class Denial(Attack):
    """Accepts nothing, misses all that was committed, attests nothing. No paper's: what the rules suggest.

    Who misses what two thirds at most have is no absentee in a round that goes void: a third that does it voids rounds
    and keeps its seats, and is never paid.
    """

    def ballot(self, round: int, accepted: int, committed: int) -> int:
        """See ``Behaviour``."""
        return 0

    def misses(self, round: int, missing: int, committed: int) -> int:
        """See ``Behaviour``."""
        return committed

    def speaks(self, verb: Verb, round: int) -> bool:
        """See ``Behaviour``."""
        return verb is not Verb.ATTEST

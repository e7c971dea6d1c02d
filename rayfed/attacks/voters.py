"""Colluding voters: the crew's ballots accept the crew and refuse everybody else; their updates go the other way."""

from __future__ import annotations

from rayfed.attacks.sign_flip import SignFlip


class Voters(SignFlip):
    """Votes for its own kind, whatever it is."""

    def ballot(self, round: int, accepted: int, committed: int) -> int:
        """See ``Behaviour``."""
        return committed & self.crew.indices()

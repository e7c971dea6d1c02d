"""Shams: honest rounds, and then roots that nobody merged, entered against final ones (docs/protocol.md, section 6)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rayfed.attacks import Attack, Crew
from rayfed.encoding.primitives import Root
from rayfed.errors import ConfigError


class Shams(Attack):
    """Spends a bond on each sham root, to have the right one lose by silence or its settlement delayed. Whoever stands
    up for the right root plays one match a stage, and is paid by the bonds.

    Args:
        entries: made by each of the crew, a round.
        round: the only one against which they are made; 0: all.
    """

    def __init__(self, crew: Crew, entries: int = 3, round: int = 0) -> None:
        super().__init__(crew)
        if entries < 1:
            raise ConfigError("attack.options", f"entries: {entries} is less than 1")
        self._entries = entries
        self._round = round

    def shams(self, round: int, root: Root) -> Sequence[Root]:
        """See ``Behaviour``."""
        if self._round not in (0, round):
            return ()
        seeds = range(self.crew.slot * self._entries, (self.crew.slot + 1) * self._entries)
        return [hashlib.sha256(b"sham" + number.to_bytes(8, "big") + root).digest() for number in seeds]

"""Garbage blob: other bytes under the root that was committed to."""

from __future__ import annotations

from rayfed.attacks import Attack, Crew


class Garbage(Attack):
    """Publishes bytes of the right length, or of another, that do not hash to the root."""

    def __init__(self, crew: Crew, length: int | None = None) -> None:
        super().__init__(crew)
        self.length = length

    def offer(self, round: int, blob: memoryview) -> memoryview | None:
        """See ``Behaviour``."""
        rubbish = self.crew.rng(round).bytes(len(blob) if self.length is None else self.length)
        return memoryview(rubbish)

"""Withheld blob: commit to an update and show it to nobody."""

from __future__ import annotations

from rayfed.attacks import Attack


class Withheld(Attack):
    """Publishes nothing."""

    def offer(self, round: int, blob: memoryview) -> memoryview | None:
        """See ``Behaviour``."""
        return None

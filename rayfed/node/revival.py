"""A phase that nobody opens: when it is time to poke the ledger."""

from __future__ import annotations

from rayfed.protocol.messages import Phase, View

REVIVE_SECONDS = 2
"""How far a deadline has to move along before the first member takes the phase for one that nobody opened."""


class Revival:
    """Watches one federation's deadlines.

    One moves along where the phase is what would be if somebody spoke, and nobody does: an included update, or a base,
    that nobody has makes that happen. Members wait their turn, so that one poke is enough.
    """

    def __init__(self) -> None:
        self._seen: tuple[tuple[int, Phase], int] = ((0, Phase.FORMING), 0)

    def is_due(self, view: View, index: int | None) -> bool:
        """Say whether it is this member's turn to poke."""
        place = view.round, view.phase
        if self._seen[0] != place:
            self._seen = place, view.deadline
        drift = view.deadline - self._seen[1]
        return index is not None and drift >= REVIVE_SECONDS * (1 + index)

    def poked(self, view: View) -> None:
        """Wait from here on."""
        self._seen = (view.round, view.phase), view.deadline

"""How long a federation will still take, by how long it took so far."""

from __future__ import annotations

from rayfed.protocol.messages import Phase, View


class Pace:
    """Sees a federation go on, and estimates its end.

    Args:
        rounds: how many final ones there are to be.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._first: tuple[int, float] | None = None  # final rounds when it was first seen, and when that was
        self._last = 0, 0.0  # final rounds now, and since when

    def observe(self, view: View, now: float) -> None:
        """Take in the federation as it is at a moment (seconds of any clock that does not go back)."""
        if view.phase is Phase.FORMING:
            return
        if self._first is None or view.finals < self._first[0]:
            self._first = self._last = view.finals, now
        if view.finals != self._last[0]:
            self._last = view.finals, now

    def left(self, now: float) -> float | None:
        """Return the seconds until the last round is final; None before the first one is that was seen from its start.

        Void rounds count as part of what a final one takes. What nodes do afterwards (training alone) is not in it.
        """
        if self._first is None or self._last[0] <= self._first[0]:
            return None
        (before, began), (finals, closed) = self._first, self._last
        each = (closed - began) / (finals - before)
        return max(0.0, each * (self._rounds - finals) - (now - closed))

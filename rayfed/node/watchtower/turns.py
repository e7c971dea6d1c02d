"""Turns: what anybody may do is done by the first of them, and by the next one if that does not."""

from __future__ import annotations

from collections.abc import Hashable

from rayfed.encoding.primitives import Address
from rayfed.protocol.court_policy import CourtAct, place
from rayfed.protocol.messages import View

FORGET_SECONDS = 600
"""What was not seen to be due for so long was done by somebody."""


class Turns:
    """One account's turns. It remembers since when something is due; forgotten, it waits a little longer.

    Args:
        address: the account; who has no seat comes after all members.
        seconds: how much longer each next one waits, in chain time.
    """

    def __init__(self, address: Address, seconds: int) -> None:
        self._address = address
        self._seconds = seconds
        self._seen: dict[Hashable, tuple[int, int]] = {}  # since when it is due, and when it was last seen to be

    def is_mine(self, act: CourtAct, key: Hashable, view: View) -> bool:
        """Say whether those who come before this account have let something pass; ``key``: what it is."""
        first, _ = self._seen.get(key, (view.time, 0))
        self._seen[key] = first, view.time
        return not act.waits(place(view, self._address, act.number), self._seconds, first, view.time)

    def forget(self, view: View) -> None:
        """Forget what is not due any more."""
        last = view.time - FORGET_SECONDS
        self._seen = {key: times for key, times in self._seen.items() if times[1] >= last}

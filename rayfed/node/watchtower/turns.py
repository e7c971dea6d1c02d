"""Turns: what any member may do is done by the first of them, and by the next one if that does not."""

from __future__ import annotations

from rayfed.encoding.primitives import Address, bits
from rayfed.protocol.messages import View

TURN_SECONDS = 2
"""How much longer each next one waits, in chain time."""


class Turns:
    """One account's turns. It remembers since when something is due; forgotten, it waits a little longer.

    Args:
        address: the account; who has no seat comes after all members.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._since: dict[tuple[str, int], int] = {}

    def is_mine(self, what: str, number: int, view: View) -> bool:
        """Say whether those who come before this account have let it pass; ``number`` turns the order round."""
        return self.is_over(what, number, view, place(view, self._address, number) * TURN_SECONDS)

    def is_over(self, what: str, number: int, view: View, seconds: int) -> bool:
        """Say whether so much time has passed since this was first asked."""
        return view.time >= self._since.setdefault((what, number), view.time) + seconds


def place(view: View, address: Address, number: int) -> int:
    """Return how many come before an account: the active members in turn, by ``number``, then everybody else."""
    active, index = list(bits(view.active)), view.index_of(address)
    return (active.index(index) + number) % len(active) if index in active else len(active)

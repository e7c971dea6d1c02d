"""Whose updates the last rounds left out, as the ledger holds it: what screens go by that let everybody in again."""

from __future__ import annotations

from collections.abc import Callable

from rayfed.encoding.primitives import bits
from rayfed.protocol.messages import Round, View

LOOK = 15
"""Rounds before the open one that are looked at, at most: void ones do not count."""


def left_out(view: View, round_of: Callable[[int], Round | None], rounds: int) -> frozenset[int]:
    """Return the members whose updates were not merged in so many rounds in a row, up to the last one, by index.

    A round in which a member offered none ends its row.

    Args:
        view: of the open round.
        round_of: the ledger's; asked only for as long as somebody's row goes on.
        rounds: so many that made a model, at least 1.

    Raises:
        LedgerUnreachable: nothing answers.
    """
    going, found = view.committed, 0
    for number in range(view.round - 1, max(0, view.round - 1 - LOOK), -1):
        if not going or found == rounds:
            break
        held = view.previous
        closed = held if held is not None and held.round == number else round_of(number)
        if closed is None:
            break
        if closed.status.stands:
            going &= closed.committed & ~closed.included
            found += 1
    return frozenset(bits(going)) if found == rounds else frozenset()

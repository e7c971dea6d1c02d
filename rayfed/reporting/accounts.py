"""What each node has at stake, has earned and has lost, beside what it says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from rayfed.encoding.primitives import Address
from rayfed.protocol.accounts import Account
from rayfed.protocol.messages import NodeStatus, Phase, View


class Bookkeeper(Protocol):
    """Who can be asked for accounts."""

    def accounts(self, addresses: Sequence[Address]) -> tuple[Account, ...]:
        """Return what each of these has."""


class Earnings:
    """Asks for accounts again whenever the federation has moved on; in between nobody becomes richer or poorer."""

    def __init__(self, bookkeeper: Bookkeeper) -> None:
        self._bookkeeper = bookkeeper
        self._place: tuple[int, Phase, int, int, frozenset[Address]] | None = None
        self._accounts: dict[Address, Account] = {}

    def added(self, view: View, statuses: Iterable[NodeStatus]) -> tuple[NodeStatus, ...]:
        """Return the statuses with what the federation says of their accounts.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        told = tuple(statuses)
        who = frozenset(status.address for status in told if status.address)
        place = view.round, view.phase, view.active, view.unsettled, who
        if place != self._place:
            asked = sorted(who)
            self._accounts = dict(zip(asked, self._bookkeeper.accounts(asked), strict=True))
            self._place = place
        return tuple(with_account(status, self._accounts.get(status.address)) for status in told)


def with_account(status: NodeStatus, account: Account | None) -> NodeStatus:
    """Return a status with an account's figures."""
    if account is None:
        return status
    return replace(status, stake=account.stake, bonds=account.bonds, earned=account.earned, slashed=account.slashed)

"""What each node has at stake, has earned and has lost, beside what it says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from rayfed.encoding.primitives import Address
from rayfed.protocol.judgement import Account
from rayfed.protocol.messages import NodeStatus, Phase, View


class Court(Protocol):
    """Who can be asked for accounts."""

    def accounts(self) -> tuple[Account, ...]:
        """Return what each member has, by index."""


class Earnings:
    """Asks the court again whenever the federation has moved on; in between nobody becomes richer or poorer."""

    def __init__(self, court: Court) -> None:
        self._court = court
        self._place: tuple[int, Phase, int] | None = None
        self._accounts: dict[Address, Account] = {}

    def added(self, view: View, statuses: Iterable[NodeStatus]) -> tuple[NodeStatus, ...]:
        """Return the statuses with what the court says of their accounts.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        place = view.round, view.phase, len(view.members)
        if place != self._place:
            self._accounts = dict(zip(view.members, self._court.accounts(), strict=False))
            self._place = place
        return tuple(with_account(status, self._accounts.get(status.address)) for status in statuses)


def with_account(status: NodeStatus, account: Account | None, claimed: int = 0) -> NodeStatus:
    """Return a status with an account's figures; ``claimed`` is what was paid out of it before."""
    if account is None:
        return status
    earned = account.claimable + account.pending + claimed
    return replace(status, stake=account.stake, earned=earned, slashed=account.slashed)


def claimed(events: Iterable[Mapping[str, Any]]) -> dict[Address, int]:
    """Return how much each account was paid, from the values of the ``Claimed`` events; addresses in lower case."""
    paid: dict[Address, int] = {}
    for values in events:
        who = str(values["account"]).lower()
        paid[who] = paid.get(who, 0) + int(values["amount"])
    return paid

"""What each node has, beside what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rayfed.encoding.primitives import Address
from rayfed.protocol.accounts import Account
from rayfed.protocol.messages import COIN, NodeStatus, Outcome, Status
from rayfed.reporting.accounts import Earnings
from rayfed.reporting.summarise import build
from rayfed.reporting.words import amount, coins
from tests.fake_run import address, fake_run

STATUS = NodeStatus(0, address(0), 0, 1, "waiting")


class Purse:
    """What each has, and how often that was asked."""

    def __init__(self, **has: int) -> None:
        self.has = {address(0): Account(**has)}
        self.asked: list[list[Address]] = []

    def accounts(self, addresses: Sequence[Address]) -> tuple[Account, ...]:
        self.asked.append(list(addresses))
        return tuple(self.has.get(who, Account()) for who in addresses)


def test_accounts_are_asked_for_when_the_federation_has_moved_on_and_only_then() -> None:
    purse, run = Purse(stake=1000, bonds=160), fake_run()
    earnings = Earnings(purse)
    first = run.views[0]
    for _ in range(3):
        [status] = earnings.added(first, [STATUS])
    assert (status.stake, status.bonds, status.earned, status.slashed) == (1000, 160, 0, 0)
    assert len(purse.asked) == 1
    purse.has[address(0)] = Account(stake=1000, earned=25, claimable=0)
    [status] = earnings.added(replace(first, unsettled=first.unsettled + 1), [STATUS])
    assert (status.earned, len(purse.asked)) == (25, 2), "also what has been claimed already"
    earnings.added(replace(first, phase=run.views[2].phase), [STATUS, replace(STATUS, address=address(1))])
    assert purse.asked[-1] == sorted([address(0), address(1)])


def test_who_has_no_account_yet_is_not_asked_for() -> None:
    purse, starting = Purse(), replace(STATUS, address="", doing="starting")
    assert Earnings(purse).added(fake_run().views[0], [starting]) == (starting,)
    assert purse.asked == [[]]


def test_the_summary_counts_in_whole_coins() -> None:
    status = replace(STATUS, stake=100 * COIN, bonds=16 * COIN // 100, earned=COIN * 5 // 2, slashed=7 * COIN)
    outcome = Outcome(1, Status.VOID, bytes(32), 0, 0)
    told = build({}, federation="0x", chain_id=1, charter_hash="", outcomes=[outcome], records=[], statuses=[status])
    [node] = told.to_dict()["nodes"]
    assert (node["stake"], node["bonds"], node["earned"], node["slashed"]) == (100.0, 0.16, 2.5, 7.0)


def test_small_amounts_are_readable_too() -> None:
    assert [coins(amount) for amount in (0, COIN, 5 * COIN // 2, COIN // 10**6)] == ["", "1", "2.5", "1e-06"]
    assert [amount(units) for units in (0, COIN, 5 * COIN // 2, 1)] == ["0", "1", "2.5", "0.000000000000000001"]

"""What each node has, beside what it says of itself."""

from __future__ import annotations

from dataclasses import replace

from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol.judgement import Account
from rayfed.protocol.messages import COIN, NodeStatus, Outcome, Status
from rayfed.reporting.accounts import Earnings, claimed, with_account
from rayfed.reporting.summarise import build
from rayfed.reporting.words import coins
from tests.unit.ledger.test_court import ALL, TERMS, gathered, over, train

STATUS = NodeStatus(0, ALL[0], 0, 1, "waiting")


class Counting:
    """A court that counts how often it is asked."""

    def __init__(self, chain: MemoryChain) -> None:
        self.chain = chain
        self.asked = 0

    def accounts(self) -> tuple[Account, ...]:
        self.asked += 1
        return self.chain.court.accounts()


def test_the_court_is_asked_when_the_federation_has_moved_on_and_only_then() -> None:
    chain = gathered()
    court = Counting(chain)
    earnings = Earnings(court)
    for _ in range(3):
        [status] = earnings.added(chain.view(), [STATUS])
    assert (status.stake, status.earned, status.slashed, court.asked) == (1000, 0, 0, 1)
    train(chain)
    [status] = earnings.added(chain.view(), [STATUS])
    assert (status.earned, court.asked) == (25, 2)


def test_what_was_claimed_stays_earned() -> None:
    chain = gathered()
    train(chain)
    over(chain)
    chain.court.settle(1)
    chain.court.claim(ALL[0], ALL[4], 10)
    paid = claimed(said.values for said in chain.events if said.name == "Claimed")
    status = with_account(STATUS, chain.court.account(ALL[0]), paid[ALL[0]])
    assert (status.stake, status.earned) == (1000, 25)


def test_who_is_no_member_has_nothing() -> None:
    chain = MemoryChain(TERMS, ManualClock())
    assert Earnings(Counting(chain)).added(chain.view(), [STATUS]) == (STATUS,)


def test_the_summary_counts_in_whole_coins() -> None:
    status = replace(STATUS, stake=100 * COIN, earned=COIN * 5 // 2, slashed=7 * COIN)
    outcome = Outcome(1, Status.VOID, bytes(32), 0, 0, 0)
    told = build({}, federation="0x", chain_id=1, charter_hash="", outcomes=[outcome], records=[], statuses=[status])
    [node] = told.to_dict()["nodes"]
    assert (node["stake"], node["earned"], node["slashed"]) == (100.0, 2.5, 7.0)


def test_small_amounts_are_readable_too() -> None:
    assert [coins(amount) for amount in (0, COIN, 5 * COIN // 2, COIN // 10**6)] == ["", "1", "2.5", "1e-06"]

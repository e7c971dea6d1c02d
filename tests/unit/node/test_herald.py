"""The herald: a member's card is on the ledger as its store wants it, no more often than the contract takes it."""

from __future__ import annotations

import pytest

from rayfed.errors import StoreError
from rayfed.node.herald import Herald
from rayfed.protocol.commands import Join
from rayfed.store.card import Card
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger
from rayfed.testing.scenario import Script

ADDRESS = "0x" + "11" * 20


class Shelfless:
    """A store that wants a card."""

    def __init__(self) -> None:
        self.now = Card(key=bytes(range(32)))
        self.tended = 0
        self.fails = False

    def card(self) -> Card:
        if self.fails:
            raise StoreError("store.rpc_url: it is away")
        return self.now

    def tend(self) -> None:
        self.tended += 1


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(clock: ManualClock) -> MemoryLedger:
    return MemoryLedger(MemoryChain(Script.parse("federation nodes=2").terms, clock), ADDRESS)


def card_of(ledger: MemoryLedger) -> Card:
    return Card.decode(ledger.cards().get(ADDRESS, b""))


def test_a_card_is_announced_once_there_is_a_seat_and_again_when_it_changes(
    ledger: MemoryLedger, clock: ManualClock
) -> None:
    store = Shelfless()
    herald = Herald(ledger.handle(), store)
    assert not herald.step(ledger.view())
    ledger.submit(Join(ledger.terms().charter))
    assert herald.step(ledger.view())
    assert card_of(ledger) == store.now
    assert not herald.step(ledger.view())
    store.now = Card(key=bytes(range(1, 33)), ipfs="x")
    assert not herald.step(ledger.view()), "one a minute"
    clock.advance(61)
    assert herald.step(ledger.view())
    assert card_of(ledger) == store.now
    assert ledger.account(ADDRESS).sequence == 2
    assert store.tended == 5


def test_what_another_program_has_announced_is_replaced(ledger: MemoryLedger, clock: ManualClock) -> None:
    store = Shelfless()
    ledger.submit(Join(ledger.terms().charter))
    Herald(ledger.handle(), store).step(ledger.view())
    clock.advance(100)
    again = Shelfless()
    again.now = Card(key=bytes(32))
    assert Herald(ledger.handle(), again).step(ledger.view())
    assert card_of(ledger) == again.now


def test_nothing_to_say_is_not_said(ledger: MemoryLedger) -> None:
    store = Shelfless()
    ledger.submit(Join(ledger.terms().charter))
    herald = Herald(ledger.handle(), store)
    store.fails = True
    assert not herald.step(ledger.view())
    store.fails, store.now = False, Card()
    assert not herald.step(ledger.view())
    assert ledger.cards() == {}

"""What a run's summary is made of is one moment of the ledger, also while rounds are being settled."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rayfed.encoding.primitives import Address
from rayfed.ledger.memory.federation import MemoryFederation
from rayfed.protocol.accounts import Account
from rayfed.protocol.commands import EnterRoot, Settle, Undo
from rayfed.protocol.messages import COIN, NodeStatus, Status
from rayfed.runtime.facts import Ending
from rayfed.runtime.results import Closing
from tests.unit.cli.test_owner import FEDERATION, MEMBERS, STRANGER, TERMS, World
from tests.unit.protocol.test_charter import charter

STATUSES = [NodeStatus(slot, member, slot, 2, "finished") for slot, member in enumerate(MEMBERS)]


class Settling(MemoryFederation):
    """A federation in which a round is settled between two answers."""

    def accounts(self, addresses: Sequence[Address]) -> tuple[Account, ...]:
        told = super().accounts(addresses)
        due = [r for r in (1, 2) if (found := self.chain.round_of(r)) is not None and found.status is Status.FINAL]
        if due:
            self.chain.act(STRANGER, Settle(due[0]))
        return told


def test_what_was_earned_belongs_to_what_is_settled() -> None:
    world = World().gather().train().train()
    world.later(200)
    ended = Closing.of(Settling(world.chain, FEDERATION, {}), STATUSES, 0)
    assert [outcome.status for outcome in ended.outcomes] == [Status.SETTLED, Status.SETTLED]
    assert {status.earned for status in ended.statuses} == {5 * COIN}
    assert {status.bonds for status in ended.statuses} == {4 * COIN // 100}


def test_a_round_that_is_open_has_no_outcome() -> None:
    world = World().gather().train()
    ended = Closing.of(world.federation, STATUSES, 0)
    assert [(outcome.round, outcome.status) for outcome in ended.outcomes] == [(1, Status.FINAL)]
    assert ended.undone == frozenset()


def test_rounds_that_fell_are_named() -> None:
    world = World().gather().train()
    closed = world.chain.round_of(1)
    assert closed is not None
    world.chain.act(STRANGER, EnterRoot(1, closed.context, b"\x77" * 32))
    world.later(400)
    world.chain.act(STRANGER, Undo(1))
    ended = Closing.of(world.federation, STATUSES, 0)
    assert ended.undone >= {1}
    assert ended.outcomes[0].status is Status.VOID


def test_an_end_holds_until_the_last_round_is_open_again_or_another_model_stands() -> None:
    world = World(dataclasses.replace(TERMS, rounds=1)).gather()
    before = world.chain.view()
    done = world.train().chain.view()
    ending = Ending(charter(), world.federation, done, 0.0, None)
    assert ending.holds(done)
    assert not ending.holds(before), "the chain has gone back"
    assert not ending.holds(dataclasses.replace(done, base=b"o" * 32)), "the last round came again between two looks"

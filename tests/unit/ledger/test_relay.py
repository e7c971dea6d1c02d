"""Messages of several nodes in one transaction: two processes' pools, and the ledger in memory."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError
from rayfed.ledger.memory.calls import signed
from rayfed.ledger.relay import pool as relay
from rayfed.ledger.relay.pool import RelayPool
from rayfed.protocol.commands import Command, Relay
from rayfed.protocol.messages import Phase, Receipt, Signed, Verb
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger
from tests.unit.node.test_edge_node import charter

MEMBERS = [f"0x{i + 1:040x}" for i in range(4)]
OURS, THEIRS = MEMBERS[:2], MEMBERS[2:]

TELLINGS = 60
"""Times that a pool of 200 messages is told of them while it steps: enough to break one without an owner each time."""


class Steady:
    """The steady clock, stopped."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Poster(MemoryLedger):
    """An account that posts; its gas is a thousand a message, and one."""

    refuses = False

    def __init__(self, chain: MemoryChain, address: Address) -> None:
        super().__init__(chain, address)
        self.posted: list[dict[int, Signed]] = []

    def submit(self, command: Command) -> None:
        if self.refuses:
            raise LedgerError("no funds")
        assert isinstance(command, Relay)
        self.posted.append(dict(command.messages))
        super().submit(command)

    def receipts(self) -> list[Receipt]:
        return [replace(one, gas=1_000 * len(one.command.messages) + 1) for one in super().receipts()]  # type: ignore[union-attr]


class Side:
    """One process: its pool, and an account that posts."""

    def __init__(self, world: World, addresses: Sequence[Address]) -> None:
        self.world = world
        self.addresses = addresses
        self.poster = Poster(world.chain, addresses[0])
        self.pool = RelayPool(self.hand, self.tell)

    def hand(self, turn: int, verb: Verb, round: int, messages: Mapping[int, Signed]) -> bool:
        whose = self.world.sides[turn % len(self.world.sides)]
        if whose is self:
            return False
        if self.world.connected:
            whose.pool.take(verb, round, messages)
        return True

    def tell(self, verb: Verb, round: int, receipts: Mapping[int, Receipt]) -> None:
        for side in self.world.sides:
            if side is not self:
                side.pool.told(verb, round, receipts)

    def say(self, verb: Verb, address: Address, value: bytes) -> None:
        self.pool.offer(address, verb, self.world.chain.round, signed(address, value))

    def step(self) -> float | None:
        return self.pool.step(self.world.chain.view(), self.poster)


class World:
    def __init__(self) -> None:
        self.chain = MemoryChain(replace(charter(rounds=3).terms(), start_members=4), ManualClock())
        self.sides: list[Side] = []
        self.connected = True
        for member in MEMBERS:
            self.chain.join(member, self.chain.terms.charter)

    def steps(self, times: int = 6) -> None:
        for _ in range(times):
            for side in self.sides:
                side.step()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Steady:
    steady = Steady()
    monkeypatch.setattr(relay, "time", steady)
    return steady


@pytest.fixture
def world(clock: Steady) -> World:
    made = World()
    made.sides = [Side(made, OURS), Side(made, THEIRS)]
    return made


def root(number: int) -> bytes:
    return bytes([number + 1]) * 32


def receipts(world: World) -> dict[Address, list[Receipt]]:
    return {address: side.pool.receipts(address) for side in world.sides for address in side.addresses}


def test_one_transaction_carries_all_when_all_have_spoken(world: World, clock: Steady) -> None:
    for side in world.sides:
        for address in side.addresses:
            side.say(Verb.COMMIT, address, root(MEMBERS.index(address)))
    world.steps(2)
    clock.now += relay.GATHER_SECONDS + 0.1
    world.steps()
    assert world.chain.phase is Phase.VOTE
    assert sorted(world.chain.roots.items()) == [(i, root(i)) for i in range(4)]
    told = receipts(world)
    assert all(len(of) == 1 and of[0].error is None for of in told.values())
    for side in world.sides:
        for address in side.addresses:
            side.say(Verb.VOTE, address, (0b1111).to_bytes(32, "big"))
    world.steps()  # by now the sides know of each other: nobody waits
    assert world.chain.phase is Phase.ATTEST
    posted = [len(batch) for side in world.sides for batch in side.poster.posted][-1]
    assert posted == 4
    gas = [one.gas for of in receipts(world).values() for one in of]
    assert sorted(gas) == [1_000, 1_000, 1_000, 1_001]


def test_a_message_that_whose_turn_it_is_does_not_post_is_posted_by_its_own_side(world: World, clock: Steady) -> None:
    world.connected = False  # what is handed over is lost
    for side in world.sides:
        for address in side.addresses:
            side.say(Verb.COMMIT, address, root(MEMBERS.index(address)))
    world.steps(2)
    assert len(world.chain.roots) <= 2
    clock.now += relay.OWN_SECONDS + 0.1
    world.steps()
    assert world.chain.phase is Phase.VOTE
    assert all(len(of) == 1 and of[0].error is None for of in receipts(world).values())


def test_who_is_late_is_told_so(world: World, clock: Steady) -> None:
    first = world.sides[0]
    first.say(Verb.COMMIT, OURS[0], root(0))
    world.chain.clock.advance(61)  # nobody has committed: the round is void
    world.chain.poke()
    world.steps()
    (receipt,) = first.pool.receipts(OURS[0])
    assert receipt.error == relay.NOT_HEARD
    assert not first.pool.is_pending


def test_a_transaction_that_cannot_be_sent_is_reported_to_each(world: World, clock: Steady) -> None:
    world.sides = world.sides[:1]
    (side,) = world.sides
    side.poster.refuses = True
    for address in OURS:
        side.say(Verb.COMMIT, address, root(0))
    clock.now += 1
    world.steps(1)
    clock.now += 1
    world.steps(1)
    assert [side.pool.receipts(address)[0].error for address in OURS] == ["no funds", "no funds"]


def test_whole_rounds(world: World, clock: Steady) -> None:
    merged = root(200)
    for round in (1, 2, 3):
        for verb, value in ((Verb.COMMIT, None), (Verb.VOTE, (0b1111).to_bytes(32, "big")), (Verb.ATTEST, merged)):
            for side in world.sides:
                for address in side.addresses:
                    if world.chain.round == round:
                        side.say(verb, address, value or root(MEMBERS.index(address)))
            for _ in range(3):
                world.steps(2)
                clock.now += 0.2
    assert world.chain.phase is Phase.DONE
    assert {o.attesters.bit_count() for o in world.chain.outcomes.values()} <= {3, 4}
    assert all(one.error is None for of in receipts(world).values() for one in of)
    world.steps()
    assert not any(side.pool.is_pending for side in world.sides)


def test_peers_tell_while_the_pool_steps(world: World) -> None:
    """What peers call comes in threads of their own: once a dictionary changed its size while it was read here."""
    members = tuple(f"0x{i + 1:040x}" for i in range(200))
    roster = (1 << len(members)) - 1
    chain = MemoryChain(replace(charter(rounds=1).terms(), start_members=len(members)), ManualClock())
    for member in members:
        chain.join(member, chain.terms.charter)
    view, interval, poster = chain.view(), sys.getswitchinterval(), Poster(chain, members[0])
    assert view.roster == roster
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(TELLINGS):
            pool = RelayPool(lambda *_: True, lambda *_: None)
            for member in members:
                pool.offer(member, Verb.COMMIT, 1, signed(member, root(0)))
            pool.step(view, poster)

            def tell(told: RelayPool = pool) -> None:
                for i in range(len(members)):
                    told.told(Verb.COMMIT, 1, {i: Receipt(Verb.COMMIT, 1, "", 0, 0)})
                    told.take(Verb.COMMIT, 1, {i: signed(members[i], root(0))})

            thread = threading.Thread(target=tell)
            thread.start()
            while thread.is_alive():
                pool.step(view, poster)
            thread.join()
            pool.step(view, poster)
            assert [len(pool.receipts(member)) for member in members] == [1] * len(members)
    finally:
        sys.setswitchinterval(interval)


def test_the_first_of_a_process_does_not_go_out_alone(world: World) -> None:
    """Whom a process speaks for it knows from the start, so the first that offers is not all that there is."""
    world.sides = [Side(world, MEMBERS)]
    (side,) = world.sides
    side.pool.carry(MEMBERS)
    for member in MEMBERS:
        side.say(Verb.COMMIT, member, bytes([1] * 32))
        side.step()
    assert [sorted(messages) for messages in side.poster.posted] == [[0, 1, 2, 3]]


def test_what_comes_after_a_batch_has_left_waits_for_the_others(world: World, clock: Steady) -> None:
    world.sides = [Side(world, MEMBERS)]
    (side,) = world.sides
    side.pool.carry(MEMBERS)
    side.say(Verb.COMMIT, MEMBERS[0], bytes([1] * 32))
    side.step()
    clock.now += 1.5  # held for as long as it may be
    side.step()
    for member in MEMBERS[1:]:
        side.say(Verb.COMMIT, member, bytes([1] * 32))
        side.step()
        clock.now += 0.1
    assert [sorted(messages) for messages in side.poster.posted] == [[0], [1, 2, 3]]


def test_what_was_said_to_a_newer_view_is_not_taken_for_late(world: World) -> None:
    (side, *_) = world.sides = [Side(world, OURS)]
    side.pool.offer(OURS[0], Verb.COMMIT, world.chain.round + 1, signed(OURS[0], bytes(32)))
    side.step()
    assert side.pool.receipts(OURS[0]) == []
    assert side.pool.is_pending

"""Messages of several nodes in one transaction: two processes' pools, and the ledger in memory."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError
from rayfed.ledger.memory.relays import signed
from rayfed.ledger.relay import pool as relay
from rayfed.ledger.relay.batch import Batch, Topic
from rayfed.ledger.relay.pool import RelayPool
from rayfed.protocol.commands import Advance, Attest, Command, Commit, Join, Relay, Statement, Vote
from rayfed.protocol.messages import Phase, Receipt, Signed, Status, Verb, View
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
        self.batches: list[Relay] = []

    def submit(self, command: Command) -> None:
        if self.refuses:
            raise LedgerError("no funds")
        assert isinstance(command, Relay)
        self.posted.append(dict(command.messages))
        self.batches.append(command)
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

    def hand(self, turn: int, topic: Topic, messages: Mapping[int, Signed]) -> bool:
        whose = self.world.sides[turn % len(self.world.sides)]
        if whose is self:
            return False
        if self.world.connected:
            whose.pool.take(topic, messages)
        return True

    def tell(self, topic: Topic, receipts: Mapping[int, Receipt]) -> None:
        for side in self.world.sides:
            if side is not self:
                side.pool.told(topic, receipts)

    def say(self, verb: Verb, address: Address, value: bytes) -> None:
        statement = said(verb, self.world.chain.view(), value)
        self.pool.offer(address, statement, signed(address, statement))

    def step(self) -> float | None:
        return self.pool.step(self.world.chain.view(), self.poster)


def said(verb: Verb, view: View, value: bytes) -> Statement:
    """Return what says this where the federation stands."""
    if verb is Verb.VOTE:
        return Vote(view.round, view.context, int.from_bytes(value, "big"))
    return (Commit if verb is Verb.COMMIT else Attest)(view.round, view.context, value)


class World:
    def __init__(self) -> None:
        self.chain = MemoryChain(replace(charter(rounds=3).terms(), start_members=4), ManualClock())
        self.sides: list[Side] = []
        self.connected = True
        gather(self.chain, MEMBERS)

    def steps(self, times: int = 6) -> None:
        for _ in range(times):
            for side in self.sides:
                side.step()


def gather(chain: MemoryChain, members: Sequence[Address]) -> None:
    """Let these found the federation."""
    for member in members:
        MemoryLedger(chain, member).submit(Join(chain.terms().charter))
    chain.act(members[0], Advance())


def roots(chain: MemoryChain) -> dict[int, bytes]:
    """Return the roots committed in the open round by index."""
    return {i: root for i, root in enumerate(chain.view().roots) if any(root)}


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
    assert world.chain.view().phase is Phase.VOTE
    assert sorted(roots(world.chain).items()) == [(i, root(i)) for i in range(4)]
    told = receipts(world)
    assert all(len(of) == 1 and of[0].error is None for of in told.values())
    for side in world.sides:
        for address in side.addresses:
            side.say(Verb.VOTE, address, (0b1111).to_bytes(32, "big"))
    world.steps()  # by now the sides know of each other: nobody waits
    assert world.chain.view().phase is Phase.ATTEST
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
    assert len(roots(world.chain)) <= 2
    clock.now += relay.OWN_SECONDS + 0.1
    world.steps()
    assert world.chain.view().phase is Phase.VOTE
    assert all(len(of) == 1 and of[0].error is None for of in receipts(world).values())


def test_who_is_late_is_told_so(world: World, clock: Steady) -> None:
    first = world.sides[0]
    first.say(Verb.COMMIT, OURS[0], root(0))
    world.chain.clock.advance(61)  # nobody has committed: the round is void
    world.chain.act(MEMBERS[0], Advance())
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
                    if world.chain.view().round == round:
                        side.say(verb, address, value or root(MEMBERS.index(address)))
            for _ in range(3):
                world.steps(2)
                clock.now += 0.2
    assert world.chain.view().phase is Phase.DONE
    outcomes = [world.chain.outcome(round) for round in (1, 2, 3)]
    assert [outcome and outcome.status for outcome in outcomes] == [Status.FINAL] * 3
    assert all(one.error is None for of in receipts(world).values() for one in of)
    world.steps()
    assert not any(side.pool.is_pending for side in world.sides)


def test_peers_tell_while_the_pool_steps(world: World) -> None:
    """What peers call comes in threads of their own: once a dictionary changed its size while it was read here."""
    members = tuple(f"0x{i + 1:040x}" for i in range(200))
    roster = (1 << len(members)) - 1
    chain = MemoryChain(replace(charter(rounds=1).terms(), start_members=len(members)), ManualClock())
    gather(chain, members)
    view, interval, poster = chain.view(), sys.getswitchinterval(), Poster(chain, members[0])
    assert view.roster == roster
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(TELLINGS):
            pool = RelayPool(lambda *_: True, lambda *_: None)
            statement = Commit(1, view.context, root(0))
            for member in members:
                pool.offer(member, statement, signed(member, statement))
            pool.step(view, poster)

            def tell(told: RelayPool = pool, statement: Commit = statement) -> None:
                topic = Topic(Verb.COMMIT, 1, view.context)
                for i in range(len(members)):
                    told.told(topic, {i: Receipt(Verb.COMMIT, 1, "", 0, 0)})
                    told.take(topic, {i: signed(members[i], statement)})

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
    statement = Commit(world.chain.view().round + 1, bytes(32), root(0))
    side.pool.offer(OURS[0], statement, signed(OURS[0], statement))
    side.step()
    assert side.pool.receipts(OURS[0]) == []
    assert side.pool.is_pending


@pytest.mark.parametrize("phase", [Phase.DONE, Phase.WAITING, Phase.FORMING])
def test_a_vote_whose_receipt_comes_after_its_round_has_closed_is_taken_for_heard(world: World, phase: Phase) -> None:
    """After the last round no round is open, and nothing says any more who voted in it."""
    view = replace(world.chain.view(), phase=phase, roster=0, voted=0, context=bytes(32))
    assert Batch(Topic(Verb.VOTE, view.round, b"\1" * 32), 0.0).was_heard(view, 0)


def test_a_batch_brings_the_others_addresses_and_closes_the_phase_when_nobody_is_missing(world: World) -> None:
    (side,) = world.sides = [Side(world, MEMBERS)]
    side.say(Verb.COMMIT, MEMBERS[0], root(0))
    world.steps(1)
    for member in MEMBERS[1:]:
        side.say(Verb.COMMIT, member, root(MEMBERS.index(member)))
    world.steps()
    first, second = side.poster.batches
    assert (sorted(first.messages), first.others, first.closes) == ([0], tuple(MEMBERS[1:]), False)
    assert (sorted(second.messages), second.others, second.closes) == ([1, 2, 3], (MEMBERS[0],), True)
    assert world.chain.view().phase is Phase.VOTE


def test_the_quorums_attestations_close_the_round_and_a_late_one_is_posted_all_the_same(
    world: World, clock: Steady
) -> None:
    (side,) = world.sides = [Side(world, MEMBERS)]
    for verb, value in ((Verb.COMMIT, None), (Verb.VOTE, (0b1111).to_bytes(32, "big"))):
        for member in MEMBERS:
            side.say(verb, member, value or root(MEMBERS.index(member)))
        world.steps()
    attest = said(Verb.ATTEST, world.chain.view(), root(9))
    side.pool.carry(MEMBERS[:3])
    for member in MEMBERS[:3]:
        side.pool.offer(member, attest, signed(member, attest))
    clock.now += relay.HOLD_SECONDS + 0.1
    world.steps()
    clock.now += relay.HOLD_SECONDS + 0.1
    world.steps()
    assert side.poster.batches[-1].closes
    assert world.chain.view().round == 2
    side.pool.offer(MEMBERS[3], attest, signed(MEMBERS[3], attest))
    world.steps()
    clock.now += relay.HOLD_SECONDS + 0.1
    world.steps()
    late = side.poster.batches[-1]
    assert (late.round, sorted(late.messages), late.others, late.closes) == (1, [3], (), False)
    closed = world.chain.round_of(1)
    assert closed is not None
    assert closed.attested == 0b1111
    assert [one.error for of in receipts(world).values() for one in of if one.verb is Verb.ATTEST] == [None] * 4
    assert not side.pool.is_pending


def test_what_was_said_on_another_branch_is_told_to_be_unheard(world: World, clock: Steady) -> None:
    (side, *_) = world.sides = [Side(world, OURS)]
    statement = Commit(world.chain.view().round, bytes([7]) * 32, root(0))
    side.pool.offer(OURS[0], statement, signed(OURS[0], statement))
    world.steps()
    assert [one.error for one in side.pool.receipts(OURS[0])] == [relay.NOT_HEARD]
    assert side.poster.posted == []


def test_a_batch_that_is_refused_for_what_others_gave_goes_out_again_without_it(world: World, clock: Steady) -> None:
    (side,) = world.sides = [Side(world, OURS)]
    statement = said(Verb.COMMIT, world.chain.view(), root(0))
    forged = signed(OURS[0], statement)
    side.pool.take(Topic(Verb.COMMIT, statement.round, statement.context), {2: forged})
    side.say(Verb.COMMIT, OURS[0], root(0))
    clock.now += relay.HOLD_SECONDS + 0.1
    world.steps()
    clock.now += relay.HOLD_SECONDS + 0.1
    world.steps()
    assert [one.error for one in side.pool.receipts(OURS[0])] == ["WrongSigner"]
    side.say(Verb.COMMIT, OURS[0], root(0))
    world.steps()
    clock.now += relay.HOLD_SECONDS + 0.1
    world.steps()
    assert [one.error for one in side.pool.receipts(OURS[0])] == [None]
    assert sorted(side.poster.posted[-1]) == [0]

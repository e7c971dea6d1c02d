"""A host's lives, on a ledger in memory: none waits for another, and one that fails does not end the others."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rayfed.encoding.primitives import NO_ROOT, Address
from rayfed.errors import DataError, LedgerUnreachable
from rayfed.learning import State, Update
from rayfed.ledger.relay import batches, pool
from rayfed.node.edge_node import EdgeNode
from rayfed.node.status import StatusBoard
from rayfed.node.training import ThreadWorker
from rayfed.node.watchtower import Watchtower
from rayfed.protocol.charter import StakeTerms
from rayfed.protocol.commands import Commit, EnterRoot
from rayfed.protocol.court import Entry, Fate
from rayfed.protocol.messages import Phase, Receipt, Signed, Status, Verb, View
from rayfed.runtime.host import life as living
from rayfed.runtime.host import rounds as round_steps
from rayfed.runtime.host.life import Life
from rayfed.runtime.host.listener import Listener
from rayfed.runtime.host.reads import OneLook, WatchLedger
from rayfed.runtime.host.relay import RelayLife
from rayfed.runtime.host.rounds import RoundsLife
from rayfed.runtime.host.watch import Post, WatchLife
from rayfed.testing import MemoryLedger
from tests.unit.node.test_edge_node import Pull, World

PATIENCE = 200.0
"""Seconds for what must happen; only a test that fails ever waits so long."""

OUTSIDER = "0x" + "99" * 20
WINDOW, CLOCK = 10, 30
SHAM = b"s" * 32


def eventually(what: str, ask: Callable[[], Any]) -> Any:
    """Return what ``ask`` finds, once it finds something."""
    end = time.monotonic() + PATIENCE
    while not (found := ask()):
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.01)
    return found


class Held(Pull):
    """Trains at once in round 1; later only while the gate is open."""

    def __init__(self, slot: int, gate: threading.Event) -> None:
        super().__init__(slot)
        self.gate = gate
        self.holding = False

    def train(self, base: State, round: int) -> Update:
        self.holding = round > 1
        assert round == 1 or self.gate.wait(PATIENCE)
        return super().train(base, round)


class Moving:
    """The chain as a listener sees it."""

    def __init__(self, look: Callable[[], View]) -> None:
        self.view = look

    def wait(self, seen: View, timeout: float) -> None:
        end = time.monotonic() + min(timeout, 0.2)
        while time.monotonic() < end:
            now = self.view()
            if (now.round, now.phase, now.due) != (seen.round, seen.phase, seen.due):
                return
            time.sleep(0.01)


class House:
    """One host with four nodes, without Ray and without a chain."""

    def __init__(self, tmp: Path, rounds: int = 2) -> None:
        self.gate = threading.Event()
        times = {"window_seconds": WINDOW, "clock_seconds": CLOCK, "proof_seconds": CLOCK}
        stake = StakeTerms(stake=1_000, bond=10, **times)
        self.world = World(tmp, stake=stake, rounds=rounds, commit_seconds=100_000)
        self.world.learners = {slot: Held(slot, self.gate) for slot in range(4)}
        self.look = MemoryLedger(self.world.chain, OUTSIDER).view
        self.nodes = [self.world.start(slot, worker=ThreadWorker(self.wake)) for slot in range(4)]
        self.reads = OneLook(MemoryLedger(self.world.chain, OUTSIDER))
        posts = [self.post(node) for node in self.nodes]
        self.rounds = RoundsLife(self.look, self.nodes, lambda address: True)
        self.watch = WatchLife(self.look, posts, self.reads, lambda post: self.tower(post.node, post.ledger))
        self.lives: list[Life] = [self.rounds, self.watch]
        self.watched, self._step = 0, self.watch.step
        self.watch.step = self._watched  # type: ignore[method-assign]
        self.listener = Listener(Moving(self.look), [life.wake for life in self.lives])

    def wake(self) -> None:
        self.rounds.wake()

    def _watched(self, view: View) -> float:
        rest = self._step(view)
        self.watched = view.time
        return rest

    def post(self, node: EdgeNode) -> Post:
        ledger = WatchLedger(self.reads, node.ledger.handle())
        return Post(node, ledger, self.tower(node, ledger), node.address)

    def tower(self, node: EdgeNode, ledger: Any) -> Watchtower:
        return Watchtower(ledger, node.kit.tools.apart(), note=node.kit.board.note)

    def start(self) -> None:
        for life in (*self.lives, self.listener):
            life.start()

    def stop(self) -> None:
        self.gate.set()
        self.listener.stop()
        for life in self.lives:
            life.stop()

    def sue(self) -> None:
        """Have an outsider enter a sham root against round 1's."""
        ledger = MemoryLedger(self.world.chain, OUTSIDER)
        closed = ledger.round_of(1)
        assert closed is not None
        ledger.submit(EnterRoot(1, closed.context, SHAM))
        assert [receipt.error for receipt in ledger.receipts()] == [None]

    @property
    def sham(self) -> Entry:
        chain = self.world.chain
        number = chain.number_of(1, SHAM)
        entry = None if number is None else chain.entry(1, number)
        assert entry is not None
        return entry

    def second(self) -> None:
        """Let a second pass on the chain, and a moment here; nobody who watches misses it."""
        with self.world.chain.lock:
            self.world.clock.advance(1)
        for life in self.lives:
            life.wake()
        time.sleep(0.05)
        eventually("it is watched", lambda: self.watched >= self.world.clock.now)

    def tick(self) -> bool:
        """Let a second pass; say whether the sham has lost."""
        self.second()
        return self.sham.fate is Fate.LOST


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.stop()


def held_up(house: House) -> bool:
    learners = house.world.learners.values()
    return house.look().round == 2 and all(isinstance(one, Held) and one.holding for one in learners)


def test_what_is_due_in_court_comes_in_time_while_every_node_trains(house: House) -> None:
    house.start()
    eventually("round 2 trains", lambda: held_up(house))
    house.sue()
    eventually("the sham has lost", house.tick)
    assert house.world.chain.match(1, 0, 0) is not None, "somebody has moved"
    with house.world.chain.lock:
        house.world.clock.advance(10 * CLOCK)  # training takes far longer than the court's time
    time.sleep(0.2)
    view = house.look()
    assert (view.round, view.phase, view.committed) == (2, Phase.COMMIT, 0)
    accounts = [house.world.chain.account(node.address) for node in house.nodes]
    assert [(account.stake, account.slashed) for account in accounts] == [(1_000, 0)] * 4
    assert house.world.outcome(1).status in (Status.FINAL, Status.SETTLED)
    house.gate.set()
    eventually("all are finished", lambda: house.rounds.over is not None)
    assert {node.status.doing for node in house.nodes} == {"finished"}
    assert house.look().phase is Phase.DONE


def test_rounds_that_fail_do_not_end_the_watch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.start()
    eventually("round 2 trains", lambda: held_up(house))

    def broken(*_: object) -> float:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(living, "BEGIN_AGAIN_SECONDS", (0.05, 0.1))
        patch.setattr(house.rounds, "step", broken)
        house.wake()
        said = "rounds failed and begins again: ZeroDivisionError: a bug"
        eventually("it is told", lambda: {node.status.error for node in house.nodes} == {said})
        house.sue()
        eventually("the sham loses all the same", house.tick)
    house.gate.set()
    eventually("what failed goes on", lambda: house.rounds.over is not None)
    assert {node.status.doing for node in house.nodes} == {"finished"}


def test_a_watchtower_that_fails_is_built_anew(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [post.tower for post in house.watch._posts]
    for tower in broken:
        monkeypatch.setattr(tower, "step", lambda view: 1 // 0)
    house.start()
    eventually("round 2 trains", lambda: held_up(house))
    assert not {id(post.tower) for post in house.watch._posts} & {id(tower) for tower in broken}
    house.sue()
    eventually("the sham has lost", house.tick)


@pytest.fixture
def long_house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, rounds=3)
    yield made
    made.stop()


def test_a_disk_that_was_full_for_a_round_ends_nobody(long_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node says so, leaves the roster, joins again, and is merged in a later round."""
    house, note = long_house, StatusBoard.note
    said: set[str] = set()

    def noted(board: StatusBoard, line: str) -> None:
        said.add(line)  # what a status shows may be over before anybody looks
        note(board, line)

    monkeypatch.setattr(StatusBoard, "note", noted)
    learner, works = house.world.learners[3], house.world.learners[3].train

    def full(base: State, round: int) -> Update:
        raise OSError(28, "No space left on device")

    learner.train = full  # type: ignore[method-assign]
    house.start()
    words = "round 1: cluster.state_dir: a node cannot write to its own folder: No space left on device; it tries again"
    eventually("it says so", lambda: words in said)
    eventually("it has left", lambda: not house.look().active >> 3 & 1)
    eventually("the others have committed", lambda: house.look().committed.bit_count() == 3)
    learner.train = works  # type: ignore[method-assign]
    with house.world.chain.lock:
        house.world.clock.advance(100_001)  # the round goes on without it
    eventually("it has joined again", lambda: house.second() or bool(house.look().active >> 3 & 1))
    house.gate.set()
    eventually("it is there to the end", lambda: house.second() or house.look().phase is Phase.DONE)
    eventually("it has finished", lambda: house.second() or house.nodes[3].status.doing == "finished")
    assert house.world.outcome(house.look().round).included == 0b1111
    assert house.nodes[3].status.error == "", "what is over is not its last word"


def test_a_node_that_fails_for_good_stops_alone_and_its_watch_goes_on(house: House) -> None:
    def gone(base: State, round: int) -> Update:
        raise DataError("data.root", "the images are gone")

    house.world.learners[3].train = gone  # type: ignore[method-assign]
    house.start()
    eventually("it has failed", lambda: house.nodes[3].status.doing == "failed")
    assert house.nodes[3].status.error == "data.root: the images are gone"
    eventually("it has left", lambda: not house.look().active >> 3 & 1)
    eventually("the others have committed", lambda: house.look().committed.bit_count() == 3)
    with house.world.chain.lock:
        house.world.clock.advance(100_001)  # the round goes on without it
    eventually("the others go on", lambda: house.second() or house.look().base_round == 1)
    eventually("its watch has verified the round", lambda: house.watch._posts[3].tower.report().verified >= 1)


def test_a_host_whose_nodes_have_failed_stays_while_what_they_attested_can_be_judged(house: House) -> None:
    def gone(base: State, round: int) -> Update:
        raise DataError("data.root", "the images are gone")

    house.start()
    eventually("round 2 trains", lambda: held_up(house))
    for learner in house.world.learners.values():
        learner.train = gone  # type: ignore[method-assign]
    for node in house.nodes:
        node.kit.resources.worker.stop()
    house.gate.set()
    house.wake()
    eventually("all have failed", lambda: {node.status.doing for node in house.nodes} == {"failed"})
    time.sleep(0.1)
    assert house.look().unsettled
    assert house.rounds.over is None
    house.sue()
    eventually("the sham loses all the same", house.tick)

    def settled() -> bool:
        house.second()
        return house.rounds.over is not None

    eventually("it leaves when all is settled", settled)
    assert house.world.outcome(1).status is Status.SETTLED


def test_nodes_wait_for_something_to_pay_gas_with(house: House) -> None:
    funded: set[Address] = set()
    house.rounds._has_means = lambda address: address in funded
    house.start()
    eventually("they say so", lambda: {node.status.doing for node in house.nodes} == {"waiting for funds"})
    assert not house.look().members
    funded.update(node.address for node in house.nodes)
    eventually("all have joined", lambda: len(house.look().members) == 4)


# -- the loop -------------------------------------------------------------------------------------------------------


class Counting(Life):
    def __init__(self, look: Callable[[], View], lines: list[str]) -> None:
        super().__init__("counting", look, lines.append)
        self.steps = 0

    def step(self, view: View) -> float:
        self.steps += 1
        return 1_000.0


def test_a_life_waits_for_its_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "OUTAGE_SECONDS", 0.01)
    away, lines = threading.Event(), list[str]()

    def look() -> Any:
        if away.is_set():
            raise LedgerUnreachable("ledger.rpc_url: nobody is there")

    away.set()
    life = Counting(look, lines)
    life.start()
    try:
        eventually("it says so", lambda: lines)
        away.clear()
        eventually("it goes on", lambda: life.steps)
        eventually("it says that this is over", lambda: lines[-1] == "")
        assert set(lines) == {"ledger.rpc_url: nobody is there", ""}
        before = life.steps
        life.wake()
        eventually("it looks again when it is woken", lambda: life.steps > before)
    finally:
        life.stop()


# -- the relay ------------------------------------------------------------------------------------------------------

MEMBERS = tuple(f"0x{i:040x}" for i in range(200))


def crowd() -> View:
    n = len(MEMBERS)
    everybody, nothing = (1 << n) - 1, bytes(32)
    return View(
        time=0, round=1, phase=Phase.COMMIT, deadline=100, due=False, base=NO_ROOT, base_round=0, base_context=nothing,
        base_settled=True, context=nothing, roster=everybody, active=everybody, committed=0, abstained=0, voted=0,
        attested=0, included=0, excused=0, finals=0, voids=0, unsettled=0, since=0, members=MEMBERS,
        roots=(NO_ROOT,) * n, accepts=(0,) * n, misses=(0,) * n, previous=None,
    )  # fmt: skip


class Elsewhere:
    """A transport on which it is always another host's turn."""

    name = "host-1"

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def peers(self) -> list[str]:
        return ["host-0"]

    def send(self, peer: str, method: str, *arguments: Any) -> bool:
        self.sent.append((method, *arguments))
        return True


def test_nodes_and_peers_talk_to_a_relay_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """From ``cases/relay_race.py``: offers, takes and receipts come from threads of their own, and each is heard."""
    for module in (batches, pool):
        monkeypatch.setattr(module, "OWN_SECONDS", PATIENCE)  # it stays the other's turn
    view, lines = crowd(), list[str]()
    away: Any = Elsewhere()
    relay = RelayLife(lambda: view, away, lines.append, lambda: None)
    relay.begin(Silent(), [])
    signed = Signed(bytes(32), bytes(32), bytes(32))

    def say(members: range) -> None:
        for i in members:
            relay.pool.offer(MEMBERS[i], Commit(1, bytes(32)), signed)

    def tell(members: range) -> None:
        for i in members:
            relay.told(Verb.COMMIT, 1, bytes(32), {i: Receipt(Verb.COMMIT, 1, "", 0, 0)})

    try:
        for task in (say, tell):
            parts = [threading.Thread(target=task, args=(range(k, 200, 4),)) for k in range(4)]
            for part in parts:
                part.start()
            for part in parts:
                part.join()
            if task is say:
                eventually("all are handed over", lambda: sum(len(sent[4]) for sent in away.sent) == 200)
        heard: dict[Address, list[Receipt]] = {}

        def listen() -> bool:
            for member in MEMBERS:
                heard.setdefault(member, []).extend(relay.pool.receipts(member))
            return all(heard.values())

        eventually("each is told once", listen)
        assert {len(told) for told in heard.values()} == {1}
        assert lines == []
    finally:
        relay.stop()


class Silent:
    """A handle that posts nothing."""

    def receipts(self) -> list[Receipt]:
        return []

    def submit(self, command: object) -> None:
        raise AssertionError("it is another host's turn")


@pytest.mark.parametrize("together", [0.0, 60.0], ids=["one by one", "side by side"])
def test_a_node_says_nothing_that_its_disk_did_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: float
) -> None:
    def refuse() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(round_steps, "TOGETHER_SECONDS", together)
    world = World(tmp_path, rounds=1)
    life = RoundsLife(world.chain.view, list(world.nodes.values()), lambda address: True)
    monkeypatch.setattr(world.nodes[0].kit.resources.journal, "sync", refuse)
    for _ in range(10):
        life.step(world.chain.view())
    view = world.chain.view()
    assert (view.round, view.roster, view.committed) == (1, 0b1111, 0b1110)
    assert os.strerror(errno.EIO) in world.nodes[0].status.error
    life.stop()

"""A node that trains for longer than the court waits: its watchtower, in a thread of its own, makes every move in time.

Before the watchtower had a thread of its own, nothing was answered while a node trained, and an honest author who was
asked in court lost its stake.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rayfed.attacks import Crew
from rayfed.attacks.forged_merge import ForgedMerge
from rayfed.ledger.memory.account import MemoryLedger
from rayfed.node.edge_node import Progress
from rayfed.node.training import ThreadWorker
from rayfed.node.watchtower import Watchtower
from rayfed.protocol.charter import StakeTerms
from rayfed.protocol.commands import DepositBonds, EnterRoot
from rayfed.protocol.court import Fate
from rayfed.protocol.messages import Phase, Status
from tests.unit.node.test_edge_node import World
from tests.unit.node.test_training import SECONDS, Held, until

WINDOW, CLOCK, STAKE = 10, 30, 1_000
OUTSIDER = "0x" + "99" * 20


class LongRound(Held):
    """Trains in an instant in round 1, and in round 2 until it is let go."""

    def train(self, base, round):  # type: ignore[no-untyped-def]
        if round == 1:
            self.go.set()
            update = super().train(base, round)
            self.go.clear()
            self.begun.clear()
            return update
        return super().train(base, round)


class Tower:
    """A watchtower, stepped in a thread of its own."""

    def __init__(self, tower: Watchtower, ledger: MemoryLedger) -> None:
        self.tower = tower
        self._ledger = ledger
        self._end = threading.Event()
        self.turns = 0
        self.failure: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join(SECONDS)

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                self.tower.step(self._ledger.view())
                self.turns += 1
                time.sleep(0.001)
        except BaseException as error:
            self.failure = error


class Court(World):
    """Four nodes with something at stake, each with a worker and a watchtower of its own."""

    def __init__(self, tmp: Path, forgers: range = range(0)) -> None:
        times = {"window_seconds": WINDOW, "clock_seconds": CLOCK, "proof_seconds": CLOCK}
        stake = StakeTerms(stake=STAKE, reward=0, bond=50, **times)
        super().__init__(tmp, rounds=2, commit_seconds=400, stake=stake)
        rule = self.charter.rule()
        for slot in range(4):
            self.learners[slot] = LongRound(slot)
            crew = Crew(slot, tuple(forgers), 4, 2, 0, rule, lambda *_: (), lambda: 0)
            behaviour = {"behaviour": ForgedMerge(crew, round=1)} if slot in forgers else {}
            self.nodes[slot] = self.start(slot, worker=ThreadWorker(), **behaviour)
        self.outsider = MemoryLedger(self.chain, OUTSIDER)
        self.towers = [
            Tower(Watchtower(node.ledger.handle(), node.kit.tools.apart()), MemoryLedger(self.chain, node.address))
            for slot, node in self.nodes.items()
            if slot not in forgers
        ]

    def step(self, until_: Callable[[], bool]) -> None:
        """Step the rounds of all nodes in this thread, until something holds; no second passes."""

        def holds() -> bool:
            for node in self.nodes.values():
                node.step(node.ledger.view())
            return until_()

        until(holds)

    def all_train(self) -> bool:
        """Whether every node is in the middle of training for round 2."""
        return all(isinstance(one, LongRound) and one.begun.is_set() for one in self.learners.values())

    def pass_time(self, seconds: int) -> None:
        """Let the court's time pass, second by second: every node steps, and every watchtower looks, at each."""
        for _ in range(seconds):
            self.clock.advance(1)
            looked = [tower.turns for tower in self.towers]
            assert Progress.ACTED not in [node.step(node.ledger.view()) for node in self.nodes.values()]
            until(
                lambda looked=looked: all(
                    tower.turns > before + 1 or tower.failure for tower, before in zip(self.towers, looked, strict=True)
                )
            )
            assert [tower.failure for tower in self.towers] == [None] * len(self.towers)


@contextmanager
def playing(court: Court) -> Iterator[None]:
    """Play round 1; within, all train for round 2, and the watchtowers run."""
    court.step(court.all_train)
    with ExitStack() as stack:
        for tower in court.towers:
            stack.enter_context(tower.running())
        yield


def enter_a_sham(court: Court) -> None:
    closed = court.chain.round_of(1)
    assert closed is not None
    court.outsider.submit(DepositBonds(OUTSIDER, 1))
    court.outsider.submit(EnterRoot(1, closed.context, b"\1" * 32))
    assert [receipt.error for receipt in court.outsider.receipts()] == [None, None]


def let_go(court: Court) -> None:
    for learner in court.learners.values():
        assert isinstance(learner, LongRound)
        learner.go.set()


def stakes(court: Court) -> list[int]:
    return [court.chain.account(court.address(slot)).stake for slot in range(4)]


def test_a_right_root_is_defended_while_all_train(tmp_path: Path) -> None:
    court = Court(tmp_path)
    with playing(court):
        enter_a_sham(court)
        court.pass_time(WINDOW + 2 * CLOCK + 20)
        assert court.all_train(), "training has outlasted the court"
        entry = court.chain.entry(1, 1)
    assert entry is not None
    assert (entry.fate, entry.collected) == (Fate.LOST, True)
    outcome = court.chain.outcome(1)
    assert outcome is not None
    assert outcome.status is Status.SETTLED
    assert stakes(court) == [STAKE] * 4
    let_go(court)
    court.step(lambda: court.chain.view().phase is Phase.DONE)
    outcome = court.chain.outcome(2)
    assert outcome is not None
    assert outcome.included == 0b1111


def test_a_wrong_merge_is_undone_while_its_forgers_train(tmp_path: Path) -> None:
    court = Court(tmp_path, forgers=range(3))
    forgers = [court.learners[slot] for slot in range(3)]

    def they_train() -> bool:
        return all(isinstance(one, LongRound) and one.begun.is_set() for one in forgers)

    court.step(they_train)
    assert court.chain.view().base_round == 1
    honest = court.nodes[3]
    assert not court.learners[3].trained[1:], "it does not build on that"
    with court.towers[0].running():
        for _ in range(court.charter.attest_seconds + WINDOW + 2 * CLOCK):
            before = court.towers[0].turns
            court.clock.advance(1)
            until(lambda before=before: court.towers[0].turns > before + 1 or court.towers[0].failure)
    assert court.towers[0].failure is None
    outcome = court.chain.outcome(1)
    assert outcome is not None
    assert outcome.status in (Status.VOID, Status.OVER)
    assert stakes(court) == [0, 0, 0, STAKE]
    honest.step(honest.ledger.view())
    let_go(court)


def test_without_a_watchtower_whoever_attested_loses(tmp_path: Path) -> None:
    """With nobody looking in time, the same entry costs the honest their stake: the towers above did answer it."""
    court = Court(tmp_path)
    court.step(court.all_train)
    enter_a_sham(court)
    court.clock.advance(WINDOW + CLOCK + 5)
    late = court.towers[1].tower
    for _ in range(30):
        late.step(court.outsider.view())
        court.clock.advance(1)
    assert stakes(court) == [0] * 4
    let_go(court)

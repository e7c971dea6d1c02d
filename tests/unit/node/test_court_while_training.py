"""A node that trains for longer than the court waits: its watchtower, in a thread of its own, makes every move in time.

Before the watchtower had a thread of its own, nothing was answered while a node trained, and an honest author whose
leaf was demanded lost its stake.
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
from rayfed.protocol.commands import Challenge, Demand
from rayfed.protocol.judgement import State
from rayfed.protocol.messages import Phase, Status
from tests.unit.node.test_edge_node import World
from tests.unit.node.test_training import SECONDS, Held, until

PROOF, STAKE = 30, 1_000
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
        stake = StakeTerms(stake=STAKE, reward=0, bond=50, challenge_seconds=500, proof_seconds=PROOF)
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


def test_a_demand_is_answered_while_all_train(tmp_path: Path) -> None:
    court = Court(tmp_path)
    with playing(court):
        court.outsider.submit(Demand(1, 1, 2, court.outsider.included_roots(1)))
        court.pass_time(2 * PROOF)
        assert court.all_train(), "training has outlasted the court"
        case = court.outsider.case(1)
    assert case is not None
    assert case.state is State.ANSWERED
    assert [account.slashed for account in court.chain.court.accounts()[:4]] == [0] * 4
    for learner in court.learners.values():
        assert isinstance(learner, LongRound)
        learner.go.set()
    court.step(lambda: court.chain.view().phase is Phase.DONE)
    assert court.chain.outcomes[2].included == 0b1111


def test_a_challenge_that_nobody_proves_is_ended_while_all_train(tmp_path: Path) -> None:
    court = Court(tmp_path)
    with playing(court):
        court.outsider.submit(Challenge(1, 1, 7, court.outsider.included_roots(1)))
        court.pass_time(PROOF + 15)
        assert court.all_train()
        case = court.outsider.case(1)
    assert case is not None
    assert case.state is State.EXPIRED


def test_a_wrong_merge_is_undone_while_the_honest_node_trains(tmp_path: Path) -> None:
    court = Court(tmp_path, forgers=range(3))
    court.step(lambda: court.chain.round == 2 and court.nodes[3].model == court.chain.base)
    with playing(court):
        court.clock.advance(1)
        until(lambda: court.outsider.outcome(1).status is Status.VOID)  # type: ignore[union-attr]
    stakes = [court.chain.court.account(court.address(slot)).stake for slot in range(4)]
    assert stakes == [0, 0, 0, STAKE]
    court.nodes[3].step(court.nodes[3].ledger.view())
    held = court.learners[3]
    assert isinstance(held, LongRound)
    until(lambda: held.stopped == [2])


def test_without_a_watchtower_the_author_loses(tmp_path: Path) -> None:
    """With nobody looking in time, the same demand is judged against the author: the towers above did answer it."""
    court = Court(tmp_path)
    court.step(court.all_train)
    court.outsider.submit(Demand(1, 1, 2, court.outsider.included_roots(1)))
    court.clock.advance(PROOF + 1)
    late = court.towers[1].tower
    for _ in range(12):
        late.step(court.outsider.view())
        court.clock.advance(1)
    case = court.outsider.case(1)
    assert case is not None
    assert case.state is State.FORFEITED
    for learner in court.learners.values():
        assert isinstance(learner, LongRound)
        learner.go.set()

"""Training beside the steps of a node: a worker in a thread of its own, and what becomes of what comes too late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rayfed.learning import State, TrainingStopped, Update
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.phases.train import TrainJob, is_outrun
from rayfed.node.training import Done, InlineWorker, ThreadWorker, TrainingWorker
from rayfed.protocol.messages import Phase, Status, Verb
from tests.unit.node.test_edge_node import Pull, World

SECONDS = 200.0
"""No test waits longer for a thread."""


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.002)


class Held(Pull):
    """Trains until it is let go, or stopped."""

    def __init__(self, slot: int) -> None:
        super().__init__(slot)
        self.go, self.begun = threading.Event(), threading.Event()
        self.stopped: list[int] = []
        self._should_stop: Callable[[], bool] = lambda: False

    def stop_when(self, should_stop: Callable[[], bool]) -> None:
        self._should_stop = should_stop

    def train(self, base: State, round: int) -> Update:
        self.begun.set()
        while not self.go.wait(0.002):
            if self._should_stop():
                self.stopped.append(round)
                raise TrainingStopped
        return super().train(base, round)


class Deaf(Pull):
    """Cannot be stopped."""

    def __init__(self, slot: int) -> None:
        super().__init__(slot)
        self.go, self.begun = threading.Event(), threading.Event()

    def train(self, base: State, round: int) -> Update:
        self.begun.set()
        assert self.go.wait(SECONDS)
        return super().train(base, round)


# -- the worker --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [InlineWorker, ThreadWorker])
def test_a_result_is_given_out_once_and_for_its_job_alone(make: type[Any]) -> None:
    worker: TrainingWorker = make()
    assert worker.is_free
    worker.start("a", lambda stops: 7)
    assert worker.job == "a"
    results: list[Done] = []
    assert worker.poll("b") is None
    until(lambda: (done := worker.poll("a")) and results.append(done) is None)
    assert results == [Done(7)]
    assert worker.poll("a") is None
    assert (worker.job, worker.is_free) == (None, True)


def test_what_a_job_raises_is_told_to_its_owner() -> None:
    worker, woken = ThreadWorker(lambda: woken.set()), threading.Event()

    def diverges(stops: Callable[[], bool]) -> None:
        raise ValueError("a NaN")

    worker.start("a", diverges)
    assert woken.wait(SECONDS)
    with pytest.raises(ValueError, match="a NaN"):
        worker.poll("a")
    assert worker.is_free


def test_a_stopped_job_gives_nothing_and_frees_the_worker_when_it_ends() -> None:
    worker, go, woken = ThreadWorker(lambda: woken.set()), threading.Event(), threading.Event()
    worker.start("a", lambda stops: go.wait(SECONDS))
    worker.stop()
    assert worker.job is None
    assert not worker.is_free, "its thread still uses the learner"
    with pytest.raises(RuntimeError, match="one job at a time"):
        worker.start("b", lambda stops: None)
    go.set()
    assert woken.wait(SECONDS)
    until(lambda: worker.is_free)
    assert worker.poll("a") is None


def test_a_result_that_was_finished_and_not_taken_is_thrown_away_too() -> None:
    worker, woken = ThreadWorker(lambda: woken.set()), threading.Event()
    worker.start("a", lambda stops: 7)
    assert woken.wait(SECONDS)
    worker.stop()
    assert worker.poll("a") is None
    assert worker.is_free


# -- the node ----------------------------------------------------------------------------------------------------------


def play(world: World, until_: Callable[[], bool] = lambda: False, limit: int = 100_000) -> None:
    """Step all nodes until they have finished, or this holds; while one works, only its worker's time passes."""
    for _ in range(limit):
        progress = [node.step(world.chain.view()) for node in world.nodes.values()]
        if until_() or set(progress) == {Progress.FINISHED}:
            return
        if Progress.WORKING in progress:
            time.sleep(0.002)
        elif Progress.ACTED not in progress:
            view = world.chain.view()
            world.clock.advance(5 if Progress.RETRY in progress else max(1, view.deadline - world.clock.now))
    raise AssertionError([node.status for node in world.nodes.values()])


def start(world: World, slot: int, learner: Pull, **changes: Any) -> EdgeNode:
    world.learners[slot] = learner
    world.nodes[slot] = world.start(slot, worker=ThreadWorker(), **changes)
    return world.nodes[slot]


def test_nodes_that_train_in_threads_end_with_the_same_bits(tmp_path: Path) -> None:
    inline, threads = World(tmp_path / "inline"), World(tmp_path / "threads")
    for slot in threads.nodes:
        start(threads, slot, Pull(slot))
    play(threads)
    assert threads.chain.view().base == inline.run().base
    assert [threads.outcome(round).included for round in (1, 2, 3)] == [0b1111] * 3
    assert sorted((r.round, r.slot) for r in threads.records) == sorted((r.round, r.slot) for r in inline.records)
    assert all(r.accuracy is not None and {"train", "encode"} <= r.seconds.keys() for r in threads.records)


def test_a_step_does_not_wait_for_training(tmp_path: Path) -> None:
    world = World(tmp_path)
    learner = Held(0)
    node = start(world, 0, learner)
    play(world, learner.begun.is_set)
    for _ in range(20):
        assert node.step(world.chain.view()) is Progress.WORKING
    assert node.status.doing == "training"
    learner.go.set()
    play(world)
    assert [world.outcome(round).included for round in (1, 2, 3)] == [0b1111] * 3


@pytest.mark.parametrize("kind", [Held, Deaf])
def test_training_that_the_phase_has_outrun_ends_and_its_result_is_thrown_away(tmp_path: Path, kind: Any) -> None:
    world = World(tmp_path, rounds=2)
    learner = kind(0)
    start(world, 0, learner)
    play(world, learner.begun.is_set)
    play(world, lambda: world.chain.view().phase is Phase.COMMIT and world.committed().keys() == {1, 2, 3})
    world.clock.advance(60)
    play(world, lambda: world.chain.view().round == 2, limit=300)
    assert world.outcome(1).status is Status.FINAL
    assert world.outcome(1).included & 1 == 0
    assert world.said(0, Verb.COMMIT) == []
    learner.go.set()
    play(world)
    assert world.outcome(2).included == 0b1111, "it takes part in the next round"
    assert world.said(0, Verb.COMMIT) == [], "and has never signed the late update"
    if kind is Held:
        assert learner.stopped == [1]
        assert learner.trained == [2]


def test_training_alone_and_scores_are_the_workers_too(tmp_path: Path) -> None:
    world = World(tmp_path, nodes=1, rounds=1, min_members=1)
    node = start(world, 0, Pull(0), alone=True)
    play(world)
    assert node.status.alone_curve == (0.25, 0.5)
    assert node.status.accuracy is not None
    assert node.status.doing == "finished"


def test_what_outruns_training(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(lambda view: view.phase is Phase.COMMIT)
    view = world.chain.view()
    job = TrainJob(view.round, view.base)
    assert not is_outrun(job, view)
    assert is_outrun(TrainJob(view.round, bytes(32)), view), "a reorganisation gave the round another base"
    assert is_outrun(TrainJob(view.round + 1, view.base), view)
    assert not is_outrun(None, view)
    world.run(lambda view: view.phase is Phase.VOTE)
    assert is_outrun(job, world.chain.view())

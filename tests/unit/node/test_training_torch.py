"""Real training in a worker: the same bits as without one, and an end between two batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from rayfed.config import load
from rayfed.learning import Stoppable, TrainingStopped, Update
from rayfed.learning.learner import TorchLearner, Workshop
from rayfed.learning.noise import SecretStream
from rayfed.learning.private import PrivateTrainer
from rayfed.node.training import ThreadWorker, stoppably
from rayfed.protocol.charter import Charter
from rayfed.runtime import drafting
from tests.unit.learning import test_private as private
from tests.unit.learning.test_train import MEAN, STD, X, Y, fit, genesis, same, trainer
from tests.unit.node.test_training import until

SMALL = ["train.epochs=1", "train.threads=1", "model.width=4", "model.hidden=8"]


@pytest.fixture(scope="module")
def charter() -> Charter:
    return drafting.draft(load(SMALL))


def learners(charter: Charter, *settings: str) -> list[TorchLearner]:
    """Return two that share a trainer, as the nodes of a process do."""
    workshop = Workshop(load([*SMALL, *settings]), charter)
    return [TorchLearner(workshop, charter, slot) for slot in (0, 1)]


def beside(learner: TorchLearner, round: int = 1) -> ThreadWorker:
    worker = ThreadWorker()

    def work(stops: Any) -> Update:
        stoppably(learner, stops)
        return learner.train(learner.genesis(), round)

    worker.start(round, work)
    return worker


def result(worker: ThreadWorker, round: int = 1) -> Update:
    found: list[Any] = []
    until(lambda: (done := worker.poll(round)) and found.append(done.result) is None)
    update = found[0]
    assert isinstance(update, Update)
    return update


@pytest.mark.parametrize("batches", [0, 1, 3])
def test_training_ends_between_two_batches_and_leaves_no_trace(batches: int) -> None:
    asked: list[int] = []

    def stops() -> bool:
        asked.append(1)
        return len(asked) > batches

    used = trainer(epochs=2, batch_size=25)
    with pytest.raises(TrainingStopped):
        used.fit(genesis(), X, Y, MEAN, STD, 1, 1, stops)
    assert len(asked) == batches + 1
    assert same(fit(used), fit(trainer(epochs=2, batch_size=25))), "the next round is as if there had been none"


def test_private_training_ends_between_two_steps_and_comes_again_with_the_same_noise() -> None:
    images, classes = private.pictures(40)

    def train(used: PrivateTrainer, stops: Callable[[], bool] = lambda: False) -> dict[str, torch.Tensor]:
        base = private.state_of(private.net())
        stream = SecretStream(private.SECRET)
        return used.fit_privately(base, images, classes, MEAN, STD, stream, 1.0, 1, stops).state

    used, asked = private.trainer(private.net(), batch_size=10), iter([False, False, True])
    with pytest.raises(TrainingStopped):
        train(used, lambda: next(asked))
    first, again = train(private.trainer(private.net(), batch_size=10)), train(used)
    assert all(torch.equal(first[name], value) for name, value in again.items())


def test_two_that_share_a_trainer_and_train_at_once_get_the_bits_of_one_after_the_other(charter: Charter) -> None:
    alone = [learner.train(learner.genesis(), 1) for learner in learners(charter)]
    workers = [beside(learner) for learner in learners(charter)]
    for update, worker in zip(alone, workers, strict=True):
        got = result(worker)
        assert all(torch.equal(got.state[name], value) for name, value in update.state.items())
        assert (got.loss, got.examples) == (update.loss, update.examples)


def test_who_is_stopped_lets_go_of_the_trainer(charter: Charter) -> None:
    slow, other = learners(charter, "train.epochs=100000")
    assert isinstance(slow, Stoppable)
    first = beside(slow)
    until(lambda: slow._workshop.trainer._busy.locked())
    waiting = threading.Thread(target=other.evaluate, args=(other.genesis(),))
    waiting.start()
    time.sleep(0.05)
    assert waiting.is_alive(), "it waits for the trainer"
    first.stop()
    waiting.join(200)
    assert not waiting.is_alive()
    until(lambda: first.is_free)

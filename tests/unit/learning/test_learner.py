"""A node's private side: momentum of its own, its loss on its own pictures, poisoned pictures for experiments."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfed.attacks.backdoor import stamped
from rayfed.config import Settings, load
from rayfed.learning.learner import TorchLearner, Workshop
from rayfed.protocol.charter import Charter
from rayfed.runtime import drafting

SMALL = ["train.epochs=1", "train.threads=1", "model.width=4", "model.hidden=8"]


@pytest.fixture(scope="module")
def charter() -> Charter:
    return drafting.draft(load(SMALL))


def learner(charter: Charter, *settings: str) -> TorchLearner:
    chosen: Settings = load([*SMALL, *settings])
    return TorchLearner(Workshop(chosen, charter), charter, 1)


def test_momentum_carries_a_part_of_the_last_step(charter: Charter) -> None:
    plain, heavy = learner(charter), learner(charter, "train.worker_momentum=0.75")
    base = plain.genesis()
    first, second = plain.train(base, 1).state, plain.train(base, 2).state
    sent = [heavy.train(base, round).state for round in (1, 2)]
    for name, start in base.items():
        if not start.is_floating_point():
            assert torch.equal(sent[1][name], second[name])
            continue
        torch.testing.assert_close(sent[0][name], first[name])
        expected = start + 0.75 * (first[name] - start) + 0.25 * (second[name] - start)
        torch.testing.assert_close(sent[1][name], expected)
    assert any(not torch.equal(sent[1][name], second[name]) for name in base)


def test_the_loss_is_on_the_nodes_own_pictures_and_falls_by_training(charter: Charter) -> None:
    own = learner(charter)
    base = own.genesis()
    trained = own.train(base, 1).state
    assert own.loss(trained) < own.loss(base)
    assert own.loss(base) == own.loss(base)
    other = TorchLearner(own._workshop, charter, 2)
    assert other.loss(base) != own.loss(base)


def test_poisoned_pictures_are_what_it_trains_on(charter: Charter) -> None:
    honest, bad = learner(charter), learner(charter)
    bad.poison(lambda x, y: (stamped(np.array(x)), np.zeros_like(y)))
    base = honest.genesis()
    one, other = honest.train(base, 1), bad.train(base, 1)
    assert one.examples == other.examples
    assert any(not torch.equal(one.state[name], other.state[name]) for name in base)

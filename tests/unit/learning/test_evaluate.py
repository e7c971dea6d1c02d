"""Evaluation: exact counts, whatever the batch; parts add up to the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rayfed.learning.evaluate import Evaluation, evaluate
from rayfed.learning.models import build
from rayfed.learning.partition import part_of

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (103, 3, 8, 8), dtype=np.uint8)
Y = RNG.integers(0, 10, 103)
MEAN, STD = (491_000, 482_000, 447_000), (247_000, 243_000, 262_000)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return build({"_target_": "rayfed.learning.models.SmallCNN", "dropout": 0.5}, (3, 8, 8), 10, seed=0)


def test_it_is_what_torch_says(net: nn.Module) -> None:
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) / 1e6 for value in (MEAN, STD))
    net.eval()
    with torch.no_grad():
        scores = net((torch.from_numpy(X) / 255 - mean) / std)
    net.train()
    found = evaluate(net, X, Y, MEAN, STD)
    labels = torch.from_numpy(Y)
    assert found.correct == int((scores.argmax(1) == labels).sum())
    assert found.total == 103
    assert found.loss == pytest.approx(float(nn.functional.cross_entropy(scores, labels)), rel=1e-5)
    assert found.accuracy == found.correct / 103


@pytest.mark.parametrize("batch", [1, 10, 103, 512])
def test_the_batch_does_not_matter(net: nn.Module, batch: int) -> None:
    whole, found = evaluate(net, X, Y, MEAN, STD), evaluate(net, X, Y, MEAN, STD, batch=batch)
    assert (found.correct, found.total) == (whole.correct, whole.total)
    assert found.loss == pytest.approx(whole.loss, rel=1e-5)


def test_parts_add_up_to_the_whole(net: nn.Module) -> None:
    parts = [evaluate(net, X[part_of(4, i)], Y[part_of(4, i)], MEAN, STD) for i in range(4)]
    whole = evaluate(net, X, Y, MEAN, STD)
    assert sum(part.correct for part in parts) == whole.correct
    assert sum(part.total for part in parts) == whole.total


def test_the_training_mode_is_put_back(net: nn.Module) -> None:
    for training in (True, False):
        net.train(training)
        evaluate(net, X, Y, MEAN, STD)
        assert net.training is training


def test_low_precision_and_read_only_memory_maps(net: nn.Module, tmp_path: object) -> None:
    np.save(f"{tmp_path}/x.npy", X)
    mapped = np.load(f"{tmp_path}/x.npy", mmap_mode="r")
    found = evaluate(net, mapped, Y, MEAN, STD, precision="bf16", channels_last=True)
    assert found.loss == pytest.approx(evaluate(net, X, Y, MEAN, STD).loss, rel=0.02)


def test_nothing_to_evaluate(net: nn.Module) -> None:
    assert evaluate(net, X[:0], Y[:0], MEAN, STD) == Evaluation(0, 0, 0.0)
    assert Evaluation(0, 0, 0.0).accuracy == 0.0

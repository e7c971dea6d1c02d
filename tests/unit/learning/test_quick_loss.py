"""The losses by which peers' updates are judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rayfed.learning import quick_loss
from rayfed.learning.cnn import SmallCNN
from rayfed.learning.quick_loss import QuickLoss
from rayfed.learning.train import Trainer

X = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), np.uint8)
Y = np.random.default_rng(1).integers(0, 3, 20)
MEAN, STD = [400_000], [250_000]


class Scaling(nn.Module):
    """Writes to what it is given, counts its calls in a buffer that it puts anew each time, and has batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.dense = nn.BatchNorm2d(1), nn.Linear(64, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls = self.calls + 1
        made: torch.Tensor = self.dense(self.norm(x.mul_(2)).flatten(1)) + self.calls
        return made


class Halving(nn.Linear):
    """Does more than to take its weights when it is loaded."""

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        super()._load_from_state_dict({name: value / 2 for name, value in state_dict.items()}, prefix, *rest)


def states(model: nn.Module) -> list[dict[str, torch.Tensor]]:
    """Two states of a model."""
    first = {name: value.clone() for name, value in model.state_dict().items()}
    return [first, {name: 1.5 * value + 0.1 for name, value in first.items()}]


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (SmallCNN((1, 8, 8), 3, 4, 8), {}),
        (SmallCNN((1, 8, 8), 3, 4, 8), {"channels_last": True}),
        (Scaling(), {}),
        (nn.Sequential(nn.Flatten(), Halving(64, 3)), {}),
    ],
    ids=["usual", "channels last", "writes to its inputs", "loads in its own way"],
)
@pytest.mark.parametrize("at_hand", [1 << 22, 0])
def test_each_state_has_the_loss_that_an_evaluation_gives_it(
    model: nn.Module, settings: dict[str, Any], at_hand: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_loss, "AT_HAND", at_hand)
    trainer = Trainer(model, {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1}, **settings})
    first, second = states(model)
    expected = [trainer.evaluate(state, X, Y, MEAN, STD).loss for state in (first, second)]
    assert expected[0] != pytest.approx(expected[1], rel=1e-3)
    judging = QuickLoss(trainer, X, Y, MEAN, STD)
    for _ in range(2):
        found = [judging.loss(state) for state in (first, second)]
        assert found == pytest.approx(expected, rel=1e-4)


def test_inputs_that_are_no_images_are_taken_as_they_are() -> None:
    model = nn.Linear(5, 3)
    trainer = Trainer(model, {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1}})
    x = (np.random.default_rng(2).normal(size=(20, 5)).astype(np.float32),)
    first, second = states(model)
    judging = QuickLoss(trainer, x, Y, (), ())
    for state in (first, second, first):
        assert judging.loss(state) == pytest.approx(trainer.evaluate(state, x, Y, (), ()).loss, rel=1e-6)

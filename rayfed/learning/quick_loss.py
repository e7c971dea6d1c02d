"""Looks at one model after the other with the same few examples, as a round's screens do: n + 2 of them for n peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rayfed.learning.evaluate import evaluate
from rayfed.learning.feeds import targets_on
from rayfed.learning.images import Normalise, autocast, resident
from rayfed.learning.judging_model import JudgingModel
from rayfed.learning.task import forward

if TYPE_CHECKING:
    from rayfed.learning.train import Trainer

AT_HAND = 1 << 22
"""Values of examples that are kept as the model takes them: 16 MiB. With more, making them ready is little beside the
pass itself."""


class QuickLoss:
    """Gives losses: on the processor from a copy of the trainer's model in channels-last, which is up to three times as
    fast as another format and has other last bits. Elsewhere, and where a model cannot be copied, as
    ``Trainer.evaluate`` does.

    Args:
        trainer: whose model it is.
        x, y, mean, std: the examples, as ``Trainer.evaluate`` takes them; always the same arrays, so that a GPU has
            them already.
    """

    def __init__(
        self,
        trainer: Trainer,
        x: NDArray[np.uint8] | tuple[NDArray[Any], ...],
        y: NDArray[Any],
        mean: Sequence[int],
        std: Sequence[int],
    ) -> None:
        self._trainer = trainer
        self._examples = x, y, mean, std
        self._at_hand: tuple[tuple[torch.Tensor, ...], torch.Tensor] | None = None

    def loss(self, state: Mapping[str, torch.Tensor]) -> float:
        """Return the mean loss of a model with this state."""
        trainer = self._trainer
        if trainer.device.type != "cpu" or not JudgingModel.suits(trainer.model):
            return trainer.evaluate(state, *self._examples).loss
        with trainer.undisturbed():
            model = trainer.judge().holding(state)
            if self._at_hand is None:
                self._at_hand = self._ready()
            if self._at_hand is None:
                precision, task = trainer.precision, trainer.task
                return evaluate(model, *self._examples, precision=precision, channels_last=True, task=task).loss
            kept, targets = self._at_hand
            inputs = tuple(one.clone() for one in kept)  # a model may write to what it is given
            with torch.no_grad(), autocast(trainer.device, trainer.precision):
                lost, _ = forward(trainer.task, model, inputs, targets, "sum")
            return float(lost) / len(targets)

    def _ready(self) -> tuple[tuple[torch.Tensor, ...], torch.Tensor] | None:
        """Return the examples as the model takes them, all in one batch; None if they are too many for that."""
        x, y, mean, std = self._examples
        parts, device = x if isinstance(x, tuple) else (x,), self._trainer.device
        if not len(y) or sum(part.size for part in parts) > AT_HAND:
            return None
        tensors = tuple(resident(part, device) for part in parts)
        if not isinstance(x, tuple):
            tensors = (Normalise(mean, std, device, channels_last=True)(tensors[0]),)
        return tensors, targets_on(y, device)

"""How well a model does on examples that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rayfed.learning.feeds import targets_on
from rayfed.learning.images import Normalise, autocast, batches_of
from rayfed.learning.task import Task, forward
from rayfed.learning.tasks import Classification

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Counts rather than a rate, so that several nodes' can be added up exactly.

    Attributes:
        correct: sum of the task's scores; with classes, how many examples got their own class as the likeliest.
        total: how many examples there were.
        loss: mean loss, with classes the cross-entropy in nats; 0 if there were none.
    """

    correct: float
    total: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Mean score, with classes the part of the examples that were classified right, 0..1; 0 if there were none."""
        return self.correct / self.total if self.total else 0.0


@torch.no_grad()  # not inference mode: what a model keeps from here it may train with
def evaluate(
    model: nn.Module,
    x: NDArray[np.uint8] | torch.Tensor | tuple[NDArray[Any] | torch.Tensor, ...],
    y: NDArray[Any] | torch.Tensor,
    mean: Sequence[int],
    std: Sequence[int],
    *,
    batch: int | None = None,
    precision: str = "fp32",
    channels_last: bool = False,
    task: Task | None = None,
) -> Evaluation:
    """Evaluate ``model`` where it is (its device decides), in evaluation mode; its training mode is put back.

    Args:
        model: gives (b, classes) scores for (b, c, h, w) images, or what ``task`` takes.
        x: (n, c, h, w) uint8 images, perhaps a read-only memory map; or a tuple of inputs that are used as they are.
        y: (n, ...) targets; with classes (n,) from 0.
        mean, std: by channel, in millionths of the 0..1 range; not used for what is not images.
        batch: examples at a time; None: as many as fit 16 Mi values, at most 512.
        precision: ``fp32`` or ``bf16`` (autocast).
        channels_last: memory format of the images; the model should have the same.
        task: how wrong and how good outputs are; None: ``Classification``.
    """
    device = next(model.parameters()).device
    learned: Task = task or Classification()
    targets = targets_on(y, device)
    correct = torch.zeros((), dtype=torch.float64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    batch = batch or max(1, min(512, 2**24 // max(1, _values(x))))
    training = model.training
    model.eval()
    try:
        for start, inputs in _batches(x, batch, mean, std, device, channels_last):
            wanted = targets[start : start + batch]
            with autocast(device, precision):
                lost, outputs = forward(learned, model, inputs, wanted, "sum")
            loss += lost
            correct += learned.score(outputs, wanted).sum()
    finally:
        model.train(training)
    total = len(targets)
    return Evaluation(float(correct), total, float(loss) / total if total else 0.0)


def _values(x: Any) -> int:
    """Return how many values one example has."""
    return sum(int(np.prod(one.shape[1:])) for one in (x if isinstance(x, tuple) else (x,)))


def _batches(
    x: Any, batch: int, mean: Sequence[int], std: Sequence[int], device: torch.device, channels_last: bool
) -> Iterator[tuple[int, tuple[torch.Tensor, ...]]]:
    """Yield (first example, what the model is called with), images normalised."""
    if isinstance(x, tuple):
        for parts in zip(*(batches_of(one, batch, device) for one in x), strict=True):
            yield parts[0][0], tuple(part for _, part in parts)
        return
    normalise = Normalise(mean, std, device, channels_last)
    for start, images in batches_of(x, batch, device):
        yield start, (normalise(images),)

"""How well a model does on images that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rayfed.learning.images import Normalise, autocast, batches_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Counts rather than a rate, so that several nodes' can be added up exactly.

    Attributes:
        correct: how many images got their own class as the likeliest.
        total: how many images there were.
        loss: mean cross-entropy in nats; 0 if there were none.
    """

    correct: int
    total: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Part of the images that were classified right, 0..1; 0 if there were none."""
        return self.correct / self.total if self.total else 0.0


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    x: NDArray[np.uint8] | torch.Tensor,
    y: NDArray[np.integer[Any]] | torch.Tensor,
    mean: Sequence[int],
    std: Sequence[int],
    *,
    batch: int | None = None,
    precision: str = "fp32",
    channels_last: bool = False,
) -> Evaluation:
    """Evaluate ``model`` where it is (its device decides), in evaluation mode; its training mode is put back.

    Args:
        model: gives (b, classes) scores for (b, c, h, w) images.
        x: (n, c, h, w) uint8; may be a read-only memory map.
        y: (n,) class of each, from 0.
        mean, std: by channel, in millionths of the 0..1 range.
        batch: images at a time; None: as many as fit 16 Mi values, at most 512.
        precision: ``fp32`` or ``bf16`` (autocast).
        channels_last: memory format of the images; the model should have the same.
    """
    device = next(model.parameters()).device
    normalise = Normalise(mean, std, device, channels_last)
    labels = torch.as_tensor(np.array(y) if isinstance(y, np.ndarray) else y).to(device, torch.int64)
    correct = torch.zeros((), dtype=torch.int64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    batch = batch or max(1, min(512, 2**24 // int(np.prod(x.shape[1:]))))
    training = model.training
    model.eval()
    try:
        for start, images in batches_of(x, batch, device):
            wanted = labels[start : start + batch]
            with autocast(device, precision):
                scores = model(normalise(images))
            loss += torch.nn.functional.cross_entropy(scores.float(), wanted, reduction="sum")
            correct += (scores.argmax(1) == wanted).sum()
    finally:
        model.train(training)
    total = len(labels)
    return Evaluation(int(correct), total, float(loss) / total if total else 0.0)

"""How data get from a node's arrays into its model, batch by batch: images and everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rayfed.learning.augment import Augment, Draws
from rayfed.learning.images import Normalise


class Feed(Protocol):
    """Gives batches of one node's examples."""

    def begin(self, examples: int, generator: torch.Generator) -> None:
        """Draw what happens to so many examples in an epoch; ``generator`` is on the CPU."""

    def batch(self, chosen: torch.Tensor, start: int) -> tuple[torch.Tensor, ...]:
        """Return what the model is to be called with for these examples, the ``start``-th of the epoch and those after
        it."""


class ImageFeed:
    """Images: varied as ``data.augment`` says, and normalised.

    Args:
        images: (n, c, h, w) uint8, on the device.
    """

    def __init__(self, images: torch.Tensor, normalise: Normalise, augment: Augment) -> None:
        self._images, self._normalise, self._augment = images, normalise, augment
        self._draws = Draws(None, None, None)

    def begin(self, examples: int, generator: torch.Generator) -> None:
        """See ``Feed``."""
        self._draws = self._augment.draw(examples, self._images.shape[2:], generator, self._images.device)

    def batch(self, chosen: torch.Tensor, start: int) -> tuple[torch.Tensor, ...]:
        """See ``Feed``."""
        return (self._normalise(self._draws.apply(self._images[chosen], start)),)


class ArrayFeed:
    """Anything else: as it is.

    Args:
        inputs: (n, ...) each, on the device.
    """

    def __init__(self, inputs: Sequence[torch.Tensor]) -> None:
        self._inputs = tuple(inputs)

    def begin(self, examples: int, generator: torch.Generator) -> None:
        """See ``Feed``. Nothing is drawn."""

    def batch(self, chosen: torch.Tensor, start: int) -> tuple[torch.Tensor, ...]:
        """See ``Feed``."""
        return tuple(one[chosen] for one in self._inputs)


def targets_on(y: NDArray[Any] | torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return targets on the device: whole numbers as int64, others as float32."""
    found = torch.from_numpy(np.array(y)) if isinstance(y, np.ndarray) else y
    return found.to(device, torch.float32 if found.is_floating_point() else torch.int64)

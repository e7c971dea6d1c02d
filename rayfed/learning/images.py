"""Images on their way from uint8 arrays into a model, whole batches at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

MILLION = 1_000_000


class Normalise:
    """Turns (b, c, h, w) uint8 into float32 with mean 0 and deviation 1 by channel: one pass, ``x * scale + shift``.

    ``mean`` and ``std`` are integers, as in the charter: millionths of the 0..1 range, one a channel.

    Attributes:
        scale, shift: (1, c, 1, 1) float32.
    """

    def __init__(self, mean: Sequence[int], std: Sequence[int], device: torch.device, channels_last: bool) -> None:
        means = np.array(mean, dtype=np.float64)
        deviations = np.array(std, dtype=np.float64)
        self.scale = self._by_channel(MILLION / 255 / deviations, device)
        self.shift = self._by_channel(-means / deviations, device)
        self._format = torch.channels_last if channels_last else torch.contiguous_format

    @staticmethod
    def _by_channel(values: NDArray[np.float64], device: torch.device) -> torch.Tensor:
        return torch.from_numpy(values).to(device, torch.float32).view(1, -1, 1, 1)

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return a new float32 tensor in the wanted memory format."""
        x = pictures.to(torch.float32, memory_format=self._format, copy=True)
        return x.mul_(self.scale).add_(self.shift)


def resident(x: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Return the array as a tensor on ``device``: shared where it can be, copied if it is read-only."""
    return torch.from_numpy(x if x.flags.writeable and x.flags.c_contiguous else np.array(x, order="C")).to(device)


class Kept:
    """Tensors on a device of the arrays that were used last, so that each goes there once.

    Args:
        device: where they are.
        most: bytes to keep; the last four are kept whatever their size. A processor's are mostly the arrays themselves.
    """

    def __init__(self, device: torch.device, most: int = 0) -> None:
        self._device, self._most = device, most
        self._kept: list[tuple[NDArray[np.uint8], torch.Tensor]] = []

    def __call__(self, x: NDArray[np.uint8]) -> torch.Tensor:
        """Return the array (the very one: what is in it may not change) on the device."""
        for array, tensor in self._kept:
            if array is x:
                return tensor
        kept = [(x, resident(x, self._device)), *self._kept]
        sizes = np.cumsum([array.nbytes for array, _ in kept])
        self._kept = kept[: max(4, int(np.searchsorted(sizes, self._most, side="right")))]
        return self._kept[0][1]


def batches_of(
    x: NDArray[np.uint8] | torch.Tensor, batch: int, device: torch.device
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield (first index, images on ``device``) in order, without ever copying the whole array."""
    for start in range(0, len(x), batch):
        part = x[start : start + batch]
        yield start, part.to(device) if isinstance(part, torch.Tensor) else resident(part, device)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return the context in which a forward pass has this precision."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()

"""Biases that do nothing while a model is trained, and what is saved by leaving them out.

Batch norm subtracts the mean of a batch, and with it the bias of the convolution before. The bias has no effect on the
loss, its true gradient is zero, and only the running mean holds it. Adding it and summing up its gradient is a sixth of
a step of the papers' network on a GPU. A model says which biases are such in ``idle_biases``: names of convolutions,
with the name of the batch norm that alone sees what comes out of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


class IdleBiases:
    """The idle biases of one model; a bias that is left out stays as it is.

    A batch norm that was replaced (by group norm, for DP-SGD) or that is not training does not make a bias idle.
    """

    def __init__(self, model: nn.Module) -> None:
        named: Mapping[str, str] = getattr(model, "idle_biases", {})
        pairs = [(model.get_submodule(layer), model.get_submodule(norm)) for layer, norm in named.items()]
        self._pairs = [(layer, norm) for layer, norm in pairs if isinstance(norm, nn.BatchNorm2d)]

    def take_from_means(self) -> None:
        """Make the running means those of what the convolutions give without their biases."""
        self._shift(-1)

    def add_to_means(self) -> None:
        """Undo ``take_from_means``."""
        self._shift(1)

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Have the convolutions compute without their biases for a while."""
        pairs = self._in_training()
        biases = [layer._parameters["bias"] for layer, _ in pairs]
        try:
            for layer, _ in pairs:
                layer._parameters["bias"] = None
            yield
        finally:
            for (layer, _), bias in zip(pairs, biases, strict=True):
                layer._parameters["bias"] = bias

    @torch.no_grad()
    def _shift(self, sign: int) -> None:
        for layer, norm in self._in_training():
            bias, mean = layer._parameters["bias"], norm.running_mean
            if bias is not None and isinstance(mean, torch.Tensor):
                mean.add_(bias, alpha=sign)

    def _in_training(self) -> list[tuple[nn.Module, nn.BatchNorm2d]]:
        return [(layer, norm) for layer, norm in self._pairs if norm.training]

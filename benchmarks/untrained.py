"""What `round` measures with: a learner that gives back what it got, and a model that is one long vector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from benchmarks.stamped import Stamped
from rayfed.learning import Update


class Untrained(Stamped):
    """Everything that a round costs except learning."""

    def _update(self, base: Mapping[str, Any], round: int) -> Update:
        return Update(base, 0.0, len(self._share.train_y))

    def _evaluation(self, state: Mapping[str, Any]) -> tuple[float, int]:
        return 0.0, 1

    def alone(self) -> Iterator[float]:
        """Do not train."""
        return iter(())


class Flat(nn.Module):
    """``size`` parameters in one tensor; gives scores so that it passes for a model."""

    def __init__(self, num_classes: int, size: int = 11_200_000) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.w = nn.Parameter(torch.randn(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (b, num_classes) scores."""
        return self.w[: self.num_classes].expand(len(x), -1)

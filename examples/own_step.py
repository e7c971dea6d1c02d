"""A module that knows its own loss, as a LightningModule does; it is one if you derive it from that.

Copy it to the folder that you work in, and run it there:

    python -m rayfed +experiment=tabular data=diabetes partition=iid task=own_step \\
        model._target_=own_step.Robust ~model.hidden ~model.dropout
"""

from typing import Any

import torch
from torch import nn


class Robust(nn.Module):  # or lightning.LightningModule: self.log may stay, configure_optimizers is not called
    """Linear regression by Huber's loss, which outliers do not pull at."""

    def __init__(self, in_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(in_shape[0], num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x, y = batch
        return nn.functional.huber_loss(self(x), y)

    def validation_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x, y = batch
        return nn.functional.l1_loss(self(x), y)

"""Data and a task of your own: who buys, given what somebody looked at and for how long.

Copy it to the folder that you work in, and run it there:

    python -m rayfed +experiment=tabular data=custom data.loader._target_=own_data.visits task._target_=own_data.Buys \\
        model._target_=own_data.Net ~model.hidden ~model.dropout
"""

import numpy as np
import torch
from torch import nn

from rayfed.learning.examples import Examples
from rayfed.protocol.metric import Metric


def visits(n: int = 2000, seed: int = 0) -> Examples:
    """Data in: two inputs, five pages (of 20) in their order and three numbers; and whether something was bought."""
    dice = np.random.default_rng(seed)
    pages, numbers = dice.integers(0, 20, (n, 5)), dice.normal(size=(n, 3)).astype(np.float32)
    bought = ((pages > 14).sum(1) + numbers[:, 0] > 1.5).astype(np.float32)
    test = slice(0, n // 5)
    train = slice(n // 5, n)
    return Examples((pages[train], numbers[train]), bought[train], (pages[test], numbers[test]), bought[test])


class Buys:
    """Loss and metric out: one number an example, so that DP-SGD and exact means over nodes work as well."""

    metric = Metric("hit_rate")

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs > 0) == (targets > 0.5)


class Net(nn.Module):
    """Takes the inputs one by one, as the loader gave them."""

    def __init__(self) -> None:
        super().__init__()
        self.pages, self.head = nn.Embedding(20, 8), nn.Sequential(nn.Linear(43, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, pages: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.pages(pages).flatten(1), numbers], 1)).squeeze(1)

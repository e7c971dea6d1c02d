"""Group norm in the place of batch norm: what a model needs in which no image may speak for another.

Batch norm mixes the images of a batch and keeps running statistics that no noise protects, so DP-SGD cannot train
it. Who founds a federation with ``privacy=dp`` has it replaced before the charter is drafted: the layout and genesis
are then the same for all, and the charter says so under ``model``, for nodes that train without noise as well.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Any

from torch import nn

KEY, VALUE = "batch_norm", "group_norm"
"""What the charter's ``model`` says of a model whose batch norm was replaced."""

GROUPS = 32
"""Groups of channels, as in Wu and He 2018 (arXiv:1803.08494); fewer where they do not divide the channels."""


def chosen(model: Mapping[str, Any]) -> bool:
    """Whether the charter's ``model`` says that batch norm was replaced."""
    return model.get(KEY) == VALUE


def replace(model: nn.Module, left: Container[str] = (), prefix: str = "") -> int:
    """Replace every batch norm inside ``model`` by a group norm with the same scale and shift; return how many.

    Args:
        left: names of those that stay: they are frozen, and so in evaluation mode, where each image is for itself.
        prefix: of the names inside ``model``.
    """
    count = 0
    for name, child in model.named_children():
        if prefix + name in left:
            continue
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(model, name, _like(child))
            count += 1
        else:
            count += replace(child, left, f"{prefix}{name}.")
    return count


def _like(norm: nn.modules.batchnorm._BatchNorm) -> nn.GroupNorm:
    groups = math.gcd(GROUPS, norm.num_features)
    made = nn.GroupNorm(groups, norm.num_features, eps=norm.eps, affine=norm.affine)
    if norm.affine:  # of pretrained weights, say
        made.weight.data.copy_(norm.weight.data)
        made.bias.data.copy_(norm.bias.data)
        made.weight.requires_grad_(norm.weight.requires_grad)
        made.bias.requires_grad_(norm.bias.requires_grad)
    return made

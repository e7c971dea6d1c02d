"""Weights that a model uses and torch does not know of: a plain list or a plain attribute holds them.

Torch neither trains nor saves them, so that a federation would not merge them, and a model that is taken away would get
new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from rayfed.errors import ConfigError

LISTS = {"_parameters", "_buffers", "_modules"}
"""Attributes in which torch itself keeps what it knows."""


def check(model: nn.Module) -> None:
    """Check that torch knows all weights of a model that ask for gradients.

    Raises:
        ConfigError: naming ``model`` and what holds the others.
    """
    known = {id(parameter) for parameter in model.parameters()}
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name in LISTS:
                continue
            for weight in _weights(value):
                if weight.requires_grad and weight.is_leaf and id(weight) not in known:
                    place = f"{path}.{name}" if path else name
                    raise ConfigError(
                        "model",
                        f"{place} is a plain {type(value).__name__}, whose weights torch neither trains nor saves: "
                        "nn.ModuleList, nn.ModuleDict or nn.Parameter make them the model's",
                    )


def _weights(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in an attribute's value, and those of the modules in it."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
    elif isinstance(value, list | tuple | Mapping):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _weights(one)

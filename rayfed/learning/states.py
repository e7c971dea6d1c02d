"""A model's state as it goes into blobs: real, finite tensors by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from rayfed.encoding.layout import FLOATS, INTS
from rayfed.errors import ConfigError

KEPT_OUT = "a buffer that the model builds by itself is kept out by register_buffer(..., persistent=False)"


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the model's state dict.

    Raises:
        ConfigError: naming ``model`` and what cannot travel in a blob.
    """
    state = model.state_dict()
    for name, value in state.items():
        if fault := _fault(value):
            raise ConfigError("model", f"{name} {fault}, which cannot travel; {KEPT_OUT}")
    return {name: value.clone() for name, value in state.items()}


def _fault(value: Any) -> str:
    """Say why something in a state dict cannot travel; nothing if it can."""
    if not isinstance(value, torch.Tensor):
        return f"is a {type(value).__name__}"
    kind = str(value.dtype).removeprefix("torch.")
    if kind not in (*FLOATS, *INTS) or value.layout != torch.strided:
        return f"is {kind}" if value.layout == torch.strided else "is sparse"
    if kind in FLOATS and not value.isfinite().all():
        return "holds an infinity or NaN"
    if kind == "int64" and value.numel() and not (int(value.min()) >= -(2**31) and int(value.max()) < 2**31):
        return "holds a whole number of more than 32 bits"
    return ""

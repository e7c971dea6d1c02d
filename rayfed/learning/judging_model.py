"""A second copy of a model, in which peers' updates are looked at: it takes a state without copying it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn

Slot = tuple[dict[str, Any], str]
"""What a module keeps its parameters or buffers in, and under which name."""


class JudgingModel:
    """Holds one state after another, on the states' own memory, in channels-last: up to three times as fast on a
    processor as the usual format, and other last bits.

    Args:
        model: on the processor; copied, and left as it is.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = deepcopy(model).eval()
        parameters = dict(self._model.named_parameters(remove_duplicate=False))
        buffers = dict(self._model.named_buffers(remove_duplicate=False))
        self._types = {name: value.dtype for name, value in {**buffers, **parameters}.items()}
        self._parameters = parameters.keys()
        self._places: dict[str, Slot] = {}  # of all weights, once a state has been loaded the long way

    @staticmethod
    def suits(model: nn.Module) -> bool:
        """Say whether a model can be copied, and take its weights from elsewhere: not one that runs without Python, or
        keeps what it has computed from weights beside them."""
        return not any(
            isinstance(module, torch.jit.ScriptModule)
            or any(isinstance(kept, torch.Tensor) and not kept.is_leaf for kept in vars(module).values())
            for module in model.modules()
        )

    def holding(self, state: Mapping[str, torch.Tensor]) -> nn.Module:
        """Return the model with these weights, in evaluation mode: to be called, not changed, until the next call.

        Args:
            state: as the model's ``load_state_dict`` takes it; not changed, and not to be changed meanwhile.
        """
        laid = {name: self._laid(name, value) for name, value in state.items()}
        if laid.keys() == self._places.keys():
            for name, (owned, key) in self._places.items():
                if name in self._parameters:
                    owned[key].data = laid[name]
                else:
                    owned[key] = laid[name]
        else:
            self._model.load_state_dict(laid, assign=True)
            self._places = _places(self._model)
        return self._model

    def _laid(self, name: str, value: torch.Tensor) -> torch.Tensor:
        layout = torch.channels_last if value.dim() == 4 else torch.preserve_format
        laid = value.to(self._types.get(name, value.dtype), memory_format=layout)
        # A buffer may be written to even where nothing is trained (a counter of calls): never the caller's.
        return laid.clone() if laid is value and name not in self._parameters else laid


def _places(model: nn.Module) -> dict[str, Slot]:
    """Return by name where a model keeps what its state dict has, so that a state is put there without the quarter of a
    small model's pass that ``load_state_dict`` takes; nothing where a module does more than that when it is loaded."""
    places: dict[str, Slot] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        loads = type(module)._load_from_state_dict.__module__.startswith("torch.nn.modules.")
        if not loads or module._load_state_dict_pre_hooks or module._load_state_dict_post_hooks:
            return {}
        saved = [key for key in module._buffers if key not in module._non_persistent_buffers_set]
        for owned, keys in ((module._parameters, [*module._parameters]), (module._buffers, saved)):
            places |= {f"{path}.{key}" if path else key: (owned, key) for key in keys if owned[key] is not None}
    return places

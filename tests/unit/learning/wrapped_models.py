"""Models whose weights, modes or state dict are not where torch puts them; ``_target_`` is this module's ``NAME``."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from tests.unit.learning.odd_models import Plain, Shape

# -- that train ------------------------------------------------------------------------------------------------------


def parallel(in_shape: Shape, num_classes: int) -> nn.Module:
    return nn.DataParallel(Plain(in_shape, num_classes))


def scripted(in_shape: Shape, num_classes: int) -> Any:
    return torch.jit.trace(Plain(in_shape, num_classes), torch.zeros(2, *in_shape))  # type: ignore[no-untyped-call]


def compiled(in_shape: Shape, num_classes: int) -> Any:
    return torch.compile(Plain(in_shape, num_classes), backend="eager")


def weight_norm(in_shape: Shape, num_classes: int) -> nn.Module:
    net = Plain(in_shape, num_classes)
    parametrizations.weight_norm(net.body)
    return net


def weight_norm_of_old(in_shape: Shape, num_classes: int) -> nn.Module:
    net = Plain(in_shape, num_classes)
    nn.utils.weight_norm(net.body)
    return net


def spectral_norm(in_shape: Shape, num_classes: int) -> nn.Module:
    net = Plain(in_shape, num_classes)
    parametrizations.spectral_norm(net.body)
    return net


def pruned(in_shape: Shape, num_classes: int) -> nn.Module:
    net = Plain(in_shape, num_classes)
    prune.l1_unstructured(net.body, "weight", amount=0.5)
    return net


class Unused(Plain):
    """Has a layer that no forward pass goes through."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.spare = nn.Linear(4, 4)


class TwoTypes(Plain):
    """Ends in double precision."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.head.double()

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.features(x).double()).float()


class Listed(Plain):
    """Has its layers in a plain list as well, to go through them."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.layers = [self.body, self.head]


class Teacher(Plain):
    """Keeps a frozen network out of its state dict by a plain list, as it is meant."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.teacher = [nn.Linear(2, 2).requires_grad_(False)]


# -- that cannot -----------------------------------------------------------------------------------------------------


class Thaws(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.body.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> Any:
        if self.training:
            self.body.requires_grad_(True)
        return super().forward(x)


class Freezes(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        if self.training:
            self.head.requires_grad_(False)
        return super().forward(x)


class Toggles(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        self.body.requires_grad_(self.training)
        return super().forward(x)


class LayersInAList(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.blocks = [nn.Linear(8, 8), nn.Linear(8, 8)]

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks[1](self.blocks[0](super().features(x)))  # type: ignore[no-any-return]


class LayersInADict(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.inner = nn.Sequential(nn.Identity())
        self.inner[0].by_name = {"a": [nn.Linear(8, 8)]}


class PlainTensor(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.scale = torch.ones(8, requires_grad=True)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return super().features(x) * self.scale


class Renamed(Plain):
    """Its state dict has other names than its parameters."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_state_dict_post_hook(self.rename)

    @staticmethod
    def rename(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
        for name in list(state):
            state[f"module.{name}"] = state.pop(name)


class Dropped(Plain):
    """Leaves a bias out of its state dict."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_state_dict_post_hook(self.drop)

    @staticmethod
    def drop(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
        del state[f"{prefix}head.bias"]


class Stamped(Plain):
    """Adds to its state dict what it does not take back."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_state_dict_post_hook(self.stamp)

    @staticmethod
    def stamp(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
        state["version"] = torch.tensor(3)


class BrokenHook(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_state_dict_post_hook(lambda module, state, prefix, _: True)


class ForInference(Plain):
    def train(self, mode: bool = True) -> Any:
        raise NotImplementedError("inference only")


class NoChain(Plain):
    def train(self, mode: bool = True) -> Any:
        super().train(mode)


class NoGradients(Plain):
    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x)


class LateText(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        raise RuntimeError("\n\nno such bed")


class OnlyDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> Any:
        return self.drop(x.flatten(1))[:, :10]

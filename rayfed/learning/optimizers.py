"""Builds what takes the steps of local training: a fresh optimiser each round, at that round's learning rate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from inspect import Parameter, signature
from typing import Any

import torch
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning.targets import call
from rayfed.learning.uncompiled import building

IMPLEMENTATIONS = ("foreach", "fused", "capturable", "differentiable")
"""Parameters of torch's optimisers that say how a step is computed, not which."""

ROUNDING = 1e-12
"""A schedule that ends at zero may miss it by less, on either side."""


class Optimizers:
    """Optimisers over one model's parameters, as the settings ``optimizer`` and ``schedule`` say.

    Args:
        model: whose parameters are trained. ``model.l2``, if there is one, maps parameter names to the coefficient of
            their squared norm in the loss.
        optimizer: ``_target_`` and parameters.
        schedule: None, or a ``torch.optim.lr_scheduler`` that is stepped once a round.
        decay_on: patterns of the names of the parameters that the optimiser's ``weight_decay`` is for; all if empty.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Mapping[str, Any],
        schedule: Mapping[str, Any] | None = None,
        decay_on: Sequence[str] = (),
    ) -> None:
        self._model = model
        self._optimizer, self._schedule, self._decay_on = optimizer, schedule, decay_on

    def build(self, round: int) -> torch.optim.Optimizer:
        """Return a fresh optimiser with the learning rate of this round.

        Raises:
            ConfigError: names ``train.optimizer``, ``train.schedule`` or ``model``.
        """
        groups = self._groups()
        with building():
            optimizer = call(self._optimizer, "train.optimizer", groups)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise ConfigError("train.optimizer._target_", f"{type(optimizer).__name__} is no torch optimiser")
        if needed := _needed(optimizer.step):
            raise ConfigError(
                "train.optimizer._target_",
                f"{type(optimizer).__name__} asks for a {needed} in each step; choose one that needs gradients alone",
            )
        if len(groups) > 1 and "weight_decay" not in optimizer.defaults:
            raise ConfigError("train.optimizer._target_", f"{type(optimizer).__name__} has no weight_decay to be given")
        _check(optimizer)
        if self._schedule:
            _advance(call(self._schedule, "train.schedule", optimizer), optimizer, round)
        return optimizer

    def on_device(self, like: torch.optim.Optimizer, device: torch.device) -> torch.optim.Optimizer | None:
        """Return an optimiser whose step never asks the processor for anything, or None if this kind has no such step.

        Args:
            like: what ``build`` gave; the result starts with its learning rates and other parameters. On a GPU the
                learning rates are tensors there, so that a recorded step follows them.
            device: where the parameters are. On a processor nothing is recorded, and the usual step will do.
        """
        kind = type(like)
        if not kind.__module__.startswith("torch.optim") or any(self._optimizer.get(name) for name in IMPLEMENTATIONS):
            return None
        if "capturable" not in like.defaults and kind is not torch.optim.SGD:
            return None
        extra = {name: True for name in ("fused", "capturable") if name in like.defaults and device.type == "cuda"}
        with building():
            made: torch.optim.Optimizer = call(self._optimizer, "train.optimizer", self._groups(), **extra)
        for mine, given in zip(made.param_groups, like.param_groups, strict=True):
            mine.update({key: value for key, value in given.items() if key not in ("params", *IMPLEMENTATIONS)})
            if device.type == "cuda":
                mine["lr"] = torch.tensor(float(given["lr"]), device=device)
        return made

    def _groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups: those with the optimiser's own decay, those with none, those with their own L2.

        A model may carry ``l2``, a dict from parameter name to the coefficient of its squared norm in the loss; the
        gradient of that is a weight decay of twice the coefficient (for optimisers that couple it, as SGD and Adam).
        """
        own: Mapping[str, float] = getattr(self._model, "l2", {})
        groups: dict[float | None, list[nn.Parameter]] = {}
        for name, parameter in self._model.named_parameters():
            if not parameter.requires_grad:
                continue
            decay: float | None = None
            if name in own:
                decay = 2 * own[name]
            elif self._decay_on and not any(fnmatch(name, pattern) for pattern in self._decay_on):
                decay = 0.0
            groups.setdefault(decay, []).append(parameter)
        if not groups:
            raise ConfigError("model", "has no parameter that could be trained")
        return [
            {"params": members} if decay is None else {"params": members, "weight_decay": decay}
            for decay, members in groups.items()
        ]


def _check(optimizer: torch.optim.Optimizer) -> None:
    """Refuse what torch takes and nobody means: a rate that moves nothing or is no number, momentum that only grows."""
    for group in optimizer.param_groups:
        rate = _rate(group)
        if rate is not None and not 0 < rate < math.inf:
            raise ConfigError("train.optimizer.lr", f"{rate:g} is out of range: greater than 0, and finite")
        if not type(optimizer).__module__.startswith("torch.optim"):
            continue  # these names may mean something else there
        if not 0 <= group.get("momentum", 0) < 1:
            raise ConfigError("train.optimizer.momentum", f"{group['momentum']} is out of range: 0 to below 1")
        if not 0 <= group.get("dampening", 0) <= 1:
            raise ConfigError("train.optimizer.dampening", f"{group['dampening']} is out of range: 0 to 1")


def _rate(group: Mapping[str, Any]) -> float | None:
    """Return the learning rate of a parameter group; None where an optimiser finds its own."""
    rate = group.get("lr")
    return float(rate) if isinstance(rate, int | float | torch.Tensor) else None


def _needed(step: Callable[..., Any]) -> str | None:
    """Return the name of what a step cannot be taken without: LBFGS evaluates the loss again and again."""
    given = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    parameters = signature(step).parameters.values()
    return next((one.name for one in parameters if one.default is Parameter.empty and one.kind not in given), None)


def parameters_of(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return what each group's steps are taken with, but for the learning rate and the parameters themselves."""
    left_out = ("params", "lr", *IMPLEMENTATIONS)
    return [{key: value for key, value in group.items() if key not in left_out} for group in optimizer.param_groups]


def set_rates(optimizer: torch.optim.Optimizer, like: torch.optim.Optimizer) -> None:
    """Give ``optimizer`` the learning rates of ``like``, in place where they are tensors."""
    for mine, given in zip(optimizer.param_groups, like.param_groups, strict=True):
        if isinstance(mine["lr"], torch.Tensor):
            mine["lr"].fill_(float(given["lr"]))
        else:
            mine["lr"] = given["lr"]


def start_anew(optimizer: torch.optim.Optimizer) -> None:
    """Zero all that the optimiser remembers, in place: a fresh one's state, for those that begin with zeros."""
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, torch.Tensor):
                value.zero_()


def _advance(scheduler: Any, optimizer: torch.optim.Optimizer, round: int) -> None:
    """Step a fresh scheduler to where it stands in this round."""
    kind = type(scheduler).__name__
    if not isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler) or isinstance(
        scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau
    ):
        raise ConfigError("train.schedule._target_", f"{kind} does not follow the round alone")
    with warnings.catch_warnings():
        # torch warns that the optimiser has not stepped yet. It has not: it is fresh each round, only its rate ages.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        for stepped in range(1, round + 1):
            for rate in map(_rate, optimizer.param_groups):
                if rate is not None and not -ROUNDING < rate < math.inf:
                    raise ConfigError("train.schedule", f"{kind} makes the learning rate {rate:g} in round {stepped}")
            if stepped < round:
                _step(scheduler)


def _step(scheduler: torch.optim.lr_scheduler.LRScheduler) -> None:
    try:
        scheduler.step()
    except Exception as error:  # StepLR divides by its step_size; one of the user's own may raise anything
        kind = type(scheduler).__name__
        raise ConfigError("train.schedule", f"{kind} fails with these parameters: {error}") from error

"""Optimizers without torch's compiler, which a process that compiles nothing need not import.

``torch.optim`` keeps the compiler (``torch._dynamo``) away from parts of itself, and imports it for that: when a group
of parameters is added, and in every step. The import takes nearly as long as that of torch itself, 1.7 s of processor
time, and 150 MB, in each of a run's processes. What is called here is the same code without that wrapping. Where
the compiler is imported already, or torch is built otherwise than it is known to be, everything is as torch has it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim import Optimizer

COMPILER = "torch._dynamo"

_KEPT_AWAY = "__dynamo_disable"
"""Where ``torch._compile`` looks on a function for its version that is kept from the compiler, before it imports it."""


@contextmanager
def building() -> Iterator[None]:
    """Have optimizers built within the context without importing the compiler."""
    add: Any = getattr(Optimizer.add_param_group, "__wrapped__", None)
    if COMPILER in sys.modules or add is None or hasattr(add, _KEPT_AWAY):
        yield
        return
    setattr(add, _KEPT_AWAY, add)
    try:
        yield
    finally:
        if getattr(add, _KEPT_AWAY, None) is add:  # or a compiler that came meanwhile would not be kept away
            delattr(add, _KEPT_AWAY)


def step_of(optimizer: Optimizer) -> Callable[[], object]:
    """Return what takes a step of ``optimizer`` with the gradients that are there: ``optimizer.step``, bit for bit.

    That is the step itself for torch's own optimizers without hooks, and ``optimizer.step`` for all others.
    """
    kind = type(optimizer)
    # Those that can be differentiated through are the ones whose step is wrapped to turn gradients off.
    own = kind.__module__.startswith("torch.optim.") and optimizer.defaults.get("differentiable") is False
    if COMPILER in sys.modules or not own or _hooks(optimizer):
        return optimizer.step
    inner: Callable[[Optimizer], object] = inspect.unwrap(kind.step)
    return functools.partial(_without_gradients, inner, optimizer)


def _without_gradients(step: Callable[[Optimizer], object], optimizer: Optimizer) -> None:
    with torch.no_grad():
        step(optimizer)


def _hooks(optimizer: Optimizer) -> bool:
    """Whether somebody wants to be called before or after a step."""
    module = sys.modules[Optimizer.__module__]
    mine = [getattr(optimizer, f"_optimizer_step_{when}_hooks", None) for when in ("pre", "post")]
    everybody_s = [getattr(module, f"_global_optimizer_{when}_hooks", None) for when in ("pre", "post")]
    return any([*mine, *everybody_s])

"""Which of a model's tensors travel: what training moves, each once.

A tensor with two names travels by the first of them. What is frozen is in the charter by its hash
(``rayfed.learning.frozen``). Any other buffer that training leaves as it is (a mask, a table of positions) is in the
charter by value: no fixed point has to hold it, so it may be infinite, complex or large, and all nodes have the same
bits of it, whatever built their own. A model that is ``narrow`` gives the rest alone as its state dict, and takes it;
nothing that trains one has to know.
"""

from __future__ import annotations

import base64
import bz2
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from rayfed.encoding.layout import FLOATS, INTS, Layout
from rayfed.errors import ConfigError, RayfedError
from rayfed.learning import frozen
from rayfed.learning.raised import with_type

KEY = "constants"
"""What the charter's ``model`` calls the buffers that it holds: texts by name."""

MOST = 1 << 18
"""Characters of all these texts together; what is left over travels in the blobs if it can."""

KEPT_OUT = "a buffer that the model builds by itself is kept out by register_buffer(..., persistent=False)"

State = dict[str, torch.Tensor]
Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rest:
    """What of a model does not travel.

    Attributes:
        same_as: second names of tensors, with the first.
        kept: constants and what is frozen, by name; whoever loads a state gets them as they are here.
        frozen: what of it is frozen.
    """

    same_as: Names
    kept: State
    frozen: State

    def __deepcopy__(self, memo: object) -> Rest:
        """Nothing of it changes, so copies of a model share it."""
        return self


def narrow(model: nn.Module, agreed: Mapping[str, Any], layout: Layout | None = None) -> None:
    """Have the model's state dict hold what travels alone; give its constant buffers the charter's values.

    A state dict is refused, as long as something else in the model has another value: nothing that changes is left out
    in silence.

    Args:
        agreed: the charter's ``model``, which holds the constants under ``KEY`` if there are any.
        layout: the charter's; None before there is one: then nothing is left out as frozen.

    Raises:
        ConfigError: the model has no such buffer, or one of another size, or something else is frozen in it.
    """
    widen(model)
    frozen.hold(model)
    buffers = dict(model.named_buffers(remove_duplicate=False))
    same_as = _same_as(model)
    constants: State = {}
    for name, text in agreed.get(KEY, {}).items():
        if name not in buffers:
            raise ConfigError("model", f"is not the federation's, whose charter has the buffer {name}")
        constants[name] = constant(name, text, buffers[name])
        with torch.no_grad():
            buffers[name].copy_(constants[name])
    still = frozen.beside(model, layout, {*same_as, *constants}, agreed.get("pretrained")) if layout else {}
    if same_as or constants or still:
        rest, hooked = (
            Rest(same_as, {**constants, **still}, still),
            cast(Any, model),
        )  # torch leaves the two unannotated
        hooked.register_state_dict_post_hook(partial(_give, rest))
        hooked.register_load_state_dict_pre_hook(partial(_take, rest))


def widen(model: nn.Module) -> None:
    """Undo ``narrow``, for who takes the model away: it is then as its class made it, and needs nothing of rayfed."""
    frozen.release(model)
    for hooks in (model._state_dict_hooks, model._load_state_dict_pre_hooks):
        for number in [number for number, hook in hooks.items() if _rest(hook)]:
            del hooks[number]


def frozen_of(model: nn.Module) -> State:
    """Return what is frozen in a model that is ``narrow``, by name, on the processor; not to be changed."""
    return next((rest.frozen for hook in model._state_dict_hooks.values() if (rest := _rest(hook))), {})


def _rest(hook: Any) -> Rest | None:
    """Return what one of our hooks leaves out; None if it is somebody else's."""
    hook = getattr(hook, "hook", hook)
    return hook.args[0] if getattr(hook, "func", None) in (_give, _take) else None


def _give(rest: Rest, module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Follow ``nn.Module.register_state_dict_post_hook``."""
    for name in rest.same_as:
        state.pop(prefix + name, None)
    for name, value in rest.kept.items():
        if not frozen.same(state.pop(prefix + name, value), value):
            raise ConfigError("model", f"{name} changes while it trains, and did not while the model was tried")


def _take(rest: Rest, module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Follow ``nn.Module.register_load_state_dict_pre_hook``."""
    for name, value in rest.kept.items():
        state.setdefault(prefix + name, value)
    for name, first in rest.same_as.items():
        if prefix + first in state:
            state.setdefault(prefix + name, state[prefix + first])


def state_of(model: nn.Module) -> State:
    """Return a copy of the model's state dict.

    Raises:
        ConfigError: naming ``model`` and what is no tensor.
    """
    state = _given(model)
    for name, value in state.items():
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            kind = type(value).__name__ if not isinstance(value, torch.Tensor) else "sparse tensor"
            raise ConfigError("model", f"{name} in its state dict is a {kind}, which cannot travel")
    return {name: value.clone() for name, value in state.items()}


def _given(model: nn.Module, keep_vars: bool = False) -> Mapping[str, Any]:
    """Return what the model gives as its state dict; a hook in it may be anybody's."""
    try:
        return model.state_dict(keep_vars=keep_vars)
    except RayfedError:
        raise
    except Exception as error:
        raise ConfigError("model", f"gives no state dict: {with_type(error)}") from error


def check_names(model: nn.Module, state: Container[str]) -> None:
    """Check that all that is trained is in the model's state dict, under its own name.

    Raises:
        ConfigError: naming ``model`` and what is not, as where a hook has renamed or dropped it.
    """
    for name, value in model.named_parameters():
        if value.requires_grad and name not in state:
            raise ConfigError(
                "model", f"{name} is trained, and its state dict has nothing of this name: it would stay here"
            )


def constants_of(
    model: nn.Module, before: State, after: Mapping[str, Any], still: Container[str] = ()
) -> dict[str, str]:
    """Return the buffers that training left as they were, as the charter has them, as far as there is room.

    Args:
        before, after: the model's states around first steps of training.
        still: names of what is frozen, which the charter has otherwise.
    """
    found: dict[str, str] = {}
    room = MOST
    for name, value in model.named_buffers():
        if name in still or name not in before:
            continue
        if frozen.same(before[name], torch.as_tensor(after[name])):
            text = base64.b64encode(bz2.compress(frozen.octets(value).numpy().tobytes())).decode()
            if len(text) <= room:
                found[name] = text
                room -= len(text)
    return found


def check(state: Mapping[str, torch.Tensor]) -> None:
    """Check that all of a state can travel in a blob.

    Raises:
        ConfigError: naming ``model`` and what cannot.
    """
    for name, value in state.items():
        if fault := _fault(value):
            raise ConfigError("model", f"{name} {fault}, which cannot travel; {KEPT_OUT}")


def check_reach(layout: Layout, after: Mapping[str, Any]) -> None:
    """Check that what first steps made of the weights can travel: what is cut off at once is lost in every round.

    Raises:
        ConfigError: naming ``train.optimizer`` and the weight.
    """
    for spec in layout.tensors:
        if not (spec.is_trained and spec.size):
            continue
        reached, most = float(torch.as_tensor(after[spec.name]).abs().max()), 2.0 ** (31 - spec.exponent)
        if reached >= most:
            words = f"first steps bring {spec.name} to {reached:g}, and {most:g} is the most that can travel"
            raise ConfigError("train.optimizer", f"{words}; a lower train.optimizer.lr may help")


def check_restored(model: nn.Module, layout: Layout, state: State, decoded: Mapping[str, Any]) -> None:
    """Check that the model takes back what came out of a blob, and that this is the state that went into it.

    Args:
        layout: of the blob.
        state: that was encoded.
        decoded: what came out, NumPy arrays by name.

    Raises:
        ConfigError: naming ``model`` and what is not the same to half a unit of the fixed point and a float's rounding.
    """
    back = {name: torch.as_tensor(value) for name, value in decoded.items()}
    model.load_state_dict(back)
    loaded = model.state_dict()
    for spec in layout.tensors:
        held = loaded[spec.name]
        before, after = state[spec.name].double(), held.double()
        away = (after - before).abs() > 2.0 ** -(spec.exponent + 1) + before.abs() * 2.0**-24
        if away.any() or not torch.equal(held, back[spec.name].to(held.dtype)):
            raise ConfigError("model", f"{spec.name} does not come back from a blob as it went in")


def _fault(value: torch.Tensor) -> str:
    kind = str(value.dtype).removeprefix("torch.")
    if kind not in (*FLOATS, *INTS):
        return f"is {kind}"
    if kind in FLOATS and not value.isfinite().all():
        return "holds an infinity or NaN"
    if kind == "int64" and value.numel() and not (int(value.min()) >= -(2**31) and int(value.max()) < 2**31):
        return "holds a whole number of more than 32 bits"
    return ""


def _same_as(model: nn.Module) -> dict[str, str]:
    """Return the second names of tensors, with the first."""
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    held, names = dict(tensors), list(_given(model, keep_vars=True))
    first: dict[int, str] = {}
    return {
        name: first[id(held[name])] for name in names if name in held and first.setdefault(id(held[name]), name) != name
    }


def constant(name: str, text: str, buffer: torch.Tensor) -> torch.Tensor:
    """Return what a charter's text stands for, in a tensor like the buffer that it is for."""
    size = buffer.numel() * buffer.element_size()
    try:
        bits = bz2.BZ2Decompressor().decompress(base64.b64decode(text, validate=True), size + 1)
    except (OSError, ValueError) as error:
        raise ConfigError("charter", f"the buffer {name} cannot be read: {error}") from error
    if len(bits) != size:
        raise ConfigError("model", f"is not the federation's: its buffer {name} has {size} bytes, not {len(bits)}")
    if not size:
        return buffer.detach().cpu().clone()
    return torch.frombuffer(bytearray(bits), dtype=buffer.dtype).view(buffer.shape)

"""Builds a model from its config: ours, torchvision's by name, or any class of the user's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.parameter import is_lazy

from rayfed.errors import ConfigError
from rayfed.learning import frozen, unlisted
from rayfed.learning.cnn import PaperCNN, SmallCNN
from rayfed.learning.raised import first_line, with_type
from rayfed.learning.scores import scores_of
from rayfed.learning.seeding import seeded_everywhere
from rayfed.learning.targets import leave_out, locate, takes

OURS = ("_target_", "pretrained", "pretrained_store", "trained")
"""What is no parameter of the target's in ``model``."""

__all__ = ["PaperCNN", "SmallCNN", "build"]


def build(
    model: Mapping[str, Any],
    in_shape: Sequence[int],
    num_classes: int,
    seed: int,
    pretrained: str | None = None,
    blank: tuple[torch.Tensor, ...] | None = None,
    **filled: Any,
) -> nn.Module:
    """Return the model on the CPU in float32, the same for the same arguments whatever was drawn before.

    Args:
        model: ``_target_`` and its parameters. ``in_shape`` and ``num_classes`` are filled in where the target takes
            them. ``trained`` in it, if it is there, are patterns of the names of the parameters that are trained: the
            others get ``requires_grad=False``. ``pretrained`` in it is ignored.
        in_shape: channels, height, width of the images; or of other inputs: a tuple of several shapes for several.
        num_classes: scores that must come out.
        seed: of the random weights.
        pretrained: None, ``torchvision`` (the model's best published weights, downloaded), or a file with a state
            dict: ``.safetensors``, or anything ``torch.load`` reads with ``weights_only``. Where its last layer has
            another number of classes, that layer keeps its random weights.
        blank: inputs for two examples that are no images; whether the model fits them and the task is for
            ``tasks.check`` to find out.
        filled: further parameters that are filled in where the target takes them (``vocabulary``).

    Raises:
        ConfigError: names ``model._target_``, ``model``, ``model.pretrained`` or ``model.trained``.
    """
    constructor, parameters = resolved(model, in_shape, num_classes, **filled)
    target = model["_target_"]
    with seeded_everywhere(seed):
        try:
            net = constructor(**parameters)
        except (TypeError, ValueError) as error:
            reason = f"{first_line(error)}{leave_out(error, 'model')}"
            raise ConfigError("model", f"{target} does not take these parameters: {reason}") from error
        except ConfigError:
            raise
        except Exception as error:
            reason = with_type(error)
            raise ConfigError("model", f"{target} cannot be built with these parameters: {reason}") from error
        if not isinstance(net, nn.Module):
            raise ConfigError("model._target_", f"{target} gives a {type(net).__name__}, not a torch.nn.Module")
        _check_modes(net, target)
        if _lazy(net):  # the first forward pass draws their weights
            _look(net, target, blank or (torch.zeros(2, *in_shape),))
    if pretrained is not None:
        _load(net, _weights(pretrained, target), pretrained, num_classes)
    if model.get("trained") is not None:
        frozen.freeze_others(net, model["trained"])
    if blank is None:
        _check(net, target, in_shape, num_classes)
    unlisted.check(net)
    return net


def resolved(
    model: Mapping[str, Any], in_shape: Sequence[int], num_classes: int, **filled: Any
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return what builds a model, and with which parameters; see ``build``.

    Raises:
        ConfigError: names ``model._target_``.
    """
    target = model.get("_target_")
    if not isinstance(target, str):
        raise ConfigError("model._target_", "is missing; name a class, for instance rayfed.learning.models.SmallCNN")
    constructor = locate(target, "model._target_")
    parameters = {key: value for key, value in model.items() if key not in OURS}
    torchvisions = constructor.__module__.startswith("torchvision.models")
    for key, value in (("in_shape", tuple(in_shape)), ("num_classes", num_classes), *filled.items()):
        if takes(constructor, key) or (torchvisions and key == "num_classes"):
            parameters.setdefault(key, value)
    return constructor, parameters


def _check_modes(net: nn.Module, target: str) -> None:
    """Put a model into both of its modes, which a class may have changed."""
    for training, mode in ((False, "evaluation"), (True, "training")):
        try:
            given = net.train(training)
        except Exception as error:  # some are written for one mode only
            words = f"{target} cannot be put into {mode} mode: {with_type(error)}"
            raise ConfigError("model._target_", words) from error
        if given is not net:
            raise ConfigError("model._target_", f"{target}: its train() does not return the model, as torch's does")


def _check(net: nn.Module, target: str, in_shape: Sequence[int], num_classes: int) -> None:
    """Send two blank images through: a model that does not fit the data is found here, not in a node."""
    output, shape = _look(net, target, (torch.zeros(2, *in_shape),)), "x".join(map(str, in_shape))
    if lazy := _lazy(net):
        raise ConfigError(
            "model._target_", f"{target}: {_few(lazy)} has no shape after a forward pass in evaluation mode"
        )
    try:
        got = "x".join(map(str, scores_of(output).shape))
    except TypeError:
        got = type(output).__name__
    if got != f"2x{num_classes}":
        raise ConfigError("model._target_", f"{target} gives {got} for 2 images of shape {shape}, not 2x{num_classes}")


def _look(net: nn.Module, target: str, inputs: tuple[torch.Tensor, ...]) -> Any:
    """Return what the model gives for two blank examples, in evaluation mode."""
    net.eval()
    try:
        with torch.no_grad():  # inference mode would give lazy layers weights that cannot be trained
            return net(*inputs)
    except Exception as error:  # whatever a user's module raises, the setting to change is this one
        shape = " and ".join("x".join(map(str, one.shape[1:])) for one in inputs)
        what = "images" if inputs[0].ndim == 4 else "inputs"
        raise ConfigError(
            "model._target_", f"{target} does not take {what} of shape {shape}: {first_line(error)}"
        ) from error
    finally:
        net.train()


def _lazy(net: nn.Module) -> list[str]:
    """Return the names of what gets its shape, and its weights, in the first forward pass."""
    return [name for name, value in [*net.named_parameters(), *net.named_buffers()] if is_lazy(value)]


def _weights(pretrained: str, target: str) -> Mapping[str, torch.Tensor]:
    """Read a state dict from torchvision or from a file."""
    if pretrained == "torchvision":
        return _torchvision_weights(target.rpartition(":")[2].rpartition(".")[2])
    path = Path(pretrained).expanduser()
    if not path.is_file():
        raise ConfigError("model.pretrained", f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load and safetensors raise a dozen types for files that are not theirs
        raise ConfigError("model.pretrained", f"{path} is not a readable state dict: {first_line(error)}") from error
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise ConfigError("model.pretrained", f"{path} holds no state dict (name -> tensor)")
    return found


def _torchvision_weights(name: str) -> Mapping[str, torch.Tensor]:
    from torchvision import models

    try:
        weights = models.get_model_weights(name).DEFAULT
    except (ValueError, AttributeError) as error:
        raise ConfigError("model.pretrained", f"torchvision has no weights for {name!r}") from error
    try:
        state: Mapping[str, torch.Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            "model.pretrained", f"torchvision's weights of {name!r} cannot be downloaded: {first_line(error)}"
        ) from error
    return state


def _load(net: nn.Module, weights: Mapping[str, torch.Tensor], source: str, num_classes: int) -> None:
    """Copy ``weights`` into ``net``; only the last layer may differ, and only in its number of classes."""
    own = net.state_dict()
    missing, foreign = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or foreign:
        raise ConfigError(
            "model.pretrained", f"{source} is of another model: lacks {_few(missing)}, has {_few(foreign)}"
        )
    heads = [name for name, layer in net.named_modules() if getattr(layer, "out_features", None) == num_classes]
    heads += [name for name, layer in net.named_modules() if getattr(layer, "out_channels", None) == num_classes]
    other = {name for name, value in weights.items() if value.shape != own[name].shape}
    strange = sorted(name for name in other if name.rpartition(".")[0] not in heads)
    if strange:
        raise ConfigError("model.pretrained", f"{source} has other shapes than the model in {_few(strange)}")
    net.load_state_dict({name: own[name] if name in other else value for name, value in weights.items()})


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "nothing"

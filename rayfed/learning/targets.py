"""Resolves a ``_target_`` from the config to the Python object it names.

A target runs code, so it may only come from the node's own config, never from a peer or a charter.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import signature
from typing import Any

from rayfed.errors import ConfigError, RayfedError
from rayfed.learning.raised import first_line, with_type


def locate(target: str, setting: str) -> Callable[..., Any]:
    """Return the class or function that ``target`` names.

    Args:
        target: ``package.module.name`` or ``package.module:name``; ``torchvision:resnet18`` is short for
            ``torchvision.models.resnet18``.
        setting: dotted key that an error is to name.

    Raises:
        ConfigError: there is no such module or name, or it cannot be called.
    """
    module_name, name = split(target)
    if not module_name or not name:
        raise ConfigError(setting, f"{target!r} names no class; write it as package.module.Class")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigError(setting, f"cannot import {module_name!r} for {target!r}: {error}") from error
    except Exception as error:  # a module of the user's own runs as it is imported
        raise ConfigError(setting, f"importing {module_name!r} for {target!r} fails: {with_type(error)}") from error
    if not hasattr(module, name):
        raise ConfigError(setting, f"there is no {name!r} in {module_name!r}")
    found = getattr(module, name)
    if not callable(found):
        raise ConfigError(setting, f"{target!r} is neither a class nor a function")
    return found  # type: ignore[no-any-return]  # callable() narrows Any to a callable object only


def split(target: str) -> tuple[str, str]:
    """Return module and name of a target; one of them is empty where it is none."""
    if target.startswith("torchvision:"):
        target = "torchvision.models." + target.removeprefix("torchvision:")
    module, _, name = target.rpartition(":") if ":" in target else target.rpartition(".")
    return module, name


def takes(function: Callable[..., Any], parameter: str) -> bool:
    """Return whether something has a parameter of that name; what shows no signature (``dict``) has none."""
    try:
        return parameter in signature(function).parameters
    except (TypeError, ValueError):
        return False


def call(spec: Mapping[str, Any], setting: str, *args: Any, **extra: Any) -> Any:
    """Call ``spec['_target_']`` with ``args``, the spec's own parameters and ``extra``.

    Raises:
        ConfigError: ``_target_`` is missing or names nothing, or the target does not take these parameters, or fails.
    """
    target = spec.get("_target_")
    if not isinstance(target, str):
        raise ConfigError(f"{setting}._target_", "is missing; name a class")
    parameters = {key: value for key, value in spec.items() if key != "_target_"}
    function = locate(target, f"{setting}._target_")
    try:
        return function(*args, **parameters, **extra)
    except RayfedError:
        raise
    except (TypeError, ValueError) as error:
        reason = f"{first_line(error)}{leave_out(error, setting)}"
        raise ConfigError(setting, f"{target} does not take these parameters: {reason}") from error
    except Exception as error:  # what a user has written may raise anything
        raise ConfigError(setting, f"{target} fails: {with_type(error)}") from error


def leave_out(error: Exception, setting: str) -> str:
    """Return how a parameter is left out that a target does not know: those of a group's option stay when another
    ``_target_`` is chosen."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    return f"; to leave it out write ~{setting}.{unknown[1]}" if unknown else ""


def in_charter(value: Any) -> Any:
    """Return a config value as a charter may hold it: floats as their shortest text, and nothing that is not set."""
    if isinstance(value, dict):
        return {str(key): in_charter(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [in_charter(inner) for inner in value]
    if isinstance(value, float):
        return repr(value)
    return value


def from_charter(value: Any) -> Any:
    """Return a value as it was before ``in_charter``: a text that is a float's is that float."""
    if isinstance(value, dict):
        return {key: from_charter(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [from_charter(inner) for inner in value]
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            number = float(value)
            return number if repr(number) == value else value
    return value

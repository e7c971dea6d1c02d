"""Hydra's and OmegaConf's complaints, in one line that begins with the setting."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import get_type_hints

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from rayfed.config.checks import suggest
from rayfed.config.files import conf_dir
from rayfed.config.schema import Settings
from rayfed.config.secrets import PREFIX
from rayfed.errors import ConfigError

GROUPS = (
    "data",
    "partition",
    "model",
    "task",
    "train",
    "train/optimizer",
    "train/schedule",
    "privacy",
    "merge",
    "screens",
    "ledger",
    "store",
    "cluster",
    "track",
    "federation",
    "stake",
    "attack",
    "profile",
    "experiment",
)
"""Hydra's groups, in the order in which the data flows."""

FREE = ("model", "task", "data.loader", "train.optimizer", "train.schedule", "learner", "screens", "attack.options")
"""Groups that take any parameter of their ``_target_``."""

# Hydra says which override it could not apply in the first line of its message, and nowhere else.
_OVERRIDE = re.compile(
    r"(?:Error merging override |Could not (?:override|append to|delete)(?: from config\.)? '?)\+*~?([\w./@]+)"
)

# What a resolver of ours has said already, in OmegaConf's words.
_RESOLVING = re.compile(r"ConfigError raised while resolving interpolation: ([\w.]+): (.*)", re.DOTALL)

GONE = {
    "federation.quorum": "more than two thirds of the roster, always: leave it out",
    "stake.challenge_seconds": "stake.window_seconds and stake.clock_seconds took its place",
    "stake.refused_share": "nobody loses stake for an update that was refused: leave it out",
    "stake.challenger_share": "who moves in court is reimbursed out of the loser's bonds, and stake.right_share of a "
    "lost stake goes to those who attested the right root",
}
"""Settings of the first edition of the protocol, and what there is instead."""

EMPTY_GROUP = "Unexpected type for root: NoneType"
"""What Hydra says of a setting inside a group that is null, of which there is one."""

RENAMED = {("experiment", "pictures"): "images"}
"""Options that had another name before: group and old name, and the new one."""


def explain(error: Exception) -> ConfigError:
    """Turn a composition error into a ``ConfigError``; whatever has no better words keeps its own, on one line."""
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    text = str(error)
    if ours := _RESOLVING.match(text):
        return ConfigError(ours[1], _line(ours[2]))
    if isinstance(error, MissingConfigException):
        return _missing(error)
    if isinstance(error, OverrideParseException):
        if re.fullmatch(r"[\w./-]+", error.override):
            return ConfigError(error.override, "is not of the form name=value")
        reason = _strange(error.override) or _line(str(error.__cause__ or error))
        return ConfigError(error.override, f"cannot be read as name=value ({reason}){_quoted(error.override)}")
    named = _OVERRIDE.search(text)
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return unknown_key(cause.full_key or (named[1] if named else str(cause.key)))
    if isinstance(cause, ValidationError):
        return ConfigError(cause.full_key or (named[1] if named else "settings"), _line(str(cause)))
    if isinstance(cause, MissingMandatoryValue):
        return ConfigError(cause.full_key or "settings", "has no value")
    unset = re.search(r"Environment variable '(\w+)' not found", text)
    if unset:
        key = getattr(cause, "full_key", None) or "settings"
        again = f"; as it may hold a secret it was not written down: set it, or give {key} again"
        return ConfigError(key, f"the environment variable {unset[1]} is not set{again * unset[1].startswith(PREFIX)}")
    if text == EMPTY_GROUP:
        return ConfigError("train.schedule", "is none, and has no parameters: choose one first (train/schedule=cosine)")
    if text.startswith("Config group override must be"):
        return ConfigError("command line", "a word begins with '=': write name=value")
    if named:
        if named[1] in GROUPS or "/" in named[1]:
            return _group(named[1], _line(text))
        return ConfigError(named[1], _line(text))
    ambiguous = re.match(r"Ambiguous value for argument '([^=']+)=(.*)'", text)
    if ambiguous:
        key, value = ambiguous.groups()
        return ConfigError(key, f"{value} is several values: add --multirun to run each, or write [{value}] for a list")
    if isinstance(error, OSError) and error.filename:
        words = f"cannot make the folder {error.filename}: {error.strerror} (of a sweep: hydra.sweep.dir)"
        return ConfigError("hydra.run.dir", words)
    if isinstance(error, ConfigCompositionException | HydraException | OmegaConfBaseException):
        return ConfigError(getattr(cause, "full_key", None) or "settings", _line(text))
    return ConfigError("command line", _line(text))


def _quoted(override: str) -> str:
    """Return the advice to quote a value with special characters, as a shell takes it."""
    name, is_setting, value = override.partition("=")
    if not is_setting or not value:
        return ""
    word = f"""{name}='{value.strip("'").replace("'", chr(92) + "'")}'"""
    plain = not set(word) & set('"$`!\\')  # then double quotes say the same to a shell, and can be read
    quoted = f'"{word}"' if plain else shlex.quote(word)
    return f"; quote a value with special characters, for Hydra and for the shell: {quoted}"


def _strange(override: str) -> str:
    """Return what is wrong where a quote has no other, of which Hydra's lexer says nothing readable; else nothing."""
    return next((f"there is a single {mark}" for mark in "'\"" if override.count(mark) % 2), "")


def unknown_key(key: str) -> ConfigError:
    """Say that a setting does not exist, what there is instead, and the nearest of it."""
    if key in GONE:
        return ConfigError(key, f"is gone with the first edition of the protocol: {GONE[key]}")
    if key in GROUPS:  # a group that is not in the defaults list, chosen without a plus
        return ConfigError(key, f"write +{key}=NAME; there are: {', '.join(_options(key))}")
    free = next((name for name in FREE if key.startswith(f"{name}.")), None)
    if free:
        return ConfigError(key, f"there is no such parameter yet; to add one write +{key}=VALUE")
    every = [*_keys(Settings, ""), "train.optimizer.lr"]
    parent, _, last = key.rpartition(".")
    here = [name for name in every if name.rpartition(".")[0] == parent] if parent else []
    elsewhere = [name for name in every if name.rpartition(".")[2] == last]
    hint = f"; did you mean {elsewhere[0]}?" if elsewhere else suggest(key, here or [*GROUPS, *every])
    if here:
        words = ", ".join(name.rpartition(".")[2] for name in here)
        return ConfigError(key, f"there is no such setting{hint} ({parent} has: {words})")
    return ConfigError(key, f"there is no such group or setting{hint} (groups: {', '.join(GROUPS)})")


def _missing(error: MissingConfigException) -> ConfigError:
    """A group was asked for an option that it has not."""
    group, _, name = (error.missing_cfg_file or "").rpartition("/")
    return _group(group, str(error), name, [str(option) for option in error.options or ()])


def _group(group: str, text: str, name: str = "", options: list[str] | None = None) -> ConfigError:
    there = options or _options(group)
    if not there:
        return unknown_key(group) if group else ConfigError("settings", _line(text))
    if not name:
        return ConfigError(group, f"{text} (there are: {', '.join(there)})")
    if not group:  # of no group: the file that everything starts from
        return ConfigError("--config-name", f"there is no {name!r}{suggest(name, there)} ({', '.join(there)})")
    if (group, name) in RENAMED:
        return ConfigError(group, f"{name!r} is called {RENAMED[group, name]!r} now")
    return ConfigError(group, f"there is no {name!r}{suggest(name, there)} ({', '.join(there)})")


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def _keys(schema: type, prefix: str) -> Iterator[str]:
    """Yield the dotted names of all settings."""
    hints = get_type_hints(schema)
    for item in fields(schema):
        kind = hints[item.name]
        yield f"{prefix}{item.name}"
        if isinstance(kind, type) and is_dataclass(kind):
            yield from _keys(kind, f"{prefix}{item.name}.")


def _line(text: str) -> str:
    """Return the part of a message that a user needs, on one line."""
    lines = [line.strip() for line in text.splitlines()]
    noise = re.compile(r"full_key:|object_type=|reference_type=|See https?:")
    kept = [line for line in lines if line and not noise.match(line)]
    return " ".join(kept)

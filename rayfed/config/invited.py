"""From an invitation to settings: options that Hydra composes, over which whoever joins has the last word.

An invitation is somebody else's file. Nothing of it is evaluated; no account, no credential and nothing of which every
party has one of its own is taken from it; and of the classes that it names only those that come with rayfed, torch or
torchvision are built: any other one whoever joins has to name. ``invited_checks`` says what is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rayfed.config.invited_checks import (
    SETTING,
    check_confirmations,
    check_plain,
    check_store,
    check_target,
    check_weights,
)
from rayfed.config.schema import Settings
from rayfed.errors import CodecError, ConfigError
from rayfed.protocol.invitation import MOST_BYTES, Invitation
from rayfed.store.options import common
from rayfed.store.registry import KINDS, options_of

OPTION = "invited"
"""Name of the option that an invitation makes in each group."""

DATA = ("kind", "image_size", "bits", "target", "columns", "drop", "missing", "length", "augment", "test")
TRAIN = ("optimizer", "schedule", "epochs", "batch_size", "label_smoothing", "mu", "precision", "weight_decay_on")
PRIVACY = ("kind", "target_epsilon", "noise_multiplier", "max_grad_norm", "accountant")
STORE = ("kind", "confidential")
LEDGER = ("confirmations",)

PLAY = (1337, 31337)
"""Chains that people start for themselves: nothing there is worth anything."""


def offered(settings: Settings) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what of a founder's settings goes into an invitation, by group; and what does not that is missed, a line
    each."""
    withheld: list[str] = []
    model = dict(settings.model)
    weights = model.get("pretrained")
    if weights not in (None, "torchvision"):
        withheld.append("model.pretrained: a file of weights; who joins without it has them from the members")
        model["pretrained"] = None
    if settings.data.loader:
        withheld.append("data.loader: code of the founder's own")
    made: dict[str, Any] = {
        "data": _some(settings.data, DATA),
        "model": model,
        "task": dict(settings.task),
        "train": _some(settings.train, TRAIN),
        "privacy": _some(settings.privacy, PRIVACY),
        "screens": dict(settings.screens),
        "store": {**_some(settings.store, STORE), **options_of(settings.store).invited()},
        "ledger": _some(settings.ledger, LEDGER),
    }
    return made, tuple(withheld)


def _some(group: Any, names: Sequence[str]) -> dict[str, Any]:
    values = asdict(group)
    return {name: values[name] for name in names}


def composed(words: Sequence[str], learns: bool = True) -> list[str]:
    """Return the words of ``join`` or ``watch`` with an invitation among them as Hydra takes them; others as they are.

    Args:
        learns: whether a node is to train, and not only to watch, which takes neither data nor model.

    Raises:
        ConfigError: see ``words_of``.
    """
    for number, word in enumerate(words):
        is_option = number > 0 and words[number - 1].startswith("-")
        if "=" not in word and not word.startswith(("-", "+", "~")) and not is_option:
            return words_of(Path(word).expanduser(), [*words[:number], *words[number + 1 :]], learns)
    return list(words)


def read(path: Path) -> Invitation:
    """Read an invitation.

    Raises:
        ConfigError: it cannot be read, is damaged or of another edition.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise CodecError(f"it is no invitation: longer than {MOST_BYTES >> 20} MiB")
        return Invitation.from_json(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigError(SETTING, f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(SETTING, f"{path} cannot be used: it is damaged, or no invitation: no text") from error
    except CodecError as error:
        raise ConfigError(SETTING, f"{path} cannot be used: {error}") from error


def words_of(path: Path, own: Sequence[str], learns: bool = True) -> list[str]:
    """Return the words by which Hydra composes what an invitation says and then what whoever joins says.

    Registers the options that they name, which a later invitation replaces.

    Args:
        path: of the invitation.
        own: the joiner's words.
        learns: as in ``composed``.

    Raises:
        ConfigError: it cannot be read, or needs something of the joiner that ``own`` does not name.
    """
    from hydra.core.config_store import ConfigStore

    invitation = read(path)
    reached = _reached(invitation, own)
    groups = {**(_learned(invitation, own) if learns else {}), **reached}
    seed = invitation.charter.genesis_source.get("seed", 0)
    whole = {
        "name": invitation.charter.name,
        "seed": seed if isinstance(seed, int) else 0,
        "federation_address": invitation.federation,
        "charter": str(path.absolute()),
        "federation": {"nodes": 1, "start_members": None, "min_members": None, "alone": False},
    }
    check_plain({**groups, "": whole})
    store = ConfigStore.instance()
    for group, node in groups.items():
        store.store(group=group, name=OPTION, node=node, package=group)
    store.store(group=SETTING, name=OPTION, node=whole, package="_global_")
    return [f"+{SETTING}={OPTION}", *(f"{group}={OPTION}" for group in groups), *own]


def _learned(invitation: Invitation, own: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what is taken of an invitation on what is learned and how, by group."""
    given = invitation.settings
    taken: dict[str, dict[str, Any]] = {}
    for group, names in (("data", DATA), ("train", TRAIN), ("privacy", PRIVACY)):
        taken[group] = {name: value for name, value in _object(given, group).items() if name in names}
    for group in ("model", "task", "screens"):
        taken[group] = _object(given, group)
    for group in ("model", "task", "train.optimizer", "train.schedule"):
        check_target(taken, group, own)
    check_weights(invitation, own)
    if taken["model"].get("pretrained") not in (None, "torchvision"):
        taken["model"]["pretrained"] = None  # a file on this machine, of which the founder knows nothing
    return {group: node for group, node in taken.items() if node}


def _reached(invitation: Invitation, own: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what is taken of an invitation on how chain and store are reached, by group."""
    shared = {*STORE, *(name for kind in KINDS.values() for name in common(kind))}
    store = {name: value for name, value in _object(invitation.settings, "store").items() if name in shared}
    check_store(store, own)
    ledger = {name: value for name, value in _object(invitation.settings, "ledger").items() if name in LEDGER}
    check_confirmations(ledger, own)
    ledger |= {"kind": "rpc", "fund_ether": 0.1, "chain_id": invitation.chain_id}
    ledger |= dict(zip(("rpc_url", "spare_rpc_url"), invitation.rpc, strict=False))
    if invitation.chain_id in PLAY:
        ledger["allow_demo_times"] = True
    return {"ledger": ledger, **({"store": store} if store else {})}


def _object(value: Mapping[str, Any], group: str) -> dict[str, Any]:
    found = value.get(group, {})
    if not isinstance(found, dict):
        raise ConfigError(SETTING, f"is damaged: its settings of {group} are no settings")
    return dict(found)

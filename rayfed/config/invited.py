"""From an invitation to settings: options that Hydra composes, over which whoever joins has the last word.

An invitation is somebody else's file. Nothing of it is evaluated, no account is taken from it, and of the classes that
it names only those that come with rayfed, torch or torchvision are built: any other one whoever joins has to name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rayfed.config.schema import Settings
from rayfed.errors import CodecError, ConfigError
from rayfed.protocol.invitation import MOST_BYTES, Invitation
from rayfed.store.registry import options_of

OPTION = "invited"
"""Name of the option that an invitation makes in each group."""

SETTING = "invitation"

DATA = ("kind", "image_size", "bits", "target", "columns", "drop", "missing", "length", "augment", "test")
TRAIN = ("optimizer", "schedule", "epochs", "batch_size", "label_smoothing", "mu", "precision", "weight_decay_on")
PRIVACY = ("kind", "target_epsilon", "noise_multiplier", "max_grad_norm", "accountant")
STORE = ("kind", "confidential")
LEDGER = ("confirmations",)

PLAY = (1337, 31337)
"""Chains that people start for themselves: nothing there is worth anything."""

BUILT = re.compile(
    r"(rayfed\.learning\.(models|networks|tasks)|torchvision\.models|torch\.optim|torch\.optim\.lr_scheduler)\.[A-Za-z]\w*"
)
"""Classes that an invitation may name."""

_STORED = re.compile(r"[0-9a-f]{2}")


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
    groups = {**(_learned(invitation, own) if learns else {}), **_reached(invitation, own)}
    seed = invitation.charter.genesis_source.get("seed", 0)
    whole = {
        "name": invitation.charter.name,
        "seed": seed if isinstance(seed, int) else 0,
        "federation_address": invitation.federation,
        "charter": str(path.absolute()),
        "federation": {"nodes": 1, "start_members": None, "min_members": None, "alone": False},
    }
    _check_plain({**groups, "": whole})
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
        _check_target(taken, group, own)
    _check_weights(invitation, own)
    return {group: node for group, node in taken.items() if node}


def _reached(invitation: Invitation, own: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what is taken of an invitation on how chain and store are reached, by group."""
    store = _object(invitation.settings, "store")
    _check_store(store, own)
    ledger = {name: value for name, value in _object(invitation.settings, "ledger").items() if name in LEDGER}
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


def _check_target(taken: Mapping[str, Any], key: str, own: Sequence[str]) -> None:
    """Let nobody's invitation choose which code runs here.

    Raises:
        ConfigError: naming the setting by which whoever joins says that it may.
    """
    node: Any = taken
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        return
    target = node.get("_target_")
    if isinstance(target, str) and BUILT.fullmatch(target):
        return
    if _says(own, key.replace(".", "/"), key, f"{key}._target_"):
        return
    raise ConfigError(
        f"{key}._target_",
        f"the invitation names {target!r}, which is code of somebody's own: have a look at it, and if it may run here "
        f"say {key}._target_={target}",
    )


def _check_weights(invitation: Invitation, own: Sequence[str]) -> None:
    """Have whoever joins bring the file of weights that a federation begins with, where nobody gives it what it needs:
    genesis comes from any member, and a frozen part from the store, unless that is within one cluster.

    Raises:
        ConfigError: naming ``model.pretrained``.
    """
    weights, needed = str(invitation.charter.model.get("pretrained", "")), invitation.charter.layout.frozen
    if not weights.startswith("sha256:") or needed is None or _says(own, "model", "model.pretrained"):
        return
    if not needed.root or invitation.settings.get("store", {}).get("kind") == "ray_peers":
        raise ConfigError(
            "model.pretrained",
            f"the federation begins from a file of weights whose SHA-256 is {weights.removeprefix('sha256:')}: "
            "get it from the founder, and say where it is, model.pretrained=FILE",
        )


def _check_store(node: Mapping[str, Any], own: Sequence[str]) -> None:
    """Have whoever joins say where a shared folder is, unless there is one with nothing but blobs in it.

    Raises:
        ConfigError: naming ``store.path``.
    """
    path = node.get("path")
    if path is None or _says(own, "store", "store.path"):
        return
    try:
        usable = all(_STORED.fullmatch(entry.name) for entry in Path(str(path)).iterdir())
    except OSError:
        usable = False
    if not usable:
        raise ConfigError(
            "store.path",
            f"the federation's blobs are in a folder that all parties share, {path!r} to the founder: "
            "say where it is here, store.path=DIR",
        )


def _says(own: Sequence[str], *keys: str) -> bool:
    """Say whether the joiner's words choose one of these."""
    return any(word.lstrip("+").partition("=")[0] in keys for word in own)


def _check_plain(node: Any) -> None:
    """Refuse what OmegaConf would evaluate, from this machine's environment for instance.

    Raises:
        ConfigError: there is such a thing.
    """
    for text in _texts(node):
        if "${" in text or text == "???":
            raise ConfigError(SETTING, f"holds {text!r}, which is no setting: do not use it")


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value)

"""What of an invitation is refused, or asked for again from whoever joins: it may come from anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rayfed.errors import ConfigError
from rayfed.protocol.invitation import Invitation

SETTING = "invitation"

OURS = {
    "rayfed.learning.models": {"PaperCNN", "SmallCNN"},
    "rayfed.learning.networks": {"Perceptron", "TinyTransformer"},
    "rayfed.learning.tasks": {"Classification", "MultiLabel", "NextToken", "OwnStep", "Regression"},
}
"""Classes of ours that an invitation may name; beside them in their modules is what builds anything at all."""

THEIRS = re.compile(r"torchvision\.models\.(?!get_|list_)[a-z]\w*|torch\.optim\.(lr_scheduler\.)?[A-Z]\w*")
"""Functions of torchvision and classes of torch that it may name."""

MOST_CONFIRMATIONS = 64

_STORED = re.compile(r"[0-9a-f]{2}")


def is_built(target: str) -> bool:
    """Say whether an invitation may name this ``_target_``."""
    module, _, name = target.rpartition(".")
    return name in OURS.get(module, ()) or bool(THEIRS.fullmatch(target))


def check_target(taken: Mapping[str, Any], key: str, own: Sequence[str]) -> None:
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
    if isinstance(target, str) and is_built(target):
        return
    if _says(own, key.replace(".", "/"), key, f"{key}._target_"):
        return
    raise ConfigError(
        f"{key}._target_",
        f"the invitation names {target!r}, which is code of somebody's own: have a look at it, and if it may run here "
        f"say {key}._target_={target}",
    )


def check_weights(invitation: Invitation, own: Sequence[str]) -> None:
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


def check_store(node: Mapping[str, Any], own: Sequence[str]) -> None:
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


def check_confirmations(node: Mapping[str, Any], own: Sequence[str]) -> None:
    """Let nobody's invitation have a node see its chain so late that it misses its moves in court.

    Raises:
        ConfigError: naming ``ledger.confirmations``.
    """
    blocks = node.get("confirmations", 0)
    if _says(own, "ledger.confirmations") or (isinstance(blocks, int) and blocks <= MOST_CONFIRMATIONS):
        return
    raise ConfigError(
        "ledger.confirmations",
        f"the invitation has this node wait for {blocks!r} blocks before it believes anything, and who sees a match in "
        f"court so late may lose it: say how many, ledger.confirmations=N",
    )


def check_plain(node: Any) -> None:
    """Refuse what OmegaConf would evaluate, from this machine's environment for instance, and what Hydra would.

    Raises:
        ConfigError: there is such a thing.
    """
    for key, text in _texts(node):
        if "${" in text or text == "???" or (key and text == "defaults"):
            raise ConfigError(SETTING, f"holds {text!r}, which is no setting: do not use it")


def _texts(node: Any) -> Iterator[tuple[bool, str]]:
    """Yield (whether it is a key, the text) of all texts."""
    if isinstance(node, str):
        yield False, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield True, str(key)
            yield from _texts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _texts(value)

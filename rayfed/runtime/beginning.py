"""A federation that begins from another one's last model: from a run's output folder, checked against its root, or by
its invitation from chain and store (``rayfed.runtime.abroad``).

The folder's ``model.safetensors`` is what the new federation's nodes load. It is believed as far as it is what the blob
of the final root, the charter and the frozen part there say: all three are known by their hashes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.config.files import WEIGHTS
from rayfed.errors import CodecError, ConfigError
from rayfed.protocol.invitation import MOST_BYTES, Invitation, is_invitation
from rayfed.runtime.results import CHARTER, SUMMARY, check_edition

if TYPE_CHECKING:
    import torch

    from rayfed.config import Settings
    from rayfed.protocol.charter import Charter

SETTING = "model.pretrained"

STORE = "pretrained_store"
"""In ``model``: where blobs are, of the federation whose invitation ``pretrained`` is, if not where that says."""

FETCHED = "began_with.safetensors"
"""In the output folder: the model that was fetched by an invitation."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a federation begins from.

    Attributes:
        settings: the run's, in which ``model.pretrained`` is a file by now.
        source: what the charter says of it beside the file's hash: federation, chain, charter and root. Empty where the
            model does not come from a federation.
    """

    settings: Settings
    source: Mapping[str, Any]


def found(settings: Settings, output_dir: Path) -> Beginning:
    """Return what a new federation begins from, checked where it is another federation's model.

    Args:
        output_dir: where a model goes that is fetched by an invitation; a run that is resumed finds it there.

    Raises:
        ConfigError: naming ``model.pretrained``: the folder has no final model, or a file in it is not that model, or
            there is none to be had by the invitation.
    """
    chosen, store = settings.model.get("pretrained"), settings.model.get(STORE)
    settings = replace(settings, model={name: value for name, value in settings.model.items() if name != STORE})
    if chosen is not None and (invitation := _invitation(Path(chosen))) is not None:
        file = output_dir / FETCHED
        if not file.exists():
            from rayfed.runtime import abroad

            abroad.fetch(settings, invitation, store, file)
        stated = stated_of(file)
        source = {"federation": stated["federation"], "chain_id": int(stated["chain_id"]), "root": stated["root"]}
        settings = replace(settings, model={**settings.model, "pretrained": str(file)})
        return Beginning(settings, {**source, "charter": stated["charter"]})
    if store is not None:
        raise ConfigError(f"model.{STORE}", f"is for {SETTING}=INVITATION: says where the blobs of that federation are")
    if chosen is None or not Path(chosen).is_dir():
        return Beginning(settings, {})
    folder = Path(chosen)
    source = _checked(folder)
    return Beginning(replace(settings, model={**settings.model, "pretrained": str(folder / WEIGHTS)}), source)


def _invitation(path: Path) -> Invitation | None:
    """Return the invitation that a file is; None for any other file."""
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        return Invitation.from_json(text) if is_invitation(text) else None
    except (OSError, UnicodeDecodeError):
        return None  # who loads it as weights says what is the matter
    except CodecError as error:
        raise ConfigError(SETTING, f"{path} cannot be used: {error}") from error


def _checked(folder: Path) -> dict[str, Any]:
    """Return what the charter of a new federation says of the model in a folder."""
    from rayfed.protocol.charter import Charter

    check_edition(folder, SETTING)
    try:
        charter = Charter.from_json((folder / CHARTER).read_text().rstrip("\n"))
        stated = stated_of(folder / WEIGHTS)
        if (folder / SUMMARY).exists():  # a copy may be without it
            stated["root"] = str(json.loads((folder / SUMMARY).read_text())["final_root"])
        root = bytes.fromhex(stated["root"].removeprefix("0x"))
        source = {"federation": stated["federation"], "chain_id": int(stated["chain_id"]), "root": stated["root"]}
    except OSError as error:
        words = f"{folder} is not the folder of a run with a final model: {error.filename}: {error.strerror}"
        raise ConfigError(SETTING, words) from error
    except (CodecError, ValueError, KeyError) as error:
        raise ConfigError(SETTING, f"{folder} is not the folder of a run with a final model: {error}") from error
    if stated["charter"] != "0x" + charter.hash.hex():
        raise ConfigError(SETTING, f"{folder / WEIGHTS} is of another federation than {folder / CHARTER}")
    _compare(folder, charter, root)
    return {**source, "charter": stated["charter"]}


def stated_of(weights: Path) -> dict[str, str]:
    """Return of what model a file of weights says it is."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, "pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise ConfigError(SETTING, f"{weights} cannot be read: {' '.join(str(error).split())}") from error


def _compare(folder: Path, charter: Charter, root: bytes) -> None:
    """Compare the file of weights, tensor by tensor, with what charter, frozen part and blob say.

    Raises:
        ConfigError: it is not that, or the blob is on no node's disk.
    """
    import torch
    from safetensors.torch import load_file

    from rayfed.encoding import codec
    from rayfed.learning import states
    from rayfed.runtime import models

    held, constants = load_file(folder / WEIGHTS), charter.model.get(states.KEY, {})
    try:
        blob, beside = models.blob_of(charter, root, folder), models.frozen_of(charter, folder)
        room = {spec.name: torch.empty_like(held[spec.name]) for spec in charter.layout.tensors}
        right: dict[str, torch.Tensor] = {
            **codec.decode(charter.layout, blob, out=room, within=charter.blob_layout),
            **beside,
            **{name: states.constant(name, text, held[name]) for name, text in constants.items()},
        }
    except KeyError as error:
        raise ConfigError(SETTING, f"{folder / WEIGHTS} lacks {error} of the model of the final root") from error
    except (ConfigError, CodecError) as error:
        raise ConfigError(SETTING, str(error)) from error
    seconds = [name for name in held if name not in right]  # of tensors with two names
    wrong = [name for name in right if name not in held or not _same(right[name], held[name])]
    wrong += [name for name in seconds if not any(_same(one, held[name]) for one in right.values())]
    if wrong:
        words = f"{folder / WEIGHTS} is not the model of the final root 0x{root.hex()[:16]}: {wrong[0]} differs"
        raise ConfigError(SETTING, words)


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    import torch

    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)

"""Models out of blobs: what a charter and a root stand for, as a torch module."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.audit import folders
from rayfed.encoding import codec
from rayfed.encoding.primitives import Root
from rayfed.errors import BlobCorrupt, BlobMissing, ConfigError
from rayfed.learning import group_norm, material, models, states
from rayfed.store.verified import verified

if TYPE_CHECKING:
    from torch import nn

    from rayfed.protocol.charter import Charter


def from_folder(charter: Charter, root: Root, folder: Path) -> nn.Module:
    """Return the model of this root, in evaluation mode, from the disks that lie in a folder.

    Raises:
        ConfigError: it is on none of them, or its class cannot be imported here.
    """
    blob = _find(root, charter.blob_layout.blob_size, folder)
    added = (group_norm.KEY, states.KEY)
    described = {key: _restored(value) for key, value in charter.model.items() if key not in added}
    if charter.data.prepare:
        model = material.built(described, charter.data.prepare, seed=0)
    else:
        model = models.build(described, charter.data.shape, len(charter.data.classes), seed=0)
    if group_norm.chosen(charter.model):
        group_norm.replace(model)
    states.narrow(model, charter.model)
    model.load_state_dict(codec.decode(charter.layout, blob, out=model.state_dict(), within=charter.blob_layout))
    states.widen(model)
    return model.eval()


def _restored(value: Any) -> Any:
    """Return a value of the charter's ``model`` as it was in the settings: a charter writes a float as its text."""
    if isinstance(value, dict):
        return {key: _restored(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_restored(inner) for inner in value]
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            number = float(value)
            return number if repr(number) == value else value
    return value


def _find(root: Root, size: int, folder: Path) -> memoryview:
    """Return a blob whose hash is right; the first copy of which that is true."""
    for place in folders(folder):
        for copy in place.copies(root, size):
            try:
                return verified(copy.read(lambda: memoryview(bytearray(size))), root, size, copy.place)
            except (BlobMissing, BlobCorrupt):
                continue  # another node's copy may be whole
    raise ConfigError("run", f"no node's disk in {folder} holds the model {root.hex()[:16]}")

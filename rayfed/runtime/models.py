"""Models out of blobs: what a charter and a root stand for, as a torch module."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.audit import folders
from rayfed.config.files import CODE, WEIGHTS
from rayfed.encoding import codec
from rayfed.encoding.primitives import Root
from rayfed.errors import BlobCorrupt, BlobMissing, ConfigError
from rayfed.learning import material, states
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
    model = material.rebuilt(charter.model, charter.data)
    model.load_state_dict(codec.decode(charter.layout, blob, out=model.state_dict(), within=charter.blob_layout))
    states.widen(model)
    return model.eval()


def from_files(folder: Path) -> nn.Module:
    """Return the model of a run's ``model.safetensors`` by the ``model.py`` beside it, in evaluation mode.

    Raises:
        ConfigError: one of the files is missing, or they do not belong together, or the model's class cannot be
            imported here.
    """
    try:
        model: nn.Module = runpy.run_path(str(folder / CODE))["load"](folder / WEIGHTS)
    except Exception as error:  # it may import a module of the user's own, which raises what it likes
        words = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError("run", f"{folder / WEIGHTS} cannot be loaded by {CODE}: {words}") from error
    return model


def _find(root: Root, size: int, folder: Path) -> memoryview:
    """Return a blob whose hash is right; the first copy of which that is true."""
    for place in folders(folder):
        for copy in place.copies(root, size):
            try:
                return verified(copy.read(lambda: memoryview(bytearray(size))), root, size, copy.place)
            except (BlobMissing, BlobCorrupt):
                continue  # another node's copy may be whole
    raise ConfigError("run", f"no node's disk in {folder} holds the model {root.hex()[:16]}")

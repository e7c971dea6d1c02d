"""Models out of blobs: what a charter and a root stand for, as a torch module."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rayfed.audit import folders
from rayfed.config.files import CODE, WEIGHTS
from rayfed.encoding import codec
from rayfed.encoding.layout import FROZEN_FILE
from rayfed.encoding.primitives import Root
from rayfed.errors import BlobCorrupt, BlobMissing, CodecError, ConfigError
from rayfed.learning import frozen, material, states
from rayfed.learning.raised import first_line
from rayfed.store.verified import verified

if TYPE_CHECKING:
    from torch import nn

    from rayfed.protocol.charter import Charter


def from_folder(charter: Charter, root: Root, folder: Path) -> nn.Module:
    """Return the model of this root, in evaluation mode, from the disks that lie in a folder.

    Raises:
        ConfigError: it is on none of them, or its frozen part is nowhere there, or its class cannot be imported here.
    """
    blob, beside = blob_of(charter, root, folder), frozen_of(charter, folder)
    model = material.rebuilt(charter.model, charter.data, charter.layout, beside)
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
        model: nn.Module = _imported(folder / CODE).load(folder / WEIGHTS)
    except Exception as error:  # it may import a module of the user's own, which raises what it likes
        words = first_line(error)
        raise ConfigError("run", f"{folder / WEIGHTS} cannot be loaded by {CODE}: {words}") from error
    return model


def frozen_of(charter: Charter, folder: Path) -> frozen.State:
    """Return the frozen part, which each machine of a run has beside its nodes' disks; the first copy that is right.

    Raises:
        ConfigError: there is a frozen part, and none of the copies is.
    """
    agreed = charter.layout.frozen
    if agreed is None:
        return {}
    for path in sorted(folder.rglob(FROZEN_FILE)):
        with contextlib.suppress(CodecError, OSError):  # another machine's copy may be whole
            return frozen.read(path, agreed)
    raise ConfigError("run", f"no {FROZEN_FILE} in {folder} is the model's frozen part {agreed.digest.hex()[:16]}")


def _imported(file: Path) -> Any:
    """Import a file of Python under a name of its own: whoever looks for a class's source finds it."""
    name = f"rayfed_run_{hashlib.sha256(bytes(file.resolve())).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no module")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blob_of(charter: Charter, root: Root, folder: Path) -> memoryview:
    """Return a blob whose hash is right; the first copy of which that is true.

    Raises:
        ConfigError: no disk in the folder has one.
    """
    size = charter.blob_layout.blob_size
    for place in folders(folder):
        for copy in place.copies(root, size):
            try:
                return verified(copy.read(lambda: memoryview(bytearray(size))), root, size, copy.place)
            except (BlobMissing, BlobCorrupt):
                continue  # another node's copy may be whole
    raise ConfigError("run", f"no node's disk in {folder} holds the model {root.hex()[:16]}")

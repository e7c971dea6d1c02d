"""What somebody without a seat fetches of a federation from its store: the frozen part of the model, and a model."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rayfed.encoding.layout import FROZEN_FILE
from rayfed.encoding.primitives import Root
from rayfed.errors import BlobCorrupt, CodecError, ConfigError, StoreError
from rayfed.store import options_of

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.ledger.backend import Federation
    from rayfed.protocol.charter import Charter

SETTING = "model.pretrained"

PATIENCE_SECONDS = 30.0
"""How long it may take until somebody gives what is asked for: founders publish while they start."""

AGAIN_SECONDS = 1.0


def with_frozen_part(settings: Settings, charter: Charter, connection: Federation, folder: Path) -> Settings:
    """Return the settings of a party that joins, by which it has the model's frozen part: its own, where it builds it
    or brings the file that it comes from; else the one that other members give, fetched into its folder.

    Args:
        folder: below which the party's node keeps what is its own.

    Raises:
        ConfigError: naming ``model.pretrained``: nobody gives it.
    """
    from rayfed.learning import frozen

    agreed = charter.layout.frozen
    from_file = str(charter.model.get("pretrained", "")).startswith("sha256:")
    if agreed is None or not from_file or settings.model.get("pretrained") is not None:
        return settings
    path = folder / connection.address.lower() / FROZEN_FILE
    if not path.exists():
        fetch_frozen(settings, charter, connection, path)
    frozen.given(path, agreed)
    return replace(settings, model={**settings.model, "pretrained": str(path)})


def fetch_frozen(
    settings: Settings, charter: Charter, connection: Federation, path: Path, patience: float = PATIENCE_SECONDS
) -> None:
    """Fetch a model's frozen part from the federation's store into a file, checked by the charter's hash.

    Raises:
        ConfigError: naming ``model.pretrained``: nobody gives it, or it cannot be written.
    """
    from rayfed.learning import frozen
    from rayfed.runtime.results import write

    agreed = charter.layout.frozen
    assert agreed is not None
    lacks = f"the model's frozen part, {frozen.said(agreed)}, is not to be had"
    source = charter.model.get("pretrained")
    if isinstance(source, str) and source.startswith("sha256:"):
        instead = f"get the file with the SHA-256 {source.removeprefix('sha256:')} from a founder: {SETTING}=FILE"
    else:
        instead = f"get {FROZEN_FILE} from a member"
    if not agreed.root:
        raise ConfigError(SETTING, f"{lacks}: its charter does not say where in a store it is; {instead}")
    try:
        blob = fetch(settings, connection, agreed.root, agreed.blob_size, patience)
    except StoreError as error:
        raise ConfigError(SETTING, f"{lacks}: {error}; {instead}") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("cluster.state_dir", f"cannot make the folder {path.parent}: {error.strerror}") from error
    new = path.with_name(f".{path.name}.fetched")
    write(new, bytes(blob[: agreed.size]), "cluster.state_dir")
    try:
        frozen.read(new, agreed)
    except CodecError as error:  # the charter contradicts itself
        new.unlink()
        raise ConfigError(SETTING, f"{lacks}: {error}; {instead}") from error
    new.replace(path)


def fetch(settings: Settings, connection: Federation, root: Root, size: int, patience: float) -> memoryview:
    """Return a blob from a federation's store, checked by its root, as somebody without a seat gets it.

    Args:
        patience: seconds for which somebody may yet come to give it.

    Raises:
        StoreError: nobody gives it.
    """
    from rayfed.runtime import stores
    from rayfed.store.files import FileStore

    if options_of(settings.store).within_cluster:
        raise StoreError(f"store.kind: blobs of {settings.store.kind} are to be had within its Ray cluster alone")
    end = time.monotonic() + patience
    with TemporaryDirectory(prefix="rayfed-") as empty:
        store = stores.of_visitor(settings, connection.address, FileStore(Path(empty)), connection)
        try:
            while True:
                holders = [address for address in connection.view().members if address]
                try:
                    return memoryview(bytes(store.get(root, size, holders)))  # the folder goes
                except BlobCorrupt:
                    raise
                except StoreError:
                    if time.monotonic() > end:
                        raise
                time.sleep(AGAIN_SECONDS)
        finally:
            store.close()

"""Another federation's last model by its invitation: from its chain, which knows the root, and its store, which has the
bytes. Nothing is believed that does not hash to what the contract says; code that the charter names is not run, for the
network is that of this party's own settings.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rayfed.config.groups.machines import LedgerSettings
from rayfed.config.groups.store import StoreSettings
from rayfed.encoding.layout import FROZEN_FILE
from rayfed.errors import CodecError, ConfigError, LedgerError, StoreError
from rayfed.ledger import registry
from rayfed.protocol.messages import Phase
from rayfed.runtime import fetching, preflight
from rayfed.runtime.fetching import SETTING
from rayfed.runtime.place import Place
from rayfed.store import options_of, split

if TYPE_CHECKING:
    from torch import nn

    from rayfed.config import Settings
    from rayfed.encoding.primitives import Root
    from rayfed.learning.frozen import State
    from rayfed.ledger.backend import Federation
    from rayfed.protocol.charter import Charter
    from rayfed.protocol.invitation import Invitation

PATIENCE_SECONDS = 5.0
"""How long it may take until a peer gives a blob: all of them had time enough to publish it."""


def fetch(settings: Settings, invitation: Invitation, store: str | None, file: Path) -> None:
    """Write the last model of the federation that an invitation names into a file of safetensors.

    Args:
        settings: of the federation to be founded, whose ``model`` must be the same network.
        store: URI of where its blobs are; None: where the invitation says.

    Raises:
        ConfigError: naming ``model.pretrained``: the federation is not over, its blobs are not to be had, or the model
            is another one.
    """
    there = replace(_looking(settings, invitation, store), ledger=_ledger(settings, invitation))
    address, charter = invitation.federation, invitation.charter
    try:
        with TemporaryDirectory() as empty, registry.open(there.ledger, Path(empty)) as backend:
            connection = preflight.connected(backend, address, charter, invitation)
            try:
                root = _last(connection, charter)
                place = Place(address, backend.locator, charter.canonical_json())
                blob = fetching.fetch(there, connection, root, charter.blob_layout.blob_size, PATIENCE_SECONDS)
                beside = _beside(there, charter, connection, Path(empty))
            finally:
                connection.close()
    except (LedgerError, StoreError) as error:
        raise ConfigError(SETTING, f"the last model of {address} is not to be had: {error}") from error
    from rayfed.runtime import model_files
    from rayfed.runtime.results import write

    model = _model(settings, charter, blob, beside)
    write(file, model_files.of(model, root, place, settings.model).weights)


def _ledger(settings: Settings, invitation: Invitation) -> LedgerSettings:
    """Return how the other federation's chain is reached: as the invitation says, or as this party's own, if it says
    nothing and this may be the same chain."""
    urls = list(invitation.rpc)
    if not urls and settings.ledger.rpc_url:
        urls = [url for url in (settings.ledger.rpc_url, settings.ledger.spare_rpc_url) if url]
    if not urls:
        words = "the invitation names no node of its chain: python -m rayfed invitation FILE --rpc URL adds one"
        raise ConfigError(SETTING, words)
    spare = urls[1] if len(urls) > 1 else None
    return LedgerSettings(kind="rpc", rpc_url=urls[0], spare_rpc_url=spare, chain_id=invitation.chain_id)


def _looking(settings: Settings, invitation: Invitation, store: str | None) -> Settings:
    """Return the settings with the store that the other federation has used."""
    chosen: Any = invitation.settings.get("store", {})
    if store is not None:
        kind, cls, rest = split(store, "model.pretrained_store")
        chosen = {"kind": kind, **cls.from_uri(rest).invited()}
    try:
        made = StoreSettings(**{**chosen, "key_file": settings.store.key_file})
        options_of(made).validate()
    except (ConfigError, TypeError, AttributeError) as error:
        raise ConfigError(SETTING, f"the store that the invitation names cannot be used: {error}") from error
    if made.kind == "ray_peers":
        words = "the federation's blobs were within one Ray cluster: take a run's folder in place of the invitation"
        raise ConfigError(SETTING, words)
    path = getattr(made, "path", None)
    if made.kind == "files" and not Path(str(path)).is_dir():
        where = "+model.pretrained_store=files:DIR says where it is by now"
        raise ConfigError(SETTING, f"the federation's blobs are in a folder that is not here, {path}: {where}")
    return replace(settings, store=made)


def _last(connection: Federation, charter: Charter) -> Root:
    """Return the root of the model that a federation has ended with, which nothing can undo any more."""
    view = connection.view()
    if view.phase is not Phase.DONE:
        at = f"{view.finals} of {charter.rounds} rounds are final"
        raise ConfigError(SETTING, f"the federation {connection.address} is not over, {at}: its last model is to come")
    if not view.base_settled or view.unsettled:
        words = "its last model can still be undone; wait until its rounds are settled"
        raise ConfigError(SETTING, f"the federation {connection.address} is over, but {words}")
    if view.base == charter.genesis:
        raise ConfigError(SETTING, f"the federation {connection.address} has ended without a final round")
    return view.base


def _beside(settings: Settings, charter: Charter, connection: Federation, folder: Path) -> State:
    """Return the model's frozen part, if it has one."""
    agreed = charter.layout.frozen
    if agreed is None:
        return {}
    from rayfed.learning import frozen

    fetching.fetch_frozen(settings, charter, connection, folder / FROZEN_FILE, PATIENCE_SECONDS)
    return frozen.given(folder / FROZEN_FILE, agreed)


def _model(settings: Settings, charter: Charter, blob: memoryview, beside: State) -> nn.Module:
    """Return the model of a blob, whole, as this party's own settings build it."""
    from rayfed.encoding import codec
    from rayfed.learning import group_norm, material, states
    from rayfed.learning.targets import in_charter

    # What was trained there need not be what will be trained here.
    added = {key: value for key, value in charter.model.items() if key in (states.KEY, group_norm.KEY, "trained")}
    own = {key: value for key, value in in_charter(settings.model).items() if key not in ("pretrained", "trained")}
    try:
        model = material.rebuilt({**own, **added}, charter.data, charter.layout, beside)
        state = model.state_dict()
        charter.layout.check_names(state)
        for spec in charter.layout.tensors:
            spec.check(state[spec.name])
        model.load_state_dict(codec.decode(charter.layout, blob, out=state, within=charter.blob_layout))
    except (ConfigError, CodecError) as error:
        said = error.message if isinstance(error, ConfigError) else str(error)
        raise ConfigError(SETTING, f"this run's model is another than the federation's: {said}") from error
    states.widen(model)
    return model.eval()

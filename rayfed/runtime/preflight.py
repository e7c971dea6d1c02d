"""What can be found out about a chain, a store and the disk before anything starts: from here, without Ray.

Each check asks the thing itself once, so that a setting which cannot work costs its user seconds and leaves nothing
behind. Data, model and training are tried by ``drafting.draft``, on this machine beside these checks or on a cluster.
"""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rayfed.config.court_times import COURT_SECONDS, COURT_TIMES
from rayfed.config.files import tracking_uri
from rayfed.errors import CharterMismatch, CodecError, ConfigError
from rayfed.ledger import registry
from rayfed.ledger.patience import patiently
from rayfed.protocol.charter import Charter
from rayfed.protocol.invitation import Invitation, is_invitation
from rayfed.reporting.mlflow import system
from rayfed.reporting.words import duration
from rayfed.runtime import tracking
from rayfed.runtime.tracking import writable_folder
from rayfed.store import options_of

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.encoding.primitives import Address
    from rayfed.ledger.backend import Backend, Federation

DAY = 86_400

KNOCK_SECONDS = 10.0
"""How long a Ray cluster may take to open its door."""


def check(settings: Settings, patience: float = 0.0) -> None:
    """Ask chain, store and disk whether they can do what the settings want of them.

    Args:
        patience: seconds for which the chain may be away.

    Raises:
        RayfedError: one line that names the setting to change.
    """
    from rayfed.runtime import cluster

    if settings.cluster.address is not None:
        _cluster(settings.cluster.address)
    elif cluster.is_own(settings):
        cluster.check_temporary_folder()
    here = settings.cluster.address is None  # on a cluster of many machines, disks are the nodes' own affair
    patiently(partial(registry.check, settings.ledger, here=here), patience)
    options_of(settings.store).check(here=here)
    if here and settings.cluster.state_dir is not None:
        writable_folder(Path(settings.cluster.state_dir), "cluster.state_dir")
    if settings.track.enabled and settings.track.system_metrics:
        system.check()
    if here and settings.track.enabled:
        tracking.check(tracking_uri(settings.track.tracking_uri, Path.cwd()))


def charter_of(settings: Settings) -> str:
    """Return the text of the charter of the federation to join, having checked that it is the federation's.

    Raises:
        ConfigError: it cannot be read, or it is no charter, or its court is a demonstration's on a chain of others.
        LedgerError: the federation is not there, is none, or was founded on another charter.
    """
    path = Path(_needed(settings.charter, "charter"))
    address = _needed(settings.federation_address, "federation_address")
    invitation = None
    try:
        text = path.read_text(encoding="utf-8")
        if is_invitation(text):
            invitation = Invitation.from_json(text)
            text = invitation.charter.canonical_json()
        charter = Charter.from_json(text)
    except OSError as error:
        raise ConfigError("charter", f"cannot read {path}: {error.strerror}") from error
    except (CodecError, UnicodeDecodeError) as error:
        raise ConfigError("charter", f"{path} is not a charter: {error}") from error
    if not settings.ledger.allow_demo_times:
        _times(path, charter)
    with TemporaryDirectory() as folder, registry.open(settings.ledger, Path(folder)) as backend:
        connected(backend, address, charter, invitation).close()
    return text


def connected(backend: Backend, address: Address, charter: Charter, invitation: Invitation | None) -> Federation:
    """Return a connection to a federation that is what its charter, and its invitation if there is one, say.

    Raises:
        LedgerError: it is not there, is none, or another one.
    """
    federation = backend.connect(address, charter.hash)
    try:
        _terms(federation, charter)
        if invitation is not None:
            _code(backend, federation, invitation)
    except BaseException:
        federation.close()
        raise
    return federation


def check_lock(settings: Settings, charter: Charter) -> None:
    """Check that terms lock this party's stake for no longer than it takes: whoever founds may say any times.

    Raises:
        ConfigError: naming ``ledger.max_lock_days``.
    """
    terms, most = charter.terms(), settings.ledger.max_lock_days
    if terms.locked_seconds > most * DAY:
        raise ConfigError(
            "ledger.max_lock_days",
            f"by the charter stake and bonds can be locked for {duration(terms.locked_seconds)} after their owner has "
            f"left (forming may take {duration(terms.join_seconds)}, a round {duration(terms.round_seconds)}, a stage "
            f"in court {duration(terms.stage_seconds)}); this party takes {duration(most * DAY)}: stay away, or raise "
            "that",
        )


def _times(path: Path, charter: Charter) -> None:
    """Check that nobody loses its stake there by being away for seconds."""
    for name in COURT_TIMES:
        seconds = getattr(charter.stake, name)
        if seconds < COURT_SECONDS:
            raise ConfigError(
                "charter",
                f"{path} has a demonstration's court ({name} {seconds}): whoever is kept out for so long loses its "
                "stake; on a test chain: ledger.allow_demo_times=true",
            )


def _terms(federation: Federation, charter: Charter) -> None:
    """Check that the contract was founded on what its charter says: the charter's hash alone promises nothing."""
    terms = federation.terms()
    if charter.terms(terms.coin) != terms:
        raise CharterMismatch(f"charter: the terms of {federation.address} are not the charter's")
    if charter.stake.coin == "dlc" and not federation.pays_in_dlc():
        raise CharterMismatch(f"charter: the coin at {terms.coin} is not a DeepLearningCoin")


def _code(backend: Backend, federation: Federation, invitation: Invitation) -> None:
    """Check that the contract is the one that the invitation was written for."""
    there = "0x" + backend.code(federation.address).hex()
    if there != invitation.code:
        raise CharterMismatch(
            f"invitation: the code at {federation.address} hashes to {there[:18]}..., the invitation's to "
            f"{invitation.code[:18]}...: ask for another one"
        )


def _cluster(address: str) -> None:
    """Knock at HOST:PORT; Ray itself would knock for minutes, and complain of each time."""
    host, _, port = address.rpartition(":")
    if "://" in address or not port.isdecimal():
        return  # "auto", and what else Ray understands
    try:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigError("cluster.address", f"no Ray at {address}: {error}") from error


def _needed(value: str | None, setting: str) -> str:
    """Return a setting that has to be there; the checks of the settings have asked for it already."""
    if value is None:
        raise ConfigError(setting, "is needed")
    return value

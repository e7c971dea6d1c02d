"""Where a user's own things stay between runs: for each federation a folder with the key of its node there.

``$XDG_CONFIG_HOME/rayfed/keys/CHAIN-CONTRACT/`` (``~/.config`` where that is not set), readable by its user alone.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.config.invited import PLAY
from rayfed.errors import ConfigError
from rayfed.protocol.invitation import FILE
from rayfed.runtime.alone import alone_in
from rayfed.runtime.results import nodes_dir, write

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.encoding.primitives import Address
    from rayfed.protocol.invitation import Invitation

log = logging.getLogger(__name__)

SETTING = "ledger.key_dir"

MARK = "node.txt"
"""In a federation's folder: below which folder its node keeps what is its own; behind it, from where that was moved."""

BUSY = (
    "a node runs with the key in {} already, and one key has one seat; a second seat, if that is meant, has a folder "
    "of its own: ledger.key_dir=DIR"
)

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def base(settings: Settings | None = None) -> Path:
    """Return the folder of all keys."""
    chosen = settings.ledger.key_dir if settings is not None else None
    if chosen:
        return Path(chosen)
    config = os.environ.get("XDG_CONFIG_HOME")
    return Path(config if config and os.path.isabs(config) else Path.home() / ".config") / "rayfed" / "keys"


def folder(settings: Settings | None, chain_id: int, federation: Address) -> Path:
    """Return the folder of a federation; made, if it is not there.

    Raises:
        ConfigError: naming ``ledger.key_dir``.
    """
    path = base(settings) / f"{chain_id}-{federation.lower()}"
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(SETTING, f"cannot make the folder {path}: {error.strerror}") from error
    if path.stat().st_mode & stat.S_IWOTH:
        raise ConfigError(SETTING, f"everybody can exchange the key in {path}; run: chmod o-w {path}")
    return path


def of_node(settings: Settings, chain_id: int, federation: Address) -> Path | None:
    """Return the folder with the key of a party's node; None if it is in the node's own folder, since its party has
    said where that is (``cluster.state_dir``).

    Raises:
        ConfigError: as ``folder``.
    """
    if settings.cluster.state_dir and not settings.ledger.key_dir:
        return None
    return folder(settings, chain_id, federation)


def has_key(settings: Settings, chain_id: int, federation: Address) -> bool:
    """Whether a node may have joined from here before: its key is there, or follows from a master key."""
    home = of_node(settings, chain_id, federation)
    return bool(settings.ledger.keystore) or home is None or (home / "key").is_file()


def held(path: Path) -> AbstractContextManager[None]:
    """Hold the folder of a key while a node runs with it; see ``alone_in``, which also says how that fails."""
    return alone_in(path, SETTING, BUSY)


def state_dir(settings: Settings, output_dir: Path, chain_id: int, federation: Address) -> Path:
    """Return the folder below which a node that joins keeps what is its own, and remember it beside its key: after a
    restart its journal and blobs go on with the node, from the last run's folder into the new one's.

    Raises:
        ConfigError: a node runs with the key, or the folder cannot be moved.
    """
    chosen = nodes_dir(settings, output_dir)
    home = of_node(settings, chain_id, federation)
    if home is None:
        return chosen
    with held(home):
        mark, name = home / MARK, federation.lower()
        before = [Path(line) for line in mark.read_text().splitlines()] if mark.is_file() else []
        last = next((path for path in before if (path / name).is_dir()), None)
        if settings.cluster.address is not None:  # its host may live on, and on another machine
            chosen = last or chosen
        write(mark, "\n".join(map(str, dict.fromkeys([chosen, *([last] if last else [])]))) + "\n", SETTING)
        if last is not None and last != chosen:
            try:
                chosen.mkdir(parents=True, exist_ok=True)
                shutil.move(last / name, chosen / name)
            except OSError as error:
                raise ConfigError("cluster.state_dir", f"cannot move {last / name}: {error.strerror}") from error
    return chosen


def keep_invitation(settings: Settings, made: Invitation) -> None:
    """Keep a copy of an invitation, for whoever loses it; not on a chain that people start for themselves, and go on
    without where it cannot be written."""
    if made.chain_id in PLAY:
        return
    try:
        write(folder(settings, made.chain_id, made.federation) / FILE, made.to_json(), SETTING)
    except ConfigError as error:
        log.warning("no copy of the invitation is kept: %s", error)


def invitations(federation: str) -> list[Path]:
    """Return where invitations to a contract of this address are kept, on whatever chain."""
    return sorted(base().glob(f"*-{federation.lower()}/{FILE}")) if ADDRESS.fullmatch(federation) else []

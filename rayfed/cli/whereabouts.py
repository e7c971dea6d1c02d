"""Where a federation is that somebody asks about: an address, a run's folder or an invitation says so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")

RECORDS = "records.jsonl"
"""What a node writes down of its rounds, in its own folder."""

_LISTENING = re.compile(r"^Listening on (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a federation is.

    Attributes:
        federation: the contract's address.
        rpc: a node of its chain; ``spare``: another one, or None.
        chain_id: of its chain; None where nobody has said so.
        nodes: the folder below which this party's own nodes keep their records; None where it has none.
    """

    federation: Address
    rpc: str
    spare: str | None = None
    chain_id: int | None = None
    nodes: Path | None = None

    def names(self) -> dict[Address, str]:
        """Return what this party calls its own nodes, by address."""
        found = {}
        for record in self._records():
            found[record["address"]] = f"node {record['slot']}" if record["slot"] >= 0 else "this node"
        return found

    def reasons(self) -> dict[tuple[int, int], str]:
        """Return why this party's nodes have refused updates, by round and by the update's index."""
        return {
            (record["round"], verdict["index"]): f"{verdict['screen']}: {verdict['reason']}"
            for record in self._records()
            for verdict in record["verdicts"]
            if not verdict["accepted"]
        }

    def _records(self) -> list[dict[str, Any]]:
        found = []
        for path in sorted(self.nodes.rglob(RECORDS)) if self.nodes is not None else ():
            for line in path.read_text().splitlines(keepends=True):
                if line.endswith("\n"):  # else it is being written
                    found.append(json.loads(line))
        return found


@dataclass(frozen=True, slots=True)
class _Clues:
    federation: str | None = None
    rpc: str | None = None
    spare: str | None = None
    chain_id: int | None = None
    nodes: Path | None = None
    missing: str = field(default="say --rpc URL, a node of its chain")


def whereabouts(where: str | None, federation: str | None, rpc: str | None, chain_id: int | None) -> Whereabouts:
    """Find a federation.

    Args:
        where: an address, a run's folder, or an invitation's file; None: ``federation`` says it.
        federation, rpc, chain_id: go before what is found there.

    Raises:
        ConfigError: it does not say where the federation is, or how its chain is reached.
    """
    clues = _Clues() if where is None else _clues(where)
    address = federation or clues.federation
    if address is None:
        raise ConfigError("status", "which federation? Its address, a run's folder or an invitation")
    url = rpc or clues.rpc
    if url is None:
        raise ConfigError("--rpc", clues.missing)
    spare = None if rpc else clues.spare
    return Whereabouts(address, url, spare, chain_id or clues.chain_id, clues.nodes)


def _clues(where: str) -> _Clues:
    path = Path(where).expanduser()
    if path.is_dir():
        return _of_run(path)
    if ADDRESS.fullmatch(where) or path.is_file():
        return _of_invitation(where)
    raise ConfigError("status", f"{where!r} is no address, no run's folder and no invitation")


def _of_run(folder: Path) -> _Clues:
    """Read what a run has written: which federation it founded or joined, and how it reached the chain."""
    settings = _settings(folder)
    founded = _json(folder / "founded.json") if (folder / "founded.json").exists() else {}
    federation = founded.get("federation") or settings.get("federation_address")
    if not federation:
        raise ConfigError("status", f"no federation was founded or joined by a run in {folder}")
    ledger, kept = settings.get("ledger", {}), settings.get("cluster", {}).get("state_dir")
    nodes = (Path(kept).expanduser() if kept else folder / "nodes") / federation.lower()
    rpc, missing = ledger.get("rpc_url"), _Clues().missing
    if not rpc and (folder / "anvil.log").exists():
        found = _LISTENING.findall((folder / "anvil.log").read_text(errors="replace"))
        rpc = f"http://{found[-1]}" if found else None
    elif rpc and "***" in rpc:
        rpc, missing = None, "the run's own holds a secret, which was not written down: say --rpc URL"
    return _Clues(federation, rpc, ledger.get("spare_rpc_url"), founded.get("chain_id"), nodes, missing)


def _settings(folder: Path) -> Mapping[str, Any]:
    path = folder / ".hydra" / "config.yaml"
    if not path.is_file():
        raise ConfigError("status", f"{folder} is not the folder of a run")
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config = OmegaConf.load(path)
    found: dict[str, Any] = {}
    for key in ("federation_address", "ledger.rpc_url", "ledger.spare_rpc_url", "cluster.state_dir"):
        group, _, name = key.rpartition(".")
        try:
            value = OmegaConf.select(config, key)
        except OmegaConfBaseException as error:  # a variable that is not set here
            raise ConfigError(key, " ".join(str(error).split("\n")[0].split())) from error
        (found.setdefault(group, {}) if group else found)[name] = value
    return found


def _of_invitation(where: str) -> _Clues:
    """Read an invitation: a file, or by a contract's address the one that is kept here, if there is one."""
    from rayfed.runtime.inviting import found_again

    found = found_again(where)
    if found is None:
        return _Clues(where)
    invitation, _ = found
    first, second = [*invitation.rpc, None, None][:2]
    missing = "the invitation names no node of its chain: say --rpc URL"
    return _Clues(invitation.federation, first, second, invitation.chain_id, missing=missing)


def _json(path: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError("status", f"{path} cannot be read: {error}") from error
    return said

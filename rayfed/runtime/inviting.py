"""Founding invites: the one file by which others join, where it is kept, and what they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import rayfed
from rayfed.config.invited import offered
from rayfed.encoding.urls import public
from rayfed.protocol.charter import Charter
from rayfed.protocol.invitation import FILE, Invitation, is_invitation
from rayfed.reporting.words import near
from rayfed.runtime import homes
from rayfed.runtime.results import write

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.ledger.backend import Backend, Federation

HERE = ("http://127.", "http://localhost", "http://[::1]")
"""How the URL of a chain's node begins that nobody on another machine reaches."""


def invitation(settings: Settings, backend: Backend, connection: Federation, charter: str) -> Invitation:
    """Return the invitation to a federation.

    Args:
        settings: the founder's.
        backend, connection: to it.
        charter: its canonical text.
    """
    groups, withheld = offered(settings)
    urls, more = shared([url for url in (settings.ledger.rpc_url, settings.ledger.spare_rpc_url) if url])
    return Invitation(
        federation=connection.address,
        chain_id=backend.locator.chain_id,
        block=connection.founded(),
        charter=Charter.from_json(charter),
        code="0x" + backend.code(connection.address).hex(),
        coin=connection.terms().coin,
        coin_name=connection.coin_name(),
        rpc=urls,
        settings=groups,
        withheld=(*withheld, *more),
        release=rayfed.__version__,
    )


def shared(urls: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return those of the URLs of a chain's nodes that hold no secret, and a line for each that does."""
    open_to_all = [url for url in urls if public(url, path_is_secret=True) == url]
    secret = [url for url in urls if url not in open_to_all]
    shown = (public(url, path_is_secret=True) for url in secret)
    return tuple(open_to_all), tuple(
        f"ledger.rpc_url: {url} holds a key or a password, which stays here" for url in shown
    )


def keep(settings: Settings, made: Invitation, folder: Path) -> Path:
    """Write an invitation into a folder of a run's, and a copy beside the keys; return the first.

    Raises:
        ConfigError: naming ``hydra.run.dir``.
    """
    path = folder / FILE
    write(path, made.to_json())
    homes.keep_invitation(settings, made)
    return path


def given(path: Path) -> Invitation | None:
    """Return the invitation that a file is; None if it is a charter alone."""
    text = path.read_text(encoding="utf-8")
    return Invitation.from_json(text) if is_invitation(text) else None


def told(made: Invitation, path: Path) -> list[str]:
    """Return what founders are told, in lines."""
    shown = near(path)
    lines = [
        f"federation {made.federation} on chain {made.chain_id}",
        f"whoever is to join gets {shown} and runs: python -m rayfed join {FILE}{_brings(made)}",
        f"a member puts down {made.needs['stake']} as its stake, and bonds of {made.needs['bonds']}",
    ]
    if not made.rpc:
        lines.append("it names no node of the chain: whoever joins adds ledger.rpc_url=URL")
    elif all(url.startswith(HERE) for url in made.rpc):
        lines.append(
            f"{made.rpc[0]} reaches the chain from this machine alone: for others write it again, "
            f"python -m rayfed invitation {shown} --rpc URL"
        )
    return [*lines, *(f"not in it: {line}" for line in made.withheld)]


def _brings(made: Invitation) -> str:
    """Return the words of what a joiner has to bring, with a space before them."""
    kind = made.settings.get("data", {}).get("kind")
    return " data.root=DIR" if kind in ("image_folder", "tiny_imagenet", "table", "arrays", "text") else ""


def with_rpc(made: Invitation, urls: Sequence[str]) -> Invitation:
    """Return the invitation with these nodes of the chain in it, as far as they hold no secret."""
    kept = tuple(line for line in made.withheld if not line.startswith("ledger.rpc_url"))
    named, more = shared(urls)
    return replace(made, rpc=named, withheld=(*kept, *more))


def found_again(where: str) -> tuple[Invitation, Path] | None:
    """Return the invitation of a run's folder, of a file, or of a contract's address, from what is kept here."""
    from rayfed.config.invited import read

    for path in _places(where):
        if path.is_file():
            return read(path), path
    return None


def _places(where: str) -> list[Path]:
    path = Path(where).expanduser()
    return [path if path.is_file() else path / FILE, *homes.invitations(where)]

"""Which kinds of ledger there are; a new one is its own folder and one line here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rayfed.errors import ConfigError
from rayfed.ledger.backend import Backend, LedgerKind, Locator

if TYPE_CHECKING:
    from rayfed.config.groups.machines import LedgerSettings

KINDS: dict[str, str] = {
    "devchain": "rayfed.ledger.ethereum.backend:DevChainKind",
    "rpc": "rayfed.ledger.ethereum.backend:RpcKind",
    "memory": "rayfed.ledger.memory.backend:MemoryKind",
}
"""Where each ``LedgerKind`` is, ``module:class``, by the word in ``ledger.kind``; loaded when it is used."""


def kind(name: str) -> LedgerKind:
    """Return a kind of ledger.

    Raises:
        ConfigError: there is no such kind.
    """
    if name not in KINDS:
        raise ConfigError("ledger.kind", f"there is no ledger {name!r} ({', '.join(KINDS)})")
    module, _, cls = KINDS[name].partition(":")
    return cast(LedgerKind, getattr(import_module(module), cls)())


def check(settings: LedgerSettings, *, here: bool = True) -> None:
    """Ask the ledger that the settings name once whether it can be used; see ``LedgerKind.check``."""
    kind(settings.kind).check(settings, here=here)


def open(settings: LedgerSettings, folder: Path) -> AbstractContextManager[Backend]:
    """Open the ledger that the settings name; see ``LedgerKind.open``."""
    return kind(settings.kind).open(settings, folder)


def at(locator: Locator, settings: LedgerSettings | None = None) -> Backend:
    """Return a ledger that another process has opened; see ``LedgerKind.at``. Who only looks needs no settings."""
    if settings is None:
        from rayfed.config.groups.machines import LedgerSettings

        settings = LedgerSettings()
    return kind(locator.kind).at(locator, settings)

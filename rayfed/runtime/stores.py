"""Opens the store of the settings, for a member or for somebody who only looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.store import Site, Store, options_of
from rayfed.store.card import CardReader
from rayfed.store.confidential.envelope import Envelope
from rayfed.store.confidential.reading_keys import FILE, ReadingKeys
from rayfed.store.options import to_all

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.encoding.primitives import Address
    from rayfed.ledger import FederationState, Ledger
    from rayfed.runtime.place import Place
    from rayfed.store.files import FileStore
    from rayfed.store.options import Fetch


def of_member(
    settings: Settings,
    place: Place,
    disk: FileStore,
    ledger: Ledger,
    folder: Path,
    fetch: Fetch | None = None,
    gives: Callable[[Address], bool] = to_all,
) -> Store:
    """Return the store of one node, which makes its reading keys where they are needed.

    Args:
        folder: where the node's keys stay.
        fetch, gives: of ``Site``.

    Raises:
        ConfigError: a setting cannot be used.
    """
    cards = _cards(ledger)
    chosen = settings.store.key_file

    def envelope() -> Envelope:
        return Envelope(place.federation, ReadingKeys.made(Path(chosen) if chosen else folder / FILE), cards)

    confidential = settings.store.confidential
    site = Site(disk, place.federation, fetch, cards, envelope, confidential, member=ledger.address, gives=gives)
    return options_of(settings.store).open(site)


def of_visitor(settings: Settings, federation: Address, disk: FileStore, ledger: FederationState) -> Store:
    """Return the store as somebody opens it who has no seat; what is encrypted is read with ``store.key_file``'s keys.

    Raises:
        ConfigError: a setting cannot be used.
    """
    cards = _cards(ledger)
    chosen = settings.store.key_file

    def envelope() -> Envelope:
        return Envelope(federation, ReadingKeys.read(Path(chosen)) if chosen else None, cards)

    site = Site(disk, federation, None, cards, envelope, settings.store.confidential, visits=True)
    return options_of(settings.store).open(site)


def _cards(ledger: FederationState) -> CardReader:
    return CardReader(ledger, lambda: ledger.view().members)

"""Members that serve each other by real endpoints, and peers that do not keep to anything."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from rayfed.encoding import merkle
from rayfed.encoding.sealed import new_key
from rayfed.store import Site
from rayfed.store.card import Card
from rayfed.store.confidential.envelope import Envelope
from rayfed.store.confidential.reading_keys import ReadingKeys
from rayfed.store.files import FileStore
from rayfed.store.options import to_all
from rayfed.store.p2p.options import P2pOptions
from rayfed.store.p2p.store import PeerToPeerStore

SIZE = 600 * 4096


def blob_of(seed: int, size: int = SIZE) -> tuple[bytes, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, size, np.uint8).data
    return merkle.root(data), data


class Members:
    """Who has a seat in a federation, and what their cards say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.federation = f"0x{secrets.token_hex(20)}"
        self.cards: dict[str, Card] = {}
        self._stores: list[PeerToPeerStore] = []

    def store(  # type: ignore[no-untyped-def]
        self,
        name: str,
        *,
        visits: bool = False,
        confidential: bool | None = None,
        gives: Callable[[str], bool] = to_all,
        **options: object,
    ):
        """Open a store for somebody who has no seat."""
        keys = ReadingKeys((new_key()[0],))
        envelope = Envelope(self.federation, keys, lambda: self.cards)
        site = Site(
            FileStore(self.folder / name),
            self.federation,
            cards=lambda: self.cards,
            envelope=lambda: envelope,
            confidential=confidential,
            member=name,
            visits=visits,
            gives=gives,
        )
        made = P2pOptions(**{"listen": "127.0.0.1:0", **options}).open(site)  # type: ignore[arg-type]
        self._stores.append(made)
        return made

    def join(self, name: str, **options: object) -> PeerToPeerStore:
        """Open a store for a member, whose card is announced at once."""
        made: PeerToPeerStore = self.store(name, **options)
        self.cards = {**self.cards, name: made.card()}
        return made

    def close(self) -> None:
        for store in self._stores:
            store.close()


@contextmanager
def members(folder: Path) -> Iterator[Members]:
    made = Members(folder)
    try:
        yield made
    finally:
        made.close()

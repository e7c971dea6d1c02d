"""The store: any place that keeps bytes by their hash. Nothing that comes out of one is believed before it hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from rayfed.encoding.primitives import Address, Root
from rayfed.store.announces import Announces, Publishes
from rayfed.store.options import Site, StoreOptions
from rayfed.store.registry import KINDS, kind_of, options_of, split

__all__ = [
    "KINDS",
    "Announces",
    "PeerServer",
    "Publishes",
    "Serves",
    "Site",
    "Store",
    "StoreOptions",
    "kind_of",
    "options_of",
    "split",
    "visit",
]


class Store(Protocol):
    """Keeps blobs by their root. Safe to use from several threads."""

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob; storing the same one twice is no error.

        Raises:
            StoreError: the place is full, or refuses.
        """

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob of exactly ``size`` bytes, checked against ``root``; read-only.

        Args:
            root: what to fetch.
            size: how long it must be, known from the charter's layout; nothing longer is ever read into memory.
            holders: members that should have it, for stores in which peers serve each other.

        Raises:
            BlobMissing: nobody has it (yet).
            BlobCorrupt: what came back has another size or another hash.
            StoreError: the place does not answer.
        """

    def has(self, root: Root) -> bool:
        """Say whether ``get`` would find something without asking peers for its bytes."""

    def close(self) -> None:
        """Let go of connections."""


class PeerServer(Protocol):
    """The half of a store that answers peers, in stores whose nodes serve each other."""

    def blob(self, root: Root) -> object | None:
        """Return what a peer that asks for a blob is answered, or None if this node does not offer it."""

    def reveal(self, root: Root) -> None:
        """Let peers have this blob, if it is on the own disk: everybody may see it."""


@runtime_checkable
class Serves(Protocol):
    """What a store is besides, if its kind ``serves``."""

    @property
    def server(self) -> PeerServer:
        """What answers the peers of this node."""


@contextmanager
def visit(uri: str, site: Site, setting: str = "store") -> Iterator[Store]:
    """Open the place that a URI names, as somebody who is no node of the federation; close it afterwards.

    Args:
        uri: ``KIND:`` and what that kind makes of the rest; see ``StoreOptions.from_uri``.
        site: where from.
        setting: where the URI came from, for messages.

    Raises:
        ConfigError: it names nothing, or cannot be opened.
    """
    _, options, rest = split(uri, setting)
    with options.visit(rest, site) as store:
        yield store

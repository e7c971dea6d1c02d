"""Stores that need the members' cards: for how to reach them, or for keys to encrypt to."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rayfed.encoding.primitives import Root
from rayfed.store.card import Card


@runtime_checkable
class Announces(Protocol):
    """What such a store is besides. Whoever has a seat keeps ``card`` on the ledger, and often calls ``tend``."""

    def card(self) -> Card:
        """Return what others have to know of this node; it may change.

        Raises:
            StoreError: it is not known just now.
        """

    def tend(self) -> None:
        """Take note of others' cards, and return soon: what takes long happens in the background."""


@runtime_checkable
class Publishes(Protocol):
    """A store that keeps blobs for members, and can keep one for everybody."""

    def publish(self, root: Root, blob: memoryview) -> None:
        """Let everybody have a blob from now on. Raises as ``Store.put``."""

"""For whom a federation's blobs are encrypted, and with what a member opens them."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayfed.encoding import sealed
from rayfed.encoding.primitives import Address, Root
from rayfed.encoding.sealed import Opened
from rayfed.store.card import Cards, no_cards
from rayfed.store.confidential.reading_keys import ReadingKeys


def most_bytes(size: int) -> int:
    """Return how long a sealed blob of ``size`` bytes can be."""
    return sealed.sealed_bytes(size, sealed.MOST_RECIPIENTS)


@dataclass(frozen=True)
class Envelope:
    """How one member's blobs travel where others can read.

    Attributes:
        federation: the contract's address: a blob opens in its own federation only.
        keys: what this member reads with; None: somebody who can read nothing that is encrypted.
        cards: members' cards, whose keys blobs are encrypted to.
    """

    federation: Address
    keys: ReadingKeys | None = None
    cards: Cards = field(default=no_cards)

    def readers(self) -> list[bytes]:
        """Return the keys of all who may read now: who holds a seat and has announced one, and this member itself."""
        own = [self.keys.public] if self.keys is not None else []
        return list(dict.fromkeys([*own, *(card.key for card in self.cards().values() if card.key)]))

    def seal(self, root: Root, blob: memoryview, readers: list[bytes]) -> memoryview:
        """Return a blob, encrypted for these."""
        return sealed.seal(blob, readers, self._context(root))

    def unseal(self, root: Root, data: memoryview) -> Opened:
        """Return what this member can open; it is not yet known to be what its root names.

        Raises:
            SealedForOthers: nothing of it is for this member.
            BlobCorrupt: it is no sealed blob, or does not open with the key that was wrapped for this member.
        """
        return sealed.unseal(data, self.keys.privates if self.keys is not None else (), self._context(root))

    def _context(self, root: Root) -> bytes:
        return bytes.fromhex(self.federation.removeprefix("0x")) + root

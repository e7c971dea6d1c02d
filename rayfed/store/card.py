"""What a member says of how it can be reached, and by which key blobs are encrypted to it: its card on the ledger.

A card is at most 256 bytes: a mark, then fields of a tag, a length and a value. Of a tag that is not known nothing is
taken, and nothing at all of a card with another mark, or one that is damaged: anybody may announce anything. Nothing on
it is believed; bytes are checked by their root.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from threading import Lock
from typing import Protocol

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError

log = logging.getLogger(__name__)

MOST_BYTES = 256
"""What the contract takes."""

MARK = b"rf1"

LOOK_SECONDS = 1.0
"""How old the cards may be that a reader gives."""

_KEY, _ENDPOINT, _RELAY, _ADDRESS, _IPFS = range(1, 6)
_LENGTHS = {_KEY: 32, _ENDPOINT: 32}


@dataclass(frozen=True, slots=True)
class Card:
    """One member's card.

    Attributes:
        key: X25519 public key that blobs are encrypted to, 32 bytes; empty: none.
        endpoint: its iroh endpoint's id, an ed25519 public key of 32 bytes; empty: none.
        relay: URL of the iroh relay by which the endpoint can be reached; empty: none.
        ipfs: its Kubo's address, ``/ip4/.../p2p/ID``, or the peer id alone; empty: none.
        addresses: ``HOST:PORT`` of its iroh endpoint, the likeliest first; these are left out first where there is no
            room.
    """

    key: bytes = b""
    endpoint: bytes = b""
    relay: str = ""
    ipfs: str = ""
    addresses: tuple[str, ...] = ()

    def beside(self, other: Card) -> Card:
        """Return what both say; where both say something, this one."""
        return replace(other, **{item.name: value for item in fields(self) if (value := getattr(self, item.name))})

    def encode(self) -> bytes:
        """Return the card's bytes."""
        found = [(_KEY, self.key), (_ENDPOINT, self.endpoint), (_RELAY, self.relay.encode())]
        found += [(_IPFS, self.ipfs.encode()), *((_ADDRESS, address.encode()) for address in self.addresses)]
        text = MARK
        for tag, value in found:
            if value and len(value) < 256 and len(text) + 2 + len(value) <= MOST_BYTES:
                text += bytes((tag, len(value))) + value
        return text

    @classmethod
    def decode(cls, text: bytes) -> Card:
        """Return what a card says; an empty one if it is none of ours, or damaged."""
        if not text.startswith(MARK) or len(text) > MOST_BYTES:
            return cls()
        said: dict[int, list[bytes]] = {}
        at = len(MARK)
        while at < len(text):
            tag, length = text[at], text[at + 1] if at + 1 < len(text) else 256
            value = text[at + 2 : at + 2 + length]
            if len(value) != length or len(value) != _LENGTHS.get(tag, length):
                return cls()
            said.setdefault(tag, []).append(value)
            at += 2 + length
        try:
            relay, ipfs = (said.get(tag, [b""])[0].decode("ascii") for tag in (_RELAY, _IPFS))
            addresses = tuple(value.decode("ascii") for value in said.get(_ADDRESS, ()))
        except UnicodeDecodeError:
            return cls()
        return cls(said.get(_KEY, [b""])[0], said.get(_ENDPOINT, [b""])[0], relay, ipfs, addresses)


Cards = Callable[[], Mapping[Address, Card]]
"""Returns the cards of all who hold a seat by their addresses in lower case, as far as is known."""


class HasCards(Protocol):
    """The part of a ledger that cards are read from."""

    def cards(self) -> dict[Address, bytes]:
        """Return the latest card of each member that has announced one."""


class CardReader:
    """Reads cards from a ledger, at most once in ``LOOK_SECONDS``. Safe to use from several threads.

    Args:
        ledger: what is asked; while it does not answer, what it said last counts.
        seated: returns the accounts that hold a seat; others' cards do not count.
    """

    def __init__(self, ledger: HasCards, seated: Callable[[], Sequence[Address]]) -> None:
        self._ledger = ledger
        self._seated = seated
        self._lock = Lock()
        self._looked = float("-inf")
        self._found: dict[Address, Card] = {}

    def __call__(self) -> Mapping[Address, Card]:
        """See ``Cards``; while one thread asks the ledger, others are told what was known before."""
        if not self._lock.acquire(blocking=not self._found):
            return self._found
        try:
            if time.monotonic() >= self._looked + LOOK_SECONDS:
                try:
                    seated = {address.lower() for address in self._seated() if address}
                    told = {who.lower(): text for who, text in self._ledger.cards().items()}
                    self._found = {who: Card.decode(text) for who, text in told.items() if who in seated}
                except LedgerError as error:
                    log.info("members' cards: %s", error)
                self._looked = time.monotonic()
            return self._found
        finally:
            self._lock.release()


def no_cards() -> Mapping[Address, Card]:
    """Say that nothing is known of anybody."""
    return {}

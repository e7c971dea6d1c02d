"""Who may connect to a node, and how often: every limit is one peer's own, or one that members do not share."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.store.card import Cards

HANDSHAKE_SECONDS = 5.0

HANDSHAKES = 64
"""Peers at a time who have not proved yet who they are. From half of them on, whoever comes has first to show that it
is where it says, which costs nothing here."""

FROM_ONE_PLACE = 8
"""Of those, from one address; by a relay, of one endpoint."""

OF_ONE_PEER = 2
"""Connections: where there are more, the oldest is closed."""

OF_STRANGERS = 16
"""Connections of all together who are no members."""

STRANGERS_OF_ONE_PLACE = 4

STRANGER_SECONDS = 60.0
"""So long a stranger may stay where others wait: whoever looks for the final model, an auditor say, finds room."""

STREAMS = 16
"""Of one connection, at a time."""

WINDOW = 64 << 10
"""Bytes that a peer may send before they are read: requests are short."""

BUSY = 2
"""The code with which a connection is closed that is one too many."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Who has been let in.

    Attributes:
        peer: its endpoint's id.
        share: whose share of this node it uses: its own, or that of all strangers, since a stranger's id costs nothing.
    """

    peer: bytes
    share: bytes


STRANGERS = b""
"""Their share."""


@dataclass(slots=True)
class Visit:
    """A connection of a stranger's."""

    connection: Any
    where: object
    since: float


class Door:
    """Lets peers in. All of it runs in the loop's thread.

    Args:
        cards: the members'.
    """

    def __init__(self, cards: Cards) -> None:
        self._cards = cards
        self._waiting: Counter[object] = Counter()
        self._open: dict[bytes, deque[Any]] = {}
        self._visits: list[Visit] = []

    async def admits(self, incoming: Any) -> object | None:
        """Return from where somebody comes who may shake hands (say ``done`` then); None if that was refused."""
        where = _place(await incoming.remote_addr())
        waiting = self._waiting.total()
        if waiting >= HANDSHAKES or self._waiting[where] >= FROM_ONE_PLACE:
            await incoming.refuse()
            return None
        if waiting >= HANDSHAKES // 2 and not await incoming.remote_addr_validated():
            await incoming.retry()
            return None
        self._waiting[where] += 1
        return where

    def done(self, where: object) -> None:
        """Note that a handshake is over."""
        self._waiting[where] -= 1
        if not self._waiting[where]:
            del self._waiting[where]

    async def enter(self, connection: Any, where: object) -> Guest | None:
        """Return a peer that has shaken hands (say ``left`` in the end); None if it had to go."""
        peer = bytes(connection.remote_id().to_bytes())
        is_member = peer in await asyncio.to_thread(self.members)
        if not is_member and not self._has_room(where):
            connection.close(BUSY, b"too many")
            return None
        connection.set_max_concurrent_uni_streams(0)
        connection.set_max_concurrent_bi_streams(STREAMS)
        connection.set_receive_window(WINDOW)
        if not is_member:
            self._visits.append(Visit(connection, where, time.monotonic()))
        there = self._open.setdefault(peer, deque())
        there.append(connection)
        if len(there) > OF_ONE_PEER:
            there.popleft().close(BUSY, b"one of too many")
        return Guest(peer, peer if is_member else STRANGERS)

    def left(self, guest: Guest, connection: Any) -> None:
        """Note that a connection has ended."""
        self._visits = [visit for visit in self._visits if visit.connection is not connection]
        there = self._open.get(guest.peer, deque())
        if connection in there:
            there.remove(connection)
        if not there:
            self._open.pop(guest.peer, None)

    def _has_room(self, where: object) -> bool:
        """Say whether one more stranger may come in from there; who has stayed for long enough makes room."""
        if sum(visit.where == where for visit in self._visits) >= STRANGERS_OF_ONE_PLACE:
            return False
        if len(self._visits) < OF_STRANGERS:
            return True
        oldest = self._visits[0]
        if time.monotonic() < oldest.since + STRANGER_SECONDS:
            return False
        self._visits.remove(oldest)
        oldest.connection.close(BUSY, b"others wait")
        return True

    def accounts(self, peer: bytes) -> list[Address]:
        """Return the accounts of the members whose cards name a peer's endpoint; mostly one or none."""
        return [member for member, card in self._cards().items() if card.endpoint == peer]

    def members(self) -> set[bytes]:
        """Return the ids of members' endpoints."""
        return {card.endpoint for card in self._cards().values() if card.endpoint}


def _place(address: Any) -> object:
    """Return what tells one source of connections from another."""
    if address.is_ip():
        return str(address.addr).rpartition(":")[0]
    return bytes(address.endpoint_id.to_bytes()) if address.is_relay() else str(address)

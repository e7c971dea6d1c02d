"""Who may connect to a node, and how often: every limit is one peer's own, or one that members do not share."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Any

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

STREAMS = 16
"""Of one connection, at a time."""

WINDOW = 64 << 10
"""Bytes that a peer may send before they are read: requests are short."""

BUSY = 2
"""The code with which a connection is closed that is one too many."""


class Door:
    """Lets peers in. All of it runs in the loop's thread.

    Args:
        cards: the members'.
    """

    def __init__(self, cards: Cards) -> None:
        self._cards = cards
        self._waiting: Counter[object] = Counter()
        self._open: dict[bytes, deque[Any]] = {}

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

    async def enter(self, connection: Any) -> bytes | None:
        """Return the id of a peer that has shaken hands (say ``left`` in the end); None if it had to go."""
        peer = bytes(connection.remote_id().to_bytes())
        members = await asyncio.to_thread(self.members)
        if peer not in members:
            strangers = sum(len(there) for one, there in self._open.items() if one not in members)
            if strangers >= OF_STRANGERS:
                connection.close(BUSY, b"too many")
                return None
        connection.set_max_concurrent_uni_streams(0)
        connection.set_max_concurrent_bi_streams(STREAMS)
        connection.set_receive_window(WINDOW)
        there = self._open.setdefault(peer, deque())
        there.append(connection)
        if len(there) > OF_ONE_PEER:
            there.popleft().close(BUSY, b"one of too many")
        return peer

    def left(self, peer: bytes, connection: Any) -> None:
        """Note that a connection has ended."""
        there = self._open.get(peer, deque())
        if connection in there:
            there.remove(connection)
        if not there:
            self._open.pop(peer, None)

    def members(self) -> set[bytes]:
        """Return the ids of members' endpoints."""
        return {card.endpoint for card in self._cards().values() if card.endpoint}


def _place(address: Any) -> object:
    """Return what tells one source of connections from another."""
    if address.is_ip():
        return str(address.addr).rpartition(":")[0]
    return bytes(address.endpoint_id.to_bytes()) if address.is_relay() else str(address)

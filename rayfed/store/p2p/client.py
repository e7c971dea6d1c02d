"""The fetching half: blobs from members, who are found by their cards and believed by the root alone."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.store.card import Card, Cards
from rayfed.store.p2p import binding, loop
from rayfed.store.p2p.address import dialable, is_relay
from rayfed.store.p2p.server import ANSWER, HERE, LATER, NOT_FOR_YOU, REQUEST, SLOWEST, TRANSFERS
from rayfed.store.verified import short, verified, wrong_size

log = logging.getLogger(__name__)

CONNECT_SECONDS = 8.0
ANSWER_SECONDS = 8.0
STALL_SECONDS = 15.0
WHOLE_SECONDS = 30.0
"""What all of a transfer may take, beyond what a slow line takes for the bytes."""

READ = 1 << 20
WINDOW = 16 << 20

REST_SECONDS = 20.0
"""For so long a peer that did not answer, or gave something else, is asked last."""

FIRST_PAUSE = 2.0
"""A peer that has not answered twice in a row is not dialled for so long, and each time for twice as long, up to
``REST_SECONDS``: who is gone for good costs what it alone had, and not a wait for each blob of that."""

WORDS = {LATER: "is busy", NOT_FOR_YOU: "gives it to members only, and knows no card of this node"}


class NotGiven(Exception):
    """A peer did not give a blob; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A member as its card has it."""

    member: Address
    card: Card

    @property
    def key(self) -> tuple[Address, bytes]:
        """Who is to blame for what it does. Not its endpoint alone: a card may name somebody else's."""
        return self.member, self.card.endpoint


@dataclass(frozen=True, slots=True)
class _Silence:
    """When a peer has not answered last, until when it is not dialled, and for how long the next time; in seconds."""

    since: float
    until: float
    pause: float


class QuicClient:
    """Asks members for blobs. Safe to use from several threads.

    Args:
        federation: the contract's address.
        cards: the members'.
        own: id of the own endpoint, which is not asked.
    """

    def __init__(self, federation: Address, cards: Cards, own: bytes) -> None:
        self._federation = bytes.fromhex(federation.removeprefix("0x"))
        self._cards = cards
        self._own = own
        self._connections: dict[bytes, Any] = {}  # by endpoint, which has proved to be it, whosever card led there
        self._dialling: dict[tuple[Address, bytes], asyncio.Lock] = {}
        self._turns: dict[tuple[Address, bytes], asyncio.Semaphore] = {}
        self._rests: dict[tuple[Address, bytes], float] = {}
        self._silent: dict[tuple[Address, bytes], _Silence] = {}

    def fetch(self, endpoint: Any, root: Root, size: int, holders: Sequence[Address]) -> memoryview:
        """Return the blob, read-only and checked, from the first member that gives it.

        Args:
            endpoint: the own one.
            root: what to fetch.
            size: how long it must be.
            holders: members that should have it; none means all.

        Raises:
            BlobMissing: nobody gave it (yet).
        """
        why: list[str] = []
        for peer in self._order(self._cards(), holders):
            try:
                data = loop.run(self._ask(endpoint, peer, root, size))
                blob = verified(data, root, size, peer.member)
            except (NotGiven, BlobCorrupt) as error:
                log.info("%s", error)
                why.append(str(error))
                self._rests[peer.key] = time.monotonic() + REST_SECONDS
                continue
            self._rests.pop(peer.key, None)
            return blob
        reasons = "; ".join(dict.fromkeys(why)) or "no member that should have it has announced how it is reached"
        raise BlobMissing(f"blob {short(root)} is not to be had: {reasons}")

    def paths(self) -> dict[bytes, list[tuple[bool, bool, str]]]:
        """Return by endpoint id the ways to it: (whether it is used, whether by the relay, the address)."""
        return {
            peer: [(path.is_selected, path.is_relay, path.remote_addr) for path in connection.paths()]
            for peer, connection in self._connections.items()
        }

    def close(self) -> None:
        """Let go of the connections."""
        for connection in self._connections.values():
            connection.close(0, b"")
        self._connections.clear()

    def _order(self, cards: Mapping[Address, Card], holders: Sequence[Address]) -> list[Peer]:
        """Return whom to ask, in an order of each caller's own, so that not all ask the same one first; those who did
        not answer lately come last."""
        wanted = [holder.lower() for holder in holders] or list(cards)
        peers = [Peer(one, cards[one]) for one in dict.fromkeys(wanted) if one in cards and cards[one].endpoint]
        peers = [peer for peer in peers if peer.card.endpoint != self._own]
        random.shuffle(peers)
        now = time.monotonic()
        return sorted(peers, key=lambda peer: self._rests.get(peer.key, 0.0) > now)

    async def _ask(self, endpoint: Any, peer: Peer, root: Root, size: int) -> memoryview:
        began = time.monotonic()
        turns = self._turns.setdefault(peer.key, asyncio.Semaphore(TRANSFERS // 2))
        used: Any = None
        try:
            async with turns, asyncio.timeout(CONNECT_SECONDS + WHOLE_SECONDS + size / SLOWEST):
                used = await self._connection(endpoint, peer)
                return await self._read(peer, await used.open_bi(), root, size)
        except TimeoutError as error:
            self._drop(peer, used)
            self._note_silence(peer, began)
            raise NotGiven(f"{peer.member} takes too long") from error
        except binding.module().IrohError as error:
            self._drop(peer, used)
            self._note_silence(peer, began)
            raise NotGiven(f"{peer.member} does not answer ({binding.said(error)})") from error

    async def _connection(self, endpoint: Any, peer: Peer) -> Any:
        """Return the connection to a peer that there is, or a new one."""
        if (known := self._open(peer)) is not None:
            return known
        silence = self._silent.get(peer.key)
        if silence is not None and silence.until > time.monotonic():
            raise NotGiven(f"{peer.member} has just not answered")
        async with self._dialling.setdefault(peer.key, asyncio.Lock()):
            if (known := self._open(peer)) is not None:
                return known
            async with asyncio.timeout(CONNECT_SECONDS):
                made = await endpoint.connect(_address(peer), binding.ALPN)
            if (known := self._open(peer)) is not None:  # by another's card
                made.close(0, b"")
                return known
            made.set_max_concurrent_bi_streams(0)
            made.set_max_concurrent_uni_streams(0)
            made.set_receive_window(WINDOW)
            self._connections[peer.card.endpoint] = made
            return made

    def _open(self, peer: Peer) -> Any:
        known = self._connections.get(peer.card.endpoint)
        return known if known is not None and known.close_reason() is None else None

    async def _read(self, peer: Peer, stream: Any, root: Root, size: int) -> memoryview:
        send, receive = stream.send(), stream.recv()
        async with asyncio.timeout(ANSWER_SECONDS):
            await send.write_all(REQUEST.pack(b"G", self._federation, root))
            await send.finish()
            status, found = ANSWER.unpack(await receive.read_exact(ANSWER.size))
        self._silent.pop(peer.key, None)
        if status != HERE:
            raise NotGiven(f"{peer.member} {WORDS.get(status, 'has not got it')}")
        if found != size:
            await receive.stop(0)
            raise wrong_size(root, found, size, peer.member)
        room = np.empty(size, np.uint8)
        filled = 0
        while filled < size:
            async with asyncio.timeout(STALL_SECONDS):
                data = await receive.read(min(READ, size - filled))
            if not data:
                raise NotGiven(f"{peer.member} stopped in the middle of it")
            room[filled : filled + len(data)] = np.frombuffer(data, np.uint8)
            filled += len(data)
        return room.data

    def _note_silence(self, peer: Peer, began: float) -> None:
        """Take note that a peer has not answered; of what is asked side by side, once."""
        last, now = self._silent.get(peer.key), time.monotonic()
        if last is None:
            self._silent[peer.key] = _Silence(now, now, FIRST_PAUSE)
        elif began >= last.since:
            pause = min(last.pause, REST_SECONDS)
            self._silent[peer.key] = _Silence(now, now + pause, 2 * pause)

    def _drop(self, peer: Peer, used: Any) -> None:
        """Let go of the connection that something went wrong on; not of one that somebody else has since."""
        if used is not None:
            if self._connections.get(peer.card.endpoint) is used:
                del self._connections[peer.card.endpoint]
            used.close(0, b"")


def _address(peer: Peer) -> Any:
    """Return where a card says that an endpoint is.

    Raises:
        NotGiven: it says nothing that can be so.
    """
    iroh, card = binding.module(), peer.card
    relay, addresses = card.relay if is_relay(card.relay) else None, dialable(card.addresses)
    try:
        return iroh.EndpointAddr(iroh.EndpointId.from_bytes(card.endpoint), relay, addresses)
    except iroh.IrohError as error:
        raise NotGiven(f"{peer.member} has a card that leads nowhere ({binding.said(error)})") from error

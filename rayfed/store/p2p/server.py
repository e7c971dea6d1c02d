"""The serving half: what a node gives to whom, and how much of itself.

A peer is known by the id of its endpoint, an ed25519 key that it has proved to have; whose id it is, the members' cards
say. Every limit is a peer's own, so that one that takes all it can get, or drips, costs nobody else anything.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections import Counter, deque
from collections.abc import Callable
from threading import Lock
from typing import Any

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import StoreError
from rayfed.store.card import Cards
from rayfed.store.files.disk import FileStore
from rayfed.store.options import to_all
from rayfed.store.p2p import binding
from rayfed.store.p2p.door import HANDSHAKE_SECONDS, STRANGERS, Door, Guest
from rayfed.store.trim import Trim

log = logging.getLogger(__name__)

REQUEST = struct.Struct(">1s20s32s")
"""``G``, the federation, the root."""

ANSWER = struct.Struct(">BQ")
"""A status, and how many bytes follow."""

HERE, NOT_HERE, LATER, NOT_FOR_YOU = range(4)

CHUNK = 1 << 20
SLOWEST = 256 << 10
"""Bytes a second: who takes fewer, beyond ``WHOLE_SECONDS``, is left."""

REQUEST_SECONDS = 5.0
WHOLE_SECONDS = 30.0

TRANSFERS = 8
"""Of one peer, or of all strangers, at a time; an honest one asks for half as many, since an end is known there earlier
than here."""

AGAIN, AGAIN_TO_STRANGERS, AGAIN_SECONDS = 4, 32, 60.0
"""So often in so long a peer, or all strangers, are given the same blob."""


class QuicServer:
    """Serves a node's blobs from its own disk, but only those that it has offered. Follows ``PeerServer``.

    Args:
        local: the node's own disk.
        federation: the contract's address.
        cards: the members'; they are given what is offered.
        for_all: whether everybody is.
        gives: says whether a member is given anything.
    """

    def __init__(
        self,
        local: FileStore,
        federation: Address,
        cards: Cards,
        *,
        for_all: bool = False,
        gives: Callable[[Address], bool] = to_all,
    ) -> None:
        self._local = local
        self._federation = bytes.fromhex(federation.removeprefix("0x"))
        self._door = Door(cards)
        self._for_all = for_all
        self._gives = gives
        self._lock = Lock()
        self._offered: set[Root] = set()
        self._public: set[Root] = set()
        self._trim = Trim(local)
        self._transfers: Counter[bytes] = Counter()
        self._given: dict[tuple[bytes, Root], deque[float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what the node says ---------------------------------------------------------------------------------------

    def offer(self, root: Root) -> None:
        """Let members have this blob from now on (for an update: after COMMIT closed)."""
        with self._lock:
            self._offered.add(root)
            gone = self._trim.gone(self._offered)
            self._offered.difference_update(gone)
            self._public.difference_update(gone)

    def publish(self, root: Root) -> None:
        """Let everybody have it."""
        with self._lock:
            self._public.add(root)

    def reveal(self, root: Root) -> None:
        """See ``PeerServer``."""
        if self._local.has(root):
            self.offer(root)

    def blob(self, root: Root) -> None:
        """See ``PeerServer``: nothing; peers ask this server by QUIC, and no host."""

    # -- what peers ask -------------------------------------------------------------------------------------------

    async def run(self, endpoint: Any) -> None:
        """Take connections until the endpoint is closed."""
        while (incoming := await endpoint.accept_next()) is not None:
            self._start(self._take(incoming))

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.info("a peer: %s", binding.said(error))

    async def _take(self, incoming: Any) -> None:
        where = await self._door.admits(incoming)
        if where is None:
            return
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                connection = await (await incoming.accept()).connect()
        finally:
            self._door.done(where)
        guest = await self._door.enter(connection, where)
        if guest is None:
            return
        try:
            while True:
                self._start(self._answer(guest, await connection.accept_bi()))
        finally:
            self._door.left(guest, connection)

    async def _answer(self, guest: Guest, stream: Any) -> None:
        send, share = stream.send(), guest.share
        if self._transfers[share] >= TRANSFERS:
            await self._say(send, LATER)
            return
        self._transfers[share] += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                kind, federation, root = REQUEST.unpack(await stream.recv().read_exact(REQUEST.size))
            if kind != b"G" or federation != self._federation:
                await self._say(send, NOT_HERE)
                return
            status, view = await asyncio.to_thread(self._look, guest, root)
            if view is None:
                await self._say(send, status)
                return
            try:
                async with asyncio.timeout(WHOLE_SECONDS + view.nbytes / SLOWEST):
                    await send.write_all(ANSWER.pack(HERE, view.nbytes))
                    for start in range(0, view.nbytes, CHUNK):
                        await send.write_all(view[start : start + CHUNK])
                    await send.finish()
                    await send.stopped()
            except TimeoutError:
                await send.reset(LATER)
        finally:
            self._transfers[share] -= 1
            if not self._transfers[share]:
                del self._transfers[share]

    async def _say(self, send: Any, status: int) -> None:
        async with asyncio.timeout(REQUEST_SECONDS):
            await send.write_all(ANSWER.pack(status, 0))
            await send.finish()
            await send.stopped()

    def _look(self, guest: Guest, root: Root) -> tuple[int, memoryview | None]:
        with self._lock:
            public, offered = root in self._public, root in self._offered
        if not (public or offered):
            return NOT_HERE, None
        if not public and not self._for_all and guest.peer not in self._door.members():
            return NOT_FOR_YOU, None
        if not all(map(self._gives, self._door.accounts(guest.peer))):
            return NOT_HERE, None
        if self._too_often(guest.share, root):
            return LATER, None
        try:
            view = self._local.unverified(root)  # who asked will hash it
        except StoreError as error:
            log.warning("%s", error)
            view = None
        return (NOT_HERE, None) if view is None else (HERE, view)

    def _too_often(self, share: bytes, root: Root) -> bool:
        now, most = time.monotonic(), AGAIN_TO_STRANGERS if share == STRANGERS else AGAIN
        with self._lock:
            for key in [key for key, times in self._given.items() if now - times[-1] > AGAIN_SECONDS]:
                del self._given[key]
            times = self._given.setdefault((share, root), deque(maxlen=most))
            often = len(times) == most and now - times[0] <= AGAIN_SECONDS
            if not often:
                times.append(now)
            return often

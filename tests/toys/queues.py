"""A transport of another kind: hosts in one process, each with a thread that answers out of a queue. No Ray."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.runtime.transport import HostService
from rayfed.store.files import FileStore
from rayfed.store.verified import verified

SECONDS = 200.0

Work = tuple[Future[Any], str, tuple[Any, ...]]


class Hub:
    """Where the hosts of one federation hang their queues."""

    def __init__(self) -> None:
        self.queues: dict[str, queue.SimpleQueue[Work | None]] = {}

    def close(self) -> None:
        """Let all hosts' threads end."""
        for waiting in self.queues.values():
            waiting.put(None)


class QueueTransport:
    """Follows ``rayfed.runtime.transport.Transport``."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.name = name
        self._hub = hub

    def peers(self) -> Sequence[str]:
        return sorted(self._hub.queues.keys() - {self.name})

    def send(self, peer: str, method: str, *arguments: Any) -> bool:
        self.ask(peer, method, *arguments)
        return True

    def ask(self, peer: str, method: str, *arguments: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        self._hub.queues[peer].put((answer, method, arguments))
        return answer

    def serve(self, endpoint: HostService) -> None:
        mine: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._hub.queues[self.name] = mine
        threading.Thread(target=_answer, args=(endpoint, mine), daemon=True).start()

    def fetch(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        carries = {peer: self.ask(peer, "addresses").result(SECONDS) for peer in self.peers()}
        chosen = [peer for peer, addresses in carries.items() if not holders or set(holders) & set(addresses)]
        corrupt: BlobCorrupt | None = None
        for peer in chosen:
            blob = self.ask(peer, "blob", root).result(SECONDS)
            try:
                if blob is not None:
                    return verified(memoryview(blob), root, size, peer)
            except BlobCorrupt as error:
                corrupt = error
        raise corrupt or BlobMissing(f"no host has {root.hex()[:8]}")


def _answer(endpoint: HostService, mine: queue.SimpleQueue[Work | None]) -> None:
    while (work := mine.get()) is not None:
        answer, method, arguments = work
        try:
            answer.set_result(getattr(endpoint, method)(*arguments))
        except Exception as error:
            answer.set_exception(error)


class Shelf:
    """What a node serves by this transport: bytes, and only those that it has offered. Follows ``PeerServer``."""

    def __init__(self, disk: FileStore) -> None:
        self._disk = disk
        self._offered: set[Root] = set()

    def offer(self, root: Root) -> None:
        self._offered.add(root)

    def reveal(self, root: Root) -> None:
        if self._disk.has(root):
            self.offer(root)

    def blob(self, root: Root) -> bytes | None:
        view = self._disk.unverified(root) if root in self._offered else None
        return None if view is None else bytes(view)

"""Host actors for the tests of RayPeers: honest ones, and ones that answer with nonsense."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray

import rayfed
from rayfed.encoding import merkle
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.store.files import FileStore
from rayfed.store.ray import directory
from rayfed.store.ray.peers import RayPeers

SIZE = 64 * 4096
TREE = str(Path(rayfed.__path__[0]).parent)


def blob_of(seed: int, size: int = SIZE) -> tuple[bytes, memoryview]:
    data = np.random.default_rng(seed).integers(0, 256, size, np.uint8).data
    return merkle.root(data), data


def address(number: int) -> str:
    return f"0xAbCd{number:036d}"


def raises(error: Exception) -> object:
    raise error


class Bomb:
    """Something that cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return divmod, (1, 0)


ANSWERS: dict[str, tuple[Callable[[], object], type[Exception]]] = {
    "a word": (lambda: "blob", BlobCorrupt),
    "the bytes themselves": (lambda: bytes(SIZE), BlobCorrupt),
    "an empty list": (lambda: [], BlobCorrupt),
    "two references": (lambda: [ray.put(b""), ray.put(b"")], BlobCorrupt),
    "bytes and no array": (lambda: [ray.put(bytes(SIZE))], BlobCorrupt),
    "words": (lambda: [ray.put(np.array(["x"] * SIZE))], BlobCorrupt),
    "objects": (lambda: [ray.put(np.array([None] * SIZE))], BlobCorrupt),
    "wide items": (lambda: [ray.put(np.zeros(SIZE // 8))], BlobCorrupt),
    "two dimensions": (lambda: [ray.put(np.zeros((64, 4096), np.uint8))], BlobCorrupt),
    "every other byte": (lambda: [ray.put(np.zeros(2 * SIZE, np.uint8)[::2])], BlobCorrupt),
    "too much": (lambda: [ray.put(np.zeros(SIZE + 4096, np.uint8))], BlobCorrupt),
    "other bytes": (lambda: [ray.put(np.zeros(SIZE, np.uint8))], BlobCorrupt),
    "an exception": (lambda: raises(RuntimeError("a peer's trouble")), BlobMissing),
    "an exception of ours": (lambda: raises(BlobCorrupt("a peer's trouble")), BlobMissing),
    "an exception that ends threads": (lambda: raises(StopIteration()), BlobMissing),
    "what cannot be unpickled": (Bomb, BlobMissing),
    "a reference to what cannot be unpickled": (lambda: [ray.put(Bomb())], BlobMissing),
    "a reference to nothing": (lambda: [ray.ObjectRef.from_random()], BlobMissing),
    "nothing for an hour": (lambda: time.sleep(3600), BlobMissing),
}


class Host:
    def __init__(self, federation: str, disk: str, carries: Sequence[str]) -> None:
        self.store = RayPeers(FileStore(disk), federation)
        self.carries = list(carries)
        self.asked = 0

    def addresses(self) -> list[str]:
        return self.carries

    def blob(self, root: bytes) -> object:
        self.asked += 1
        return self.store.server.blob(root)

    def put(self, root: bytes, blob: bytes) -> None:
        self.store.put(root, memoryview(blob))

    def keep(self, root: bytes, blob: bytes) -> None:
        self.store.local.put(root, memoryview(blob))

    def offer(self, root: bytes) -> None:
        self.store.server.offer(root)

    def reveal(self, roots: Sequence[bytes]) -> None:
        for root in roots:
            self.store.server.reveal(root)

    def in_memory(self) -> int:
        return len(self.store.server.in_memory)

    def drop(self, root: bytes) -> None:
        self.store.server.drop(root)

    def carry(self, carries: Sequence[str]) -> None:
        self.carries = list(carries)

    def times_asked(self) -> int:
        return self.asked

    def fetch(self, root: bytes, size: int, holders: Sequence[str]) -> tuple[int, bytes]:
        view = self.store.get(root, size, holders)
        return os.getpid(), bytes(view[:8])

    def die(self) -> None:
        os._exit(1)


class Liar:
    """A host that answers ``blob`` with nonsense."""

    def __init__(self, carries: str) -> None:
        self.carries = carries
        self.answer = ""

    def addresses(self) -> list[str]:
        return [self.carries]

    def say(self, answer: str) -> None:
        self.answer = answer

    def blob(self, root: bytes) -> object:
        return ANSWERS[self.answer][0]()


class Crank:
    """A host that does not say whom it carries."""

    def __init__(self, says: object) -> None:
        self.says = says

    def addresses(self) -> object:
        if self.says == "raises":
            raise RuntimeError("a peer's trouble")
        if self.says == "hangs":
            time.sleep(3600)
        return self.says

    def blob(self, root: bytes) -> None:
        return None


class Federation:
    """A namespace of its own with hosts in it; host ``k`` carries ``address(k)``."""

    def __init__(self, number: int, disks: Path) -> None:
        self.address = f"0xFED{number:037d}"
        self.disks = disks
        self.hosts: list[Any] = []

    def start(self, number: int, *, restarts: int = 0, carries: Sequence[str] | None = None) -> Any:
        disk = str(self.disks / str(number))
        return self.add(number, Host, self.address, disk, carries or [address(number)], restarts=restarts)

    def add(self, number: int, kind: type, *arguments: object, restarts: int = 0) -> Any:
        options = {
            "name": directory.host_name(number),
            "namespace": directory.namespace(self.address),
            "num_cpus": 0,
            "max_concurrency": 4,
            "max_restarts": restarts,
        }
        host = ray.remote(kind).options(**options).remote(*arguments)
        self.hosts.append(host)
        return host

    def reader(self, name: str = "reader", **settings: float) -> RayPeers:
        return RayPeers(FileStore(self.disks / name), self.address, **settings)

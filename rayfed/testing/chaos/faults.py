"""How a node's own machine fails: it dies between any two operations, its disk is full, a power cut takes bytes."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import StoreError
from rayfed.node.journal import Journal
from rayfed.protocol.messages import Verb
from rayfed.store.files import FileStore


class Killed(BaseException):
    """The process dies here. No ``except Exception`` may outlive it, as none would outlive a SIGKILL."""


class Fuse:
    """Counts a node's operations, and kills it at the one that was chosen.

    Every operation burns it twice, before and after its effect; what writes a file also burns it half way through.
    """

    def __init__(self) -> None:
        self._left = 0
        self.operations = 0

    def light(self, operations: int) -> None:
        """Let the node die at the ``operations``-th moment from now."""
        self._left = operations

    @property
    def lit(self) -> bool:
        """Whether it burns."""
        return self._left > 0

    def burn(self) -> bool:
        """Say whether the node is to die at this very moment; only counts."""
        self.operations += 1
        if self._left == 0:
            return False
        self._left -= 1
        return self._left == 0

    def check(self) -> None:
        """Die, if it is time."""
        if self.burn():
            raise Killed


class FailingDisk(FileStore):
    """A node's own disk, on which it may die, and which may be full.

    Args:
        full: whether it has no room just now.
        written: where to note the roots, in the order in which they came; outlives the process, for ``power_cut``.
            (Times of files would not do: the kernel's clock takes steps of milliseconds, so that the order of two
            files would be another one in another run.)
    """

    def __init__(self, path: Path, fuse: Fuse, full: Callable[[], bool], written: list[Root]) -> None:
        super().__init__(path, setting="cluster.state_dir")
        self._fuse = fuse
        self._full = full
        self._written = written

    def put(self, root: Root, blob: memoryview) -> None:
        """See ``FileStore``."""
        self._fuse.check()
        if self._full():
            raise StoreError("cluster.state_dir: no room left for a blob: chaos")
        if self._fuse.burn():  # half written: what is there has no name yet
            (self.path / f".{root.hex()[:16]}.part").write_bytes(bytes(blob[: len(blob) // 2]))
            raise Killed
        if root not in self._written:
            self._written.append(root)
        super().put(root, blob)
        self._fuse.check()

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """See ``FileStore``."""
        self._fuse.check()
        return super().get(root, size, holders)


class FailingJournal(Journal):
    """A node's journal, in the middle of which it may die, and for which there may be no room."""

    def __init__(self, path: Path, fuse: Fuse, full: Callable[[], bool]) -> None:
        super().__init__(path)
        self._fuse = fuse
        self._full = full

    def say(self, round: int, verb: Verb, context: bytes, value: str, *, sync: bool = True) -> None:
        """See ``Journal``."""
        if self.said(round, verb, context) != value:
            self._fuse.check()
            if self._full():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.said(round, verb, context) is None and self._fuse.burn():
                entry = {"round": round, "verb": verb, "context": context.hex(), "value": value}
                line = json.dumps(entry).encode()
                self._file.write(line[: len(line) // 2])
                self._file.flush()
                raise Killed
        super().say(round, verb, context, value, sync=sync)
        self._fuse.check()


def power_cut(blobs: FileStore, written: Sequence[Root], random: Random) -> None:
    """Damage one of the newest blobs of a node that is down: the kernel had the bytes, the disk never got all of them.

    What was synced, the journal, stays.
    """
    files = [file for root in written if (file := blobs.file(root)).exists()][-3:]
    if not files:
        return
    file = random.choice(files)
    how = random.choice(("gone", "empty", "short", "zeros"))
    size = file.stat().st_size
    file_bytes = file.read_bytes()
    file.unlink()  # another node may have linked it: a disk's trouble is that disk's alone
    if how == "gone":
        return
    kept = {"empty": 0, "short": size // 2, "zeros": size // 2}[how]
    file.write_bytes(file_bytes[:kept] + bytes(size - kept if how == "zeros" else 0))

"""Places where copies of blobs lie: folders (a shared store's, or the nodes' own disks), and any ``Store``.

A folder is only ever read. What is in it may be anything: no link is followed, nothing is read that has not just the
size that the layout gives, and nothing is mapped that somebody else could still change.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np

from rayfed.encoding.merkle import LEAF
from rayfed.encoding.primitives import Address, Root
from rayfed.encoding.sealed import SealedForOthers, is_sealed
from rayfed.errors import BlobCorrupt, BlobMissing, ConfigError, StoreError
from rayfed.store import Site, Store, visit
from rayfed.store.card import Cards, no_cards
from rayfed.store.confidential.envelope import Envelope, most_bytes
from rayfed.store.confidential.reading_keys import ReadingKeys
from rayfed.store.files import FileStore
from rayfed.store.verified import verified

CHUNK = 1 << 18
"""Bytes compared at a time: two of them fit a second-level cache. A whole number of leaves."""

Room = Callable[[], memoryview]
"""Gives a writable buffer of a blob's size."""


class Copy(Protocol):
    """One copy of one blob. Both methods raise BlobMissing, BlobCorrupt (not the size) and StoreError."""

    @property
    def place(self) -> str:
        """Where it lies."""

    @property
    def verified(self) -> bool:
        """Whether ``read`` gives only bytes that hash to the root (and raises BlobCorrupt for others)."""

    def read(self, room: Room) -> memoryview:
        """Return the bytes, in memory that nobody else can write to."""

    def differs(self, good: memoryview) -> int | None:
        """Return the first leaf in which the copy is not as ``good``, or None if it is the same."""


class BlobPlace(Protocol):
    """Somewhere that may hold copies."""

    def copies(self, root: Root, size: int, holders: Sequence[Address]) -> Iterator[Copy]:
        """Yield what there is under a root."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as ``FileStore`` lays it out: ``<path>/<first two hex digits>/<root in hex>``."""

    path: Path
    envelope: Envelope | None = None

    def copies(self, root: Root, size: int, holders: Sequence[Address] = ()) -> Iterator[Copy]:
        """See ``BlobPlace``."""
        file = self.path / root.hex()[:2] / root.hex()
        if os.path.lexists(file):
            copy = FileCopy(file, size)
            encrypted = copy.encrypted_bytes() if self.envelope is not None else None
            if self.envelope is not None and encrypted is not None:
                yield SealedCopy(FileCopy(file, encrypted), root, size, self.envelope)
            else:
                yield copy


@dataclass(frozen=True, slots=True)
class FileCopy:
    """A file that should be a blob of ``size`` bytes."""

    file: Path
    size: int
    verified = False

    @property
    def place(self) -> str:
        """See ``Copy``."""
        return str(self.file)

    def read(self, room: Room) -> memoryview:
        """See ``Copy``."""
        with self._open() as handle:
            blob = room()
            self._fill(handle, blob)
        return blob

    def differs(self, good: memoryview) -> int | None:
        """See ``Copy``."""
        wanted = np.frombuffer(good, np.uint8)
        block = np.empty(min(CHUNK, self.size), np.uint8)
        with self._open() as handle:
            for start in range(0, self.size, CHUNK):
                part = block[: min(CHUNK, self.size - start)]
                self._fill(handle, part.data)
                if not np.array_equal(part, wanted[start : start + part.size]):
                    byte = start + int(np.argmax(part != wanted[start : start + part.size]))
                    return byte // LEAF
        return None

    def encrypted_bytes(self) -> int | None:
        """Return how long a file is that begins as an encrypted blob does, and might be one; None for any other."""
        try:
            status = os.stat(self.file, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or not self.size < status.st_size <= most_bytes(self.size):
                return None
            with open(self.file, "rb", opener=_plainly) as file:
                return status.st_size if is_sealed(file.read(8)) else None
        except OSError:
            return None  # reading it as a plain one says what is the matter

    @contextmanager
    def _open(self) -> Iterator[int]:
        try:
            handle = _plainly(str(self.file), os.O_RDONLY)
        except FileNotFoundError as error:
            raise BlobMissing("it has just been removed") from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise BlobCorrupt("this is a link, not a blob") from error
            raise StoreError(f"cannot be read: {error.strerror}") from error
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise BlobCorrupt("this is not a plain file")
            if status.st_size != self.size:
                raise BlobCorrupt(f"{status.st_size} bytes instead of {self.size}")
            yield handle
        finally:
            os.close(handle)

    def _fill(self, handle: int, part: memoryview) -> None:
        filled = 0
        while filled < part.nbytes:  # one read moves at most 2 GiB
            try:
                count = os.readv(handle, [part[filled:]])
            except OSError as error:
                raise StoreError(f"cannot be read: {error.strerror}") from error
            if count == 0:
                raise BlobCorrupt("it was cut while it was being read")
            filled += count


def _plainly(file: str, flags: int) -> int:
    """Open a file, follow no link, and wait for no pipe."""
    return os.open(file, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


@dataclass(frozen=True, slots=True)
class SealedCopy:
    """A file that should be a blob of ``size`` bytes, encrypted to a federation's members."""

    file: FileCopy
    root: Root
    size: int
    envelope: Envelope
    verified = True

    @property
    def place(self) -> str:
        """See ``Copy``."""
        return self.file.place

    def read(self, room: Room) -> memoryview:
        """See ``Copy``."""
        data = self.file.read(lambda: np.empty(self.file.size, np.uint8).data)
        try:
            return verified(self.envelope.unseal(self.root, data).blob, self.root, self.size, self.place)
        except SealedForOthers as error:
            raise StoreError("it is encrypted: --key-file with the reading keys of a member opens it") from error

    def differs(self, good: memoryview) -> int | None:
        """See ``Copy``."""
        self.read(lambda: good)
        return None


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A store, asked as a node would ask it; it checks the hash itself."""

    store: Store
    name: str

    def copies(self, root: Root, size: int, holders: Sequence[Address]) -> Iterator[Copy]:
        """See ``BlobPlace``."""
        yield StoreCopy(self, root, size, tuple(holders))


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """What a store gives for a root."""

    asked: StorePlace
    root: Root
    size: int
    holders: tuple[Address, ...]
    verified = True

    @property
    def place(self) -> str:
        """See ``Copy``."""
        return self.asked.name

    def read(self, room: Room) -> memoryview:
        """See ``Copy``."""
        return self.asked.store.get(self.root, self.size, self.holders)

    def differs(self, good: memoryview) -> int | None:
        """See ``Copy``. A store never gives bytes that hash to something else, so there is no leaf to name."""
        self.read(lambda: good)
        return None


def folders(path: Path, envelope: Envelope | None = None) -> list[Folder]:
    """Return the folders of blobs at or below a path: a store's own, or a run's output folder with its nodes' disks.

    Args:
        path: where to look.
        envelope: with what those are opened that are encrypted; None: they count as damaged.

    Raises:
        ConfigError: there is none.
    """
    if not path.is_dir():
        raise ConfigError("--store", f"there is no folder {path}")
    found = {blob.parent.parent for blob in path.rglob("?" * 64) if blob.parent.name == blob.name[:2]}
    if not found:
        raise ConfigError("--store", f"there is no blob in {path} or below it")
    return [Folder(folder, envelope) for folder in sorted(found)]


@contextmanager
def opened(
    uri: str, federation: Address, keys: ReadingKeys | None = None, cards: Cards = no_cards
) -> Iterator[list[BlobPlace]]:
    """Open what a URI names: all folders of blobs at or below ``files:PATH``, any other kind of store by its own.

    Args:
        uri: as in ``rayfed.store.visit``.
        federation: the contract's address.
        keys: of a member, for what is encrypted.
        cards: the members'.

    Raises:
        ConfigError: there is no such kind of store, it cannot be opened, or there is no blob in the folder.
    """
    envelope = Envelope(federation, keys, cards)
    kind, _, rest = uri.partition(":")
    if kind == "files" and rest:
        yield [*folders(Path(rest).expanduser(), envelope)]
        return
    with (
        TemporaryDirectory(prefix="rayfed-audit-") as folder,
        visit(uri, Site(FileStore(folder), federation, None, cards, lambda: envelope, visits=True), "--store") as store,
    ):
        yield [StorePlace(store, uri.partition("?")[0])]

"""A store that others can read, with its blobs encrypted to the federation's members."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Protocol

from rayfed.encoding.primitives import Address, Root
from rayfed.encoding.sealed import SealedForOthers
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.store.announces import Announces
from rayfed.store.card import Card
from rayfed.store.confidential.envelope import Envelope, most_bytes
from rayfed.store.confidential.reading_keys import FILE
from rayfed.store.files.disk import FileStore
from rayfed.store.verified import short, verified

log = logging.getLogger(__name__)

REMEMBERED = 8
"""Blobs that are encrypted anew where somebody comes to hold a seat, besides two for each reader: those of the last
round, of this one, and the models that they rest on."""


class OpenPlace(Protocol):
    """A place that keeps bytes by a root, and does not look at what they are. Safe to use from several threads."""

    def lay(self, root: Root, data: memoryview) -> None:
        """Keep bytes under a root; what this member laid there before is replaced.

        Raises:
            StoreError: the place is full, does not answer, or refuses.
        """

    def take(self, root: Root, most: int, holders: Sequence[Address]) -> Iterator[tuple[str, memoryview]]:
        """Yield (where it lies, bytes) of all that lies under a root, and is no longer than ``most`` bytes. Whoever
        asks for the next one could do nothing with the one before.

        Raises:
            StoreError: the place does not answer or refuses.
        """

    def has(self, root: Root) -> bool:
        """Say whether this member need not lay anything there."""

    def close(self) -> None:
        """Let go of connections."""


class SealedStore:
    """Keeps blobs on a shelf, encrypted to all who hold a seat and have announced a key.

    Roots are those of the plaintext: what is opened is hashed, as everywhere. Anybody may have laid anything under a
    root, so what does not open, or opens to something else, is nobody's proof against anybody: it is missing.

    Whoever opens a blob sees whether all others can (``Opened.left_out``). Where one cannot, it lays it there anew when
    it is next asked to give it; and what it has given lately it encrypts anew as soon as somebody else may read it.

    Args:
        shelf: where the bytes are.
        envelope: for whom they are encrypted, and with what they are opened.
        disk: the member's own, which has in plaintext what it gives.
        blames: whether nobody but those who keep the shelf could have laid there what is wrong, and whoever asks wants
            to know of it: an auditor of a bucket.
    """

    def __init__(self, shelf: OpenPlace, envelope: Envelope, disk: FileStore, *, blames: bool = False) -> None:
        self._shelf = shelf
        self._envelope = envelope
        self._disk = disk
        self._blames = blames
        self._lock = threading.Lock()
        self._given: OrderedDict[Root, tuple[frozenset[bytes], int]] = OrderedDict()  # readers, size
        self._left_out: set[Root] = set()
        self._tending = threading.Lock()

    def __repr__(self) -> str:
        return f"SealedStore({self._shelf!r})"

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob for those who may read it now. Raises as ``Store.put``."""
        readers = self._envelope.readers()
        self._shelf.lay(root, self._envelope.seal(root, blob, readers))
        with self._lock:
            self._left_out.discard(root)
            self._given[root] = frozenset(readers), blob.nbytes
            self._given.move_to_end(root)
            while len(self._given) > REMEMBERED + 2 * len(readers):
                self._given.popitem(last=False)

    def publish(self, root: Root, blob: memoryview) -> None:
        """Keep a blob for everybody: as it is. Raises as ``Store.put``."""
        self._shelf.lay(root, blob.cast("B"))
        with self._lock:
            self._given.pop(root, None)

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob, read-only and checked.

        Raises:
            BlobMissing: it is not there, is something else, or does not open with this member's keys.
            BlobCorrupt: it is something else, and that is to be told.
            SealedForOthers: it takes a member's keys to open it, and there are none.
            StoreError: the place does not answer or refuses.
        """
        why: list[str] = []
        closed = False
        for source, data in self._shelf.take(root, most_bytes(size), holders):
            try:
                return self._read(root, data, size, source)
            except SealedForOthers:
                closed = True
                why.append(f"{source} has it encrypted to others than this member")
            except BlobCorrupt as error:
                log.warning("%s", error)
                why.append(str(error))
        if closed and self._envelope.keys is None:
            raise SealedForOthers(
                f"blob {short(root)} is encrypted to the federation's members: a member's {FILE} opens it "
                "(store.key_file; --key-file for an audit)"
            )
        reasons = "; ".join(dict.fromkeys(why)) or f"it is not in {self._shelf!r}"
        if why and not closed and self._blames:
            raise BlobCorrupt(reasons)
        raise BlobMissing(f"blob {short(root)} is not to be had: {reasons}")

    def has(self, root: Root) -> bool:
        """Say whether it is there, as far as is known for all who may read it. Raises as ``Store.has``."""
        with self._lock:
            if root in self._left_out:
                return False
        return self._shelf.has(root)

    def card(self) -> Card:
        """See ``Announces``."""
        below = self._shelf.card() if isinstance(self._shelf, Announces) else Card()
        return Card(key=self._envelope.keys.public).beside(below) if self._envelope.keys is not None else below

    def tend(self) -> None:
        """See ``Announces``: what was given lately is encrypted anew where somebody else may read it by now."""
        if self._tending.acquire(blocking=False):
            readers = set(self._envelope.readers())
            with self._lock:
                due = [(root, size) for root, (before, size) in self._given.items() if readers - before]
            if due:
                threading.Thread(target=self._give_anew, args=(due,), name="rayfed-reseal", daemon=True).start()
            else:
                self._tending.release()

    def close(self) -> None:
        """Let go of connections."""
        self._shelf.close()

    def _read(self, root: Root, data: memoryview, size: int, source: str) -> memoryview:
        if data.nbytes == size:
            return verified(data, root, size, source)  # it is there for everybody
        opened = self._envelope.unseal(root, data)
        blob = verified(opened.blob, root, size, source)
        if opened.left_out(self._envelope.readers()):
            with self._lock:
                self._left_out.add(root)
        return blob

    def _give_anew(self, due: Sequence[tuple[Root, int]]) -> None:
        try:
            for root, size in due:
                self._give_again(root, size)
        finally:
            self._tending.release()

    def _give_again(self, root: Root, size: int) -> None:
        try:
            self.put(root, self._disk.get(root, size))
        except (BlobMissing, BlobCorrupt):
            with self._lock:
                self._given.pop(root, None)  # the own disk has let go of it
        except StoreError as error:
            log.warning("%s; somebody who has just joined cannot read blob %s from here yet", error, short(root))

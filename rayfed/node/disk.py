"""A node's own blobs: on its disk, checked, and kept for as long as somebody may ask for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from threading import Lock

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Root
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.node.memo import Memo
from rayfed.store.files import FileStore
from rayfed.store.verified import wrong_size

HELD = "held.json"
"""Beside the blobs: which of them have to stay, by the round that rests on them, and which are there for that alone."""


class OwnDisk:
    """The one place that a node's rounds and its watchtower share. Safe to use from several threads.

    Args:
        files: where the blobs lie.
        size: of a model, in bytes.
        memo: shared with the other nodes of the process.
        update_size: of an update, in bytes; None: as a model's.
    """

    def __init__(self, files: FileStore, size: int, memo: Memo, update_size: int | None = None) -> None:
        self.files = files
        self.size = size
        self.update_size = update_size or size
        self._memo = memo
        self._lock = Lock()
        self._list = files.path / HELD
        self._held = self._noted()

    def read(self, root: Root, size: int | None = None) -> memoryview:
        """Return a blob, read-only and checked.

        Args:
            root: of the blob.
            size: its bytes; None: a model's.

        Raises:
            BlobMissing: it is not here.
            BlobCorrupt: it is not whole.
            StoreError: the disk refuses.
        """
        return self.remembered(root, size or self.size, lambda wanted: self.files.get(root, wanted))

    def own(self, root: Root, size: int | None = None) -> memoryview | None:
        """Return a blob, or None if it is not here or not whole: after a power cut, say.

        Args:
            root: of the blob.
            size: its bytes; None: whichever of a model's and an update's it has.
        """
        for wanted in (size,) if size else dict.fromkeys((self.size, self.update_size)):
            try:
                return self.read(root, wanted) if self.files.has(root) else None
            except (BlobMissing, BlobCorrupt):
                continue
        return None

    def beside(self, root: Root, disks: Sequence[FileStore], size: int) -> memoryview | None:
        """Return a blob of this size from one of the disks of the process's other nodes, or None."""
        for files in disks:
            try:
                return self.remembered(root, size, partial(files.get, root))
            except (BlobMissing, BlobCorrupt):
                continue
        return None

    def remembered(self, root: Root, size: int, get: Callable[[int], memoryview]) -> memoryview:
        """Return a blob that the process remembers, or else what ``get`` gives.

        Raises:
            BlobCorrupt: what is remembered has another size: somebody committed to a model for its update, say.
        """
        return of_size(root, self._memo.get(("blob", root), lambda: get(size), len), size)

    def keep(self, blob: memoryview) -> Root:
        """Keep a blob and return its root.

        Raises:
            StoreError: the disk is full.
        """
        root = merkle.root(blob)
        self.put(root, blob)
        return root

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep what was hashed just now; who wants it in this process need not read and hash it again.

        Raises:
            StoreError: the disk is full.
        """
        first = self._memo.keep(("disk", root), self.files)
        # What several nodes of a process keep alike, a merge, lies on their disk once, under a name for each.
        if first is self.files or not self.files.link(root, first):
            self.files.put(root, blob)
        self._memo.keep(("blob", root), blob.toreadonly(), blob.nbytes)

    # -- what must stay -----------------------------------------------------------------------------------------------

    @property
    def held(self) -> frozenset[int]:
        """Rounds of which something has to stay."""
        with self._lock:
            return frozenset(self._held)

    def hold(self, round: int, blobs: Mapping[Root, memoryview]) -> None:
        """Keep what a round rests on, others' updates too, until ``release``: whoever has an update gives it to whoever
        lacks it, and whoever attested a merge proves it.

        Raises:
            StoreError: the disk is full.
        """
        with self._lock:
            held = self._held.setdefault(round, {})
            lacking = [root for root in blobs if not self.files.has(root)]
            if not held.keys() >= blobs.keys():
                news = {root: root in lacking or self._is_guest(root) for root in blobs if root not in held}
                self._held[round] = held | news
                try:
                    self._note()
                except StoreError:
                    self._held[round] = held  # what is not written down is tried again
                    raise
        for root in lacking:
            self.put(root, blobs[root])

    def release(self, rounds: Iterable[int]) -> None:
        """Let go of rounds in which nothing can be judged any more: what was kept for them alone is removed.

        Raises:
            StoreError: the disk refuses.
        """
        with self._lock:
            gone = [self._held.pop(round, {}) for round in rounds]
            guests = {root for held in gone for root, is_guest in held.items() if is_guest}
            if any(gone):
                self._note()
            if guests:
                self.files.remove(guests - self._kept())

    def prune(self, keep: set[Root]) -> None:
        """Remove all blobs but these, and those that somebody may still ask for (see ``hold``)."""
        with self._lock:
            self.files.prune(keep | self._kept())

    def _is_guest(self, root: Root) -> bool:
        """Whether a blob is here for some round alone."""
        return any(held.get(root, False) for held in self._held.values())

    def _kept(self) -> set[Root]:
        return set().union(*self._held.values())

    def _note(self) -> None:
        """Write down what is held, so that a node that is started again keeps it, and lets go of it."""
        text = json.dumps(
            {str(round): {root.hex(): guest for root, guest in held.items()} for round, held in self._held.items()}
        )
        try:
            aside = self._list.with_suffix(".part")
            aside.write_text(text)
            aside.replace(self._list)
        except OSError as error:
            raise StoreError(f"cannot write to {self._list}: {error.strerror}") from error

    def _noted(self) -> dict[int, dict[Root, bool]]:
        """Read that again; a file that a power cut has damaged counts as nothing."""
        try:
            noted = json.loads(self._list.read_text())
            return {
                int(round): {bytes.fromhex(root): bool(guest) for root, guest in held.items()}
                for round, held in noted.items()
            }
        except (FileNotFoundError, ValueError, AttributeError):
            return {}


def of_size(root: Root, blob: memoryview, size: int) -> memoryview:
    """Return a blob if it has this size.

    Raises:
        BlobCorrupt: it has another one.
    """
    if blob.nbytes != size:
        raise wrong_size(root, blob.nbytes, size, "this node")
    return blob

"""A node's own blobs: on its disk, checked, and kept for as long as somebody may ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from threading import Lock

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Root
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.node.memo import Memo
from rayfed.store.files import FileStore


class OwnDisk:
    """The one place that a node's rounds and its watchtower share. Safe to use from several threads.

    Args:
        files: where the blobs lie.
        size: of every blob, in bytes.
        memo: shared with the other nodes of the process.
    """

    def __init__(self, files: FileStore, size: int, memo: Memo) -> None:
        self.files = files
        self.size = size
        self._memo = memo
        self._lock = Lock()
        self._held: dict[int, set[Root]] = {}

    def read(self, root: Root) -> memoryview:
        """Return a blob, read-only and checked.

        Raises:
            BlobMissing: it is not here.
            BlobCorrupt: it is not whole.
            StoreError: the disk refuses.
        """
        return self._memo.get(("blob", root), lambda: self.files.get(root, self.size), len)

    def own(self, root: Root) -> memoryview | None:
        """Return a blob, or None if it is not here or not whole: after a power cut, say."""
        try:
            return self.read(root) if self.files.has(root) else None
        except (BlobMissing, BlobCorrupt):
            return None

    def beside(self, root: Root, disks: Sequence[FileStore]) -> memoryview | None:
        """Return a blob from one of the disks of the process's other nodes, or None."""
        for files in disks:
            try:
                return self._memo.get(("blob", root), partial(files.get, root, self.size), len)
            except (BlobMissing, BlobCorrupt):
                continue
        return None

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

    def hold(self, round: int, blobs: Mapping[Root, memoryview]) -> None:
        """Keep what a round rests on, others' updates too, until ``release``: whoever attested a merge vouches for it.

        Raises:
            StoreError: the disk is full.
        """
        with self._lock:
            self._held.setdefault(round, set()).update(blobs)
        for root, blob in blobs.items():
            if not self.files.has(root):
                self.put(root, blob)

    def release(self, round: int) -> None:
        """Rounds up to this one cannot be challenged any more."""
        with self._lock:
            self._held = {number: roots for number, roots in self._held.items() if number > round}

    def prune(self, keep: set[Root]) -> None:
        """Remove all blobs but these, and those that somebody may still ask for (see ``hold``)."""
        with self._lock:
            self.files.prune(keep.union(*self._held.values()))

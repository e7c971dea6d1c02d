"""A node's way to blobs: its own disk, then its peers' store. All bytes are checked; what is missing has a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobComing, BlobCorrupt, StoreError
from rayfed.node.disk import OwnDisk, of_size
from rayfed.node.memo import Memo
from rayfed.node.recent import Recent
from rayfed.store import Publishes, Serves, Store
from rayfed.store.files import FileStore

PUBLISHED = 8_192
"""Roots that are known to be given to peers already: more than the largest roster has in all open rounds."""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of looking for a blob.

    Attributes:
        blob: the whole of it, checked; None if it is not to be had now.
        reason: why not, in a line.
        is_final: whether asking again is in vain: what its holder gave is not what its root says.
        is_coming: whether it is on its way.
    """

    blob: memoryview | None
    reason: str = ""
    is_final: bool = False
    is_coming: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What came of offering a blob to peers.

    Attributes:
        is_done: whether there is nothing left to try: it is offered, or can never be.
        reason: in a line, why it is not offered.
    """

    is_done: bool
    reason: str = ""


class BlobRepository:
    """Finds and publishes blobs. Nothing in it but the disk and the memo is shared: each thread has its own.

    Args:
        disk: the node's own.
        store: where blobs travel.
        memo: shared with the other nodes of the process.
        beside: disks of the process's other nodes: what lies there need not be asked for.
        waits: how many seconds to wait for a blob that is on its way, which may drip; it goes on coming meanwhile, for
            whoever asks again. None: until it is there, or is not to be had.
    """

    def __init__(
        self,
        disk: OwnDisk,
        store: Store,
        memo: Memo,
        beside: Sequence[FileStore] = (),
        waits: float | None = None,
    ) -> None:
        self.disk = disk
        self.waits = waits
        self._store = store
        self._memo = memo
        self._beside = beside
        self._published: Recent[Root] = Recent(PUBLISHED)

    def own(self, root: Root) -> memoryview | None:
        """Return a blob from the own disk, or None if it is not there whole."""
        return self.disk.own(root)

    def keep(self, blob: memoryview) -> Root:
        """Keep a blob on the own disk and return its root; see ``OwnDisk.keep``."""
        return self.disk.keep(blob)

    def at_hand(self, root: Root) -> memoryview | None:
        """Return an update that this process has in memory, checked, or None; nothing is waited for."""
        blob: memoryview | None = self._memo.at_hand(("blob", root))
        return blob if blob is not None and blob.nbytes == self.disk.update_size else None

    def find(self, root: Root, holders: Sequence[Address], *, at_once: bool = False, size: int | None = None) -> Found:
        """Return an update from the own disk, from the disks beside, or from a peer among ``holders``.

        Args:
            at_once: not to wait at all where ``waits`` says for how long.
            size: its bytes; None: an update's.
        """
        try:
            size = size or self.disk.update_size
            blob = self.disk.own(root, size)
            return Found(self._elsewhere(root, holders, size, at_once) if blob is None else blob)
        except BlobCorrupt as error:
            return Found(None, str(error), is_final=True)
        except StoreError as error:
            return Found(None, str(error), is_coming=isinstance(error, BlobComing))

    def obtain(self, root: Root, holders: Sequence[Address]) -> Found:
        """Do the same with a model, and have it on the own disk afterwards."""
        try:
            blob = self.disk.own(root, self.disk.size)
            if blob is None:
                blob = self._elsewhere(root, holders, self.disk.size)
                self.disk.files.put(root, blob)
            return Found(blob)
        except StoreError as error:
            return Found(None, str(error))

    def _elsewhere(self, root: Root, holders: Sequence[Address], size: int, at_once: bool = False) -> memoryview:
        blob = self.disk.beside(root, self._beside, size)
        if blob is not None:
            return blob
        waits = 0.0 if at_once and self.waits is not None else self.waits
        blob = self._memo.within(waits, ("blob", root), lambda: self._store.get(root, size, holders), len)
        if blob is None:
            raise BlobComing(f"blob {root.hex()[:12]} is still on its way")
        return of_size(root, blob, size)

    def publish(self, root: Root, change: Callable[[memoryview], memoryview | None] = lambda blob: blob) -> Published:
        """Give peers what is on the own disk, once.

        Args:
            change: what a dishonest node would rather give; None is nothing.

        What the own disk has lost cannot be given, now or later: peers do without it.
        """
        if root in self._published:
            return Published(True)
        blob = self.disk.own(root)
        if blob is None:
            return Published(True, f"{root.hex()[:12]}: the own disk has lost it")
        try:
            offered = change(blob)
            if offered is not None:
                self._store.put(root, offered)
        except StoreError as error:
            return Published(False, str(error))
        self._published.add(root)
        return Published(True)

    def open_to_all(self, root: Root) -> Published:
        """Let everybody have what is on the own disk, where the store keeps blobs for members otherwise."""
        blob = self.disk.own(root)
        if not isinstance(self._store, Publishes) or blob is None:
            return Published(True)
        try:
            self._store.publish(root, blob)
        except StoreError as error:
            return Published(False, str(error))
        self._published.add(root)
        return Published(True)

    def reveal(self, roots: Iterable[Root]) -> None:
        """Give peers those of these that lie on the own disk, where nodes serve each other; another store has them."""
        if isinstance(self._store, Serves):
            for root in roots:
                self._store.server.reveal(root)

    def give(self, root: Root, blob: memoryview) -> Published:
        """Give peers another member's update, which lies on the own disk, once; what is there for all is left alone."""
        if root in self._published:
            return Published(True)
        try:
            if isinstance(self._store, Serves):
                self._store.server.reveal(root)
            elif not self._store.has(root):
                self._store.put(root, blob)
        except StoreError as error:
            return Published(False, str(error))
        self._published.add(root)
        return Published(True)

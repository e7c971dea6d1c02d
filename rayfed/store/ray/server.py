"""The serving half of ``ray_peers``: what a host actor answers its peers with."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import ray

from rayfed.encoding.primitives import Root
from rayfed.store.files import FileStore
from rayfed.store.trim import Trim


class BlobServer:
    """Serves blobs from a node's own disk, but only those that the node has offered.

    An update must not be seen before COMMIT closes, or a peer could commit to a copy of it; so being on the disk is
    not enough. What was offered is a matter of this process: a node that starts again offers again what the ledger
    says it should serve.

    Each blob is put into Ray's object store once, when it is first asked for. All peers then read the same memory on
    this machine, and Ray copies it once to each other machine.

    Invariant: at most ``keep`` blobs are in Ray's memory because of this node; the oldest offer leaves it first, and is
    put there again when it is asked for: what a round rests on may be asked for as long as it can be judged.

    Args:
        local: the node's own disk.
        keep: how many blobs to have in memory: a node's update, the merge, and the ones before them.
    """

    def __init__(self, local: FileStore, keep: int = 4) -> None:
        if keep < 1:
            raise ValueError("a server that keeps nothing in memory serves nothing")
        self._local = local
        self._keep = keep
        self._lock = threading.Lock()
        self._offered: OrderedDict[Root, ray.ObjectRef[np.ndarray] | None] = OrderedDict()
        self._trim = Trim(local)

    @property
    def in_memory(self) -> list[Root]:
        """What is in Ray's memory because of this node, the oldest offer first."""
        return [root for root, reference in self._offered.items() if reference is not None]

    def offer(self, root: Root) -> None:
        """Let peers have this blob from now on (for an update: after COMMIT closed)."""
        with self._lock:
            self._offered.setdefault(root)
            self._offered.move_to_end(root)
            self._let_go()

    def reveal(self, root: Root) -> None:
        """Let peers have this blob, if it is on the own disk: everybody may see it."""
        with self._lock:
            if root not in self._offered and self._local.has(root):
                self._offered[root] = None
                self._let_go()

    def blob(self, root: Root) -> list[ray.ObjectRef[np.ndarray]] | None:
        """Return where the blob lies in Ray's object store, or None if this node does not offer it or has lost it.

        The reference comes in a list, because Ray replaces a bare one in an answer by what it refers to.

        Raises:
            StoreError: the node's disk refuses.
            ray.exceptions.ObjectStoreFullError: Ray has no room left.
        """
        # One caller at a time, so that peers who ask together do not each cause a copy.
        with self._lock:
            if root not in self._offered:
                return None
            reference = self._offered[root]
            if reference is None:
                view = self._local.unverified(root)  # who asked will hash it anyway
                if view is None:
                    return None
                reference = self._offered[root] = ray.put(np.frombuffer(view, np.uint8))
                for old in self.in_memory[: -self._keep]:
                    self._offered[old] = None
            return [reference]

    def drop(self, root: Root) -> None:
        """Stop serving a blob; peers that already hold it keep it."""
        with self._lock:
            self._offered.pop(root, None)

    def _let_go(self) -> None:
        for root in self._trim.gone(self._offered):
            del self._offered[root]

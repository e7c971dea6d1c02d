"""A store in memory."""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing


class MemoryStore:
    """Blobs in a dictionary, checked on every read like any store's."""

    def __init__(self) -> None:
        self.blobs: dict[Root, bytes] = {}

    def put(self, root: Root, blob: memoryview) -> None:
        """See ``Store``."""
        self.blobs.setdefault(root, bytes(blob))

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """See ``Store``."""
        blob = self.blobs.get(root)
        if blob is None:
            raise BlobMissing(f"nobody has {root.hex()}")
        if len(blob) != size or merkle.root(blob) != root:
            raise BlobCorrupt(f"the bytes kept under {root.hex()} are not the ones that were committed")
        return memoryview(blob)

    def has(self, root: Root) -> bool:
        """See ``Store``."""
        return root in self.blobs

    def close(self) -> None:
        """Nothing to let go of."""

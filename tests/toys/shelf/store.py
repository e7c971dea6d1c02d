"""The toy store itself."""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobMissing
from rayfed.store.verified import verified

SHELVES: dict[str, dict[Root, bytes]] = {}


class ShelfServer:
    """Shows what lies on one shelf, once it is revealed."""

    def __init__(self, kept: dict[Root, bytes]) -> None:
        self._kept = kept
        self.revealed: set[Root] = set()

    def blob(self, root: Root) -> object | None:
        """See ``PeerServer``."""
        return self._kept.get(root) if root in self.revealed else None

    def reveal(self, root: Root) -> None:
        """See ``PeerServer``."""
        self.revealed.add(root)


class ShelfStore:
    """Blobs on a shelf."""

    def __init__(self, name: str) -> None:
        self._kept = SHELVES.setdefault(name, {})
        self.server = ShelfServer(self._kept)

    def put(self, root: Root, blob: memoryview) -> None:
        """See ``Store``."""
        self._kept.setdefault(root, bytes(blob))

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """See ``Store``."""
        if root not in self._kept:
            raise BlobMissing(f"nothing on the shelf under {root.hex()}")
        return verified(memoryview(self._kept[root]), root, size, "the shelf")

    def has(self, root: Root) -> bool:
        """See ``Store``."""
        return root in self._kept

    def close(self) -> None:
        """Nothing to let go of."""

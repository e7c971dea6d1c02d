"""The one gate through which every byte of every store passes on its way in."""

from __future__ import annotations

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Root
from rayfed.errors import BlobCorrupt


def short(root: Root) -> str:
    """Return the first eight hex digits of a root: enough to recognise it in a message."""
    return root.hex()[:8]


def wrong_size(root: Root, found: int, size: int, source: str) -> BlobCorrupt:
    """Return the error that says how long a blob is and how long it should be; no byte of it needs to be read."""
    return BlobCorrupt(f"blob {short(root)} from {source} has {found} bytes instead of {size}")


def verified(blob: memoryview, root: Root, size: int, source: str) -> memoryview:
    """Return ``blob`` read-only if it is what ``root`` names.

    Args:
        blob: contiguous bytes, which nobody else may change afterwards.
        root: the Merkle root that they must have.
        size: how many there must be.
        source: where they came from, for the message.

    Raises:
        BlobCorrupt: another size or another hash.
    """
    if blob.nbytes != size:
        raise wrong_size(root, blob.nbytes, size, source)
    if merkle.root(blob) != root:
        raise BlobCorrupt(f"blob {short(root)} from {source} does not hash to its root")
    return blob.toreadonly()

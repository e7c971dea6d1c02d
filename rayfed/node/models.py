"""Models as a node holds them: from its own disk or from a peer, decoded once in a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root
from rayfed.learning import State
from rayfed.node.blobs import BlobRepository
from rayfed.node.memo import Memo
from rayfed.node.update_codec import UpdateCodec


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model's weights; None, and in a line why, if it cannot be had now."""

    state: State | None
    reason: str = ""


class Models:
    """Loads models.

    Args:
        codec, blobs: the node's.
        memo: shared with the other nodes of the process.
    """

    def __init__(self, codec: UpdateCodec, blobs: BlobRepository, memo: Memo) -> None:
        self._codec = codec
        self._blobs = blobs
        self._memo = memo

    def load(self, root: Root, holders: Sequence[Address]) -> Loaded:
        """Return a model, whose blob is on the own disk afterwards, from there or from a peer among ``holders``."""
        found = self._blobs.obtain(root, holders)
        blob, size = found.blob, self._codec.model.blob_size
        if blob is None:
            return Loaded(None, f"{root.hex()[:12]}: {found.reason}")
        return Loaded(self._memo.get(("state", root), lambda: self._codec.decode(blob), lambda _: size))

    def build_genesis(self, root: Root, state: State) -> None:
        """Keep the genesis blob if this machine builds the one that the charter names.

        Another library version may build other bits: then the charter's root decides, and a peer has the blob.

        Raises:
            StoreError: the disk is full.
        """
        if self._blobs.own(root) is None:
            built = self._codec.genesis(state)
            if merkle.root(built) == root:
                self._blobs.disk.put(root, built)

"""What a node does with blobs, put together once for each of its threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rayfed.encoding.primitives import Address
from rayfed.node.blobs import BlobRepository
from rayfed.node.disk import OwnDisk
from rayfed.node.memo import Memo
from rayfed.node.merger import Merger
from rayfed.node.merges import OwnMerges
from rayfed.node.models import Models
from rayfed.node.update_codec import UpdateCodec
from rayfed.protocol.charter import Charter
from rayfed.store import Store
from rayfed.store.files import FileStore

BESIDE_SECONDS = 0.05
"""For how long a thread beside the rounds waits for what is on its way, at most: a process may have many nodes."""


@dataclass(frozen=True, slots=True)
class BlobTools:
    """One thread's way to blobs. ``disk``, ``memo`` and ``merges``, which are safe for that, are the node's in all of
    them: whoever merges what a round has included notes it in ``merges``."""

    codec: UpdateCodec
    memo: Memo
    disk: OwnDisk
    store: Store
    blobs: BlobRepository
    models: Models
    merger: Merger
    merges: OwnMerges = field(default_factory=OwnMerges)

    @classmethod
    def of(
        cls,
        charter: Charter,
        chain_id: int,
        federation: Address,
        files: FileStore,
        store: Store,
        memo: Memo,
        waits: float | None = None,
    ) -> BlobTools:
        """Return the tools for one federation.

        Args:
            charter: says the layout and the merge rule.
            chain_id, federation: what updates' headers are bound to.
            files: the node's own disk.
            store: where blobs travel.
            memo: shared with the other nodes of the process.
            waits: for how long a look waits for what is on its way from a peer; see ``BlobRepository``.
        """
        codec = UpdateCodec(charter.layout, charter.blob_layout, chain_id, federation)
        disk = OwnDisk(files, codec.whole.blob_size, memo, codec.update_size)
        rule = memo.get(("rule", charter.merge), charter.rule)  # one object a process: merges are remembered by it
        blobs = BlobRepository(disk, store, memo, waits=waits)
        return cls(codec, memo, disk, store, blobs, Models(codec, blobs, memo), Merger(rule, codec, blobs, memo))

    def apart(self, beside: Sequence[FileStore] = ()) -> BlobTools:
        """Return tools for another thread of the same node.

        Args:
            beside: disks of the process's other nodes, where these tools may look too.
        """
        waits = None if self.blobs.waits is None else min(self.blobs.waits, BESIDE_SECONDS)
        blobs = BlobRepository(self.disk, self.store, self.memo, beside, waits)
        models, merger = Models(self.codec, blobs, self.memo), self.merger.with_blobs(blobs)
        return replace(self, blobs=blobs, models=models, merger=merger)

"""Nodes serve each other within one Ray cluster: each has its own disk, and its peers' blobs by way of their hosts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing
from rayfed.store.files import FileStore
from rayfed.store.options import Fetch
from rayfed.store.ray.directory import Directory
from rayfed.store.ray.fetch import ANSWER_SECONDS, TRANSFER_SECONDS, PeerFetch
from rayfed.store.ray.server import BlobServer

log = logging.getLogger(__name__)


class RayPeers:
    """A node's own disk, and the peers' blobs; see ``PeerFetch`` for what their hosts have to be, and for trust.

    Args:
        local: the node's own disk.
        federation: the contract's address.
        server: what this node serves; its host asks it.
        fetch: asks the peers; by default the hosts of this federation that the cluster names.
        answer_seconds, transfer_seconds: of ``PeerFetch``, where that is the default.
    """

    def __init__(
        self,
        local: FileStore,
        federation: Address,
        *,
        server: BlobServer | None = None,
        fetch: Fetch | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        transfer_seconds: float = TRANSFER_SECONDS,
    ) -> None:
        self.local = local
        self.server = BlobServer(local) if server is None else server
        if fetch is None:
            fetch = PeerFetch(Directory(federation, answer_seconds), answer_seconds, transfer_seconds).fetch
        self._fetch = fetch

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob on the own disk and offer it to the peers: an update only after COMMIT closed.

        Raises:
            StoreError: the disk is full or refuses.
        """
        self.local.put(root, blob)
        self.server.offer(root)

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob, read-only and checked, from the own disk or else from a peer; see ``PeerFetch.fetch``.

        Raises:
            BlobMissing: no holder handed it over, and one of them may yet do so.
            BlobCorrupt: every holder answered, and with another size or another hash.
            StoreError: the own disk refuses, or this process is in no Ray cluster.
        """
        try:
            return self.local.get(root, size)
        except BlobMissing:
            pass
        except BlobCorrupt as error:
            log.warning("%s; asking the peers for it", error)
        return self._fetch(root, size, holders)

    def has(self, root: Root) -> bool:
        """Say whether it is on the own disk."""
        return self.local.has(root)

    def close(self) -> None:
        """Nothing to let go of: the cluster belongs to whoever started it."""

"""Several stores as one, of which some serve this node's peers."""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.encoding.primitives import Root
from rayfed.store import PeerServer, Serves, Store
from rayfed.store.files.disk import FileStore
from rayfed.store.several.stores import SeveralStores


class ServingStores(SeveralStores):
    """Several stores, of which one serves peers; follows ``Serves``."""

    @property
    def server(self) -> PeerServer:
        """What answers the peers of this node."""
        servers = [part.store.server for part in self._parts if isinstance(part.store, Serves)]
        return servers[0] if len(servers) == 1 else AllServers(servers)


class AllServers:
    """What answers peers where several of a node's stores do; follows ``PeerServer``."""

    def __init__(self, servers: Sequence[PeerServer]) -> None:
        self._servers = servers

    def blob(self, root: Root) -> object | None:
        """See ``PeerServer``: what the first of them answers that answers at all."""
        answers = (server.blob(root) for server in self._servers)
        return next((answer for answer in answers if answer is not None), None)

    def reveal(self, root: Root) -> None:
        """See ``PeerServer``."""
        for server in self._servers:
            server.reveal(root)


def opened(parts: Sequence[tuple[str, Store]], disk: FileStore, hedge_seconds: float) -> SeveralStores:
    """Return stores as one, which serves peers if one of them does. Arguments as of ``SeveralStores``."""
    serving = any(isinstance(store, Serves) for _, store in parts)
    return (ServingStores if serving else SeveralStores)(parts, disk, hedge_seconds)

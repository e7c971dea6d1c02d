"""A node's own disk, and its peers' blobs from one party's endpoint to another's, by iroh (QUIC)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.store.card import Card
from rayfed.store.options import Site
from rayfed.store.p2p import binding, loop
from rayfed.store.p2p.address import MOST_ADDRESSES, is_ours, reach
from rayfed.store.p2p.client import QuicClient
from rayfed.store.p2p.server import QuicServer

log = logging.getLogger(__name__)

RELAY_SECONDS = 10.0
"""How long a relay may take to answer."""

AUTHORITIES = "; if one does, its certificate has to be of an authority that browsers know: iroh ignores SSL_CERT_FILE"
"""Iroh's Python binding (1.2) takes no authorities; it has Mozilla's built in, and does not say what it has refused."""


class PeerToPeerStore:
    """Follows ``Store``, ``Serves``, ``Announces`` and ``Publishes``.

    What members are given travels encrypted between two endpoints, and a relay in between cannot read it; whoever is no
    member by its card is given what is for everybody and nothing else. All that comes back is hashed; that a peer gives
    something else is nobody's proof against a blob's owner, it is missing then.

    Args:
        site: where it is opened; a visitor serves nothing.
        secret: the endpoint's key, 32 bytes.
        listen, relay, external: of ``P2pOptions``.
    """

    def __init__(self, site: Site, secret: bytes, listen: str, relay: str | None, external: Sequence[str] = ()) -> None:
        self._local = site.disk
        self._visits = site.visits
        self._secret, self._listen, self._relay = secret, listen, relay
        self._external = tuple(external)
        self._key = None if site.visits or site.envelope is None else site.envelope().keys
        self.server = QuicServer(
            site.disk, site.federation, site.cards, for_all=site.confidential is False, gives=site.gives
        )
        self.client = QuicClient(site.federation, site.cards, _public(secret))
        self._lock = threading.Lock()
        self._endpoint: Any = None
        self._closed = False

    def __repr__(self) -> str:
        return f"PeerToPeerStore({self._listen!r})"

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob on the own disk and offer it to members: an update only after COMMIT closed.

        Raises:
            StoreError: the disk is full or refuses, or the address cannot be listened on.
        """
        self.endpoint()
        self._local.put(root, blob)
        self.server.offer(root)

    def publish(self, root: Root, blob: memoryview) -> None:
        """See ``Publishes``."""
        self.put(root, blob)
        self.server.publish(root)

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob, read-only and checked, from the own disk or else from a member.

        Raises:
            BlobMissing: nobody gave it (yet).
            StoreError: the own disk refuses, or the address cannot be listened on.
        """
        try:
            return self._local.get(root, size)
        except BlobMissing:
            pass
        except BlobCorrupt as error:
            log.warning("%s; asking the peers for it", error)
        return self.client.fetch(self.endpoint(), root, size, holders)

    def has(self, root: Root) -> bool:
        """Say whether it is on the own disk."""
        return self._local.has(root)

    def card(self) -> Card:
        """See ``Announces``."""
        endpoint = self.endpoint()
        # What a relay saw of this node changes with every translation, and peers learn it from the relay; a card that
        # changed with it would cost a transaction each time.
        own = [address for address in endpoint.addr().direct_addresses() if is_ours(address)]
        addresses = [*self._external, *sorted(own, key=reach, reverse=True)]
        far = [address for address in addresses if reach(address)]
        return Card(
            key=self._key.public if self._key is not None else b"",
            endpoint=bytes(endpoint.id().to_bytes()),
            relay=self._relay or "",
            addresses=tuple(far or addresses)[:MOST_ADDRESSES],
        )

    def tend(self) -> None:
        """See ``Announces``: be there for those who have read the card already."""
        self.endpoint()

    def close(self) -> None:
        """End the endpoint, if there is one."""
        with self._lock:
            self._closed = True
            endpoint, self._endpoint = self._endpoint, None
        self.client.close()
        if endpoint is not None:
            loop.run(endpoint.close())

    def endpoint(self) -> Any:
        """Return the endpoint, which is made when it is first needed.

        Raises:
            StoreError: the address cannot be listened on, or the store is closed.
        """
        with self._lock:
            if self._closed:
                raise StoreError("store.kind: the store is closed")
            if self._endpoint is None:
                self._endpoint = loop.run(
                    binding.bind(
                        self._secret,
                        self._listen,
                        self._relay,
                        external=self._external,
                        accepts=not self._visits,
                    )
                )
                if not self._visits:
                    loop.start(self.server.run(self._endpoint))
            return self._endpoint


def check(listen: str, relay: str | None) -> None:
    """See whether an endpoint can be had.

    Raises:
        StoreError: the address cannot be listened on, or the relay does not answer.
    """
    loop.run(_check(listen, relay))


async def _check(listen: str, relay: str | None) -> None:
    endpoint = await binding.bind(_new_secret(), listen, relay, accepts=False)
    try:
        if relay is not None:
            async with asyncio.timeout(RELAY_SECONDS):
                await endpoint.online()
    except TimeoutError as error:
        hint = AUTHORITIES if str(relay).startswith("https:") else ""
        raise StoreError(f"store.relay: no relay answers at {relay}{hint}") from error
    finally:
        await endpoint.close()


def _new_secret() -> bytes:
    from rayfed.encoding.sealed import new_key

    return new_key()[0]


def _public(secret: bytes) -> bytes:
    """Return the id of the endpoint with this key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()

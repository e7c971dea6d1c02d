"""The store: any place that keeps bytes by their hash. Nothing that comes out of one is believed before it hashes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import ConfigError

if TYPE_CHECKING:
    from rayfed.store.files import FileStore

KINDS = ("ray_peers", "files", "s3")


class Store(Protocol):
    """Keeps blobs by their root. Safe to use from several threads."""

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob; storing the same one twice is no error.

        Raises:
            StoreError: the place is full, or refuses.
        """

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob of exactly ``size`` bytes, checked against ``root``; read-only.

        Args:
            root: what to fetch.
            size: how long it must be, known from the charter's layout; nothing longer is ever read into memory.
            holders: members that should have it, for stores in which peers serve each other.

        Raises:
            BlobMissing: nobody has it (yet).
            BlobCorrupt: what came back has another size or another hash.
            StoreError: the place does not answer.
        """

    def has(self, root: Root) -> bool:
        """Say whether ``get`` would find something without asking peers for its bytes."""

    def close(self) -> None:
        """Let go of connections."""


def make(
    kind: str,
    *,
    local: FileStore,
    federation: Address | None = None,
    path: str | Path | None = None,
    bucket: str | None = None,
    prefix: str = "",
    endpoint_url: str | None = None,
    region: str | None = None,
) -> Store:
    """Return the store that the settings ``store.*`` describe. Connects to nothing yet.

    Args:
        kind: one of ``KINDS``.
        local: the node's own disk, which ``ray_peers`` serves from.
        federation: the contract's address; ``ray_peers`` finds the peers by it.
        path: the shared folder of ``files``.
        bucket, prefix, endpoint_url, region: of ``s3``; see ``S3Store``.

    Raises:
        ConfigError: a setting is missing or cannot be used.
    """
    if kind == "ray_peers":
        from rayfed.store.ray.peers import RayPeers

        if not federation:
            raise ConfigError("store.kind", "ray_peers needs the address of the federation")
        return RayPeers(local, federation)
    if kind == "files":
        from rayfed.store.files import FileStore

        if not path:
            raise ConfigError("store.path", "store.kind=files needs the folder that the nodes share")
        return FileStore(path, mapped=False)
    if kind == "s3":
        from rayfed.store.s3.bucket import S3Store

        if not bucket:
            raise ConfigError("store.bucket", "store.kind=s3 needs a bucket")
        _check_url(endpoint_url)
        return S3Store(bucket, prefix, endpoint_url, region)
    raise ConfigError("store.kind", f"{kind!r} is none of {', '.join(KINDS)}")


def _check_url(url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        secret = parts.username is not None or parts.password is not None
        _ = parts.port  # raises if it is no number
    except ValueError:
        usable, secret = False, "@" in url
    if secret:
        raise ConfigError("store.endpoint_url", "holds credentials; give them as AWS_ACCESS_KEY_ID and so on instead")
    if not usable:
        raise ConfigError("store.endpoint_url", f"{url!r} is no http:// or https:// URL")

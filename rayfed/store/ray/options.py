"""What the store ``ray_peers`` is told: nothing but where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from rayfed.errors import ConfigError
from rayfed.store.options import Site, StoreOptions

if TYPE_CHECKING:
    from rayfed.store.ray.peers import RayPeers


@dataclass(frozen=True)
class RayPeersOptions(StoreOptions):
    """Each node serves its blobs to its peers, within one Ray cluster."""

    serves = True
    within_cluster = True

    def validate(self) -> None:
        """Nothing that could be wrong."""

    def check(self, *, here: bool = True) -> None:
        """Nothing to ask before there are peers."""

    def open(self, site: Site) -> RayPeers:
        """See ``StoreOptions``."""
        from rayfed.store.ray.peers import RayPeers

        if not site.federation:
            raise ConfigError("store.kind", "ray_peers needs the address of the federation")
        return RayPeers(site.disk, site.federation, fetch=site.fetch)

    @property
    def uri(self) -> str:
        """``ray_peers:``; which cluster is for who reads it to say."""
        return "ray_peers:"

    @classmethod
    def from_uri(cls, rest: str) -> Self:
        """See ``StoreOptions``; the cluster's address behind the colon matters to ``visit`` only."""
        return cls()

    @classmethod
    @contextmanager
    def visit(cls, rest: str, site: Site) -> Iterator[RayPeers]:
        """See ``StoreOptions``. Connects to the Ray cluster at the address ``rest``, or one that Ray finds by itself.

        Ray unpickles what its actors send: do this inside one's own cluster only.
        """
        import logging

        import ray

        address = rest or "auto"
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            line = next(iter(str(error).splitlines()), "")
            raise ConfigError("--store", f"no Ray at {address}: {line}") from error
        try:
            yield cls().open(site)
        finally:
            ray.shutdown()

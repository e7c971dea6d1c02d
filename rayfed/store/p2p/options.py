"""What the store ``p2p`` is told."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlencode

from rayfed.errors import ConfigError
from rayfed.store.options import Site, StoreOptions
from rayfed.store.p2p.address import is_relay, sockets

if TYPE_CHECKING:
    from rayfed.store.p2p.store import PeerToPeerStore

ANYWHERE = "0.0.0.0:0"


@dataclass(frozen=True)
class P2pOptions(StoreOptions):
    """Members serve each other over QUIC, through NAT where that can be, by a relay where not.

    Attributes:
        listen: p2p: ``HOST:PORT`` of the UDP socket; port 0 is any, and host 0.0.0.0 all addresses.
        relay: p2p: http(s) URL of an iroh relay that any party runs, by which members find through NAT to each other;
            null: only members that can be reached directly.
        external: p2p: addresses (``HOST:PORT``) under which others reach this node, besides its own: those of a
            forwarded port, say.
    """

    listen: str = field(default=ANYWHERE, metadata={"is_own": True})
    relay: str | None = None
    external: list[str] = field(default_factory=list, metadata={"is_own": True})

    @property
    def serves(self) -> bool:
        """See ``StoreOptions``."""
        return True

    def validate(self) -> None:
        """See ``StoreOptions``."""
        try:
            sockets(self.listen)
        except ValueError as error:
            raise ConfigError("store.listen", f"{self.listen!r} is not IP:PORT: {error}") from error
        if self.relay is not None:
            _check_relay(self.relay)
        for address in self.external:
            try:
                sockets(address)
            except ValueError as error:
                raise ConfigError("store.external", f"{address!r} is not IP:PORT: {error}") from error

    def check_sharing(self, nodes: int) -> None:
        """See ``StoreOptions``: a port is one endpoint's."""
        name = "store.external" if self.external else "store.listen"
        if nodes > 1 and (self.external or not self.listen.endswith(":0")):
            raise ConfigError(
                name, f"a port serves one node, and federation.nodes starts {nodes} here: let others join"
            )

    def check(self, *, here: bool = True) -> None:
        """See ``StoreOptions``: iroh is installed, and, on this machine, the address is free and the relay answers."""
        from rayfed.store.p2p import binding
        from rayfed.store.p2p.store import check

        self.validate()
        binding.module()
        if here:
            check(self.listen, self.relay)

    def open(self, site: Site) -> PeerToPeerStore:
        """See ``StoreOptions``."""
        from rayfed.store.p2p import binding
        from rayfed.store.p2p.store import PeerToPeerStore

        self.validate()
        if not site.federation:
            raise ConfigError("store.kind", "p2p needs the address of the federation")
        binding.module()
        return PeerToPeerStore(site, _secret(site), self.listen, self.relay, self.external)

    @property
    def uri(self) -> str:
        """``p2p:`` and the relay; members are found by their cards."""
        return f"p2p:?{urlencode({'relay': self.relay})}" if self.relay else "p2p:"

    @classmethod
    def from_uri(cls, rest: str) -> Self:
        """See ``StoreOptions``."""
        given = {key: values[-1] for key, values in parse_qs(rest.partition("?")[2]).items()}
        if unknown := given.keys() - {"relay"}:
            raise ConfigError("store", f"p2p has no option {min(unknown)}; there is relay")
        made = cls(relay=given.get("relay"))
        made.validate()
        return made


def _secret(site: Site) -> bytes:
    """Return the key of an endpoint: it follows from the member's reading key, and stays with it. Who has none, or only
    looks, has another one each time."""
    keys = None if site.envelope is None or site.visits else site.envelope().keys
    if keys is None:
        return secrets.token_bytes(32)
    label = f"rayfed iroh endpoint\0{site.federation.lower()}\0{site.member.lower()}"
    return hmac.digest(keys.privates[0], label.encode(), hashlib.sha256)


def _check_relay(url: str) -> None:
    if not is_relay(url):
        raise ConfigError("store.relay", f"{url[:60]!r} is not the http(s) URL of a relay")

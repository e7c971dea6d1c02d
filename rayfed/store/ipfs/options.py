"""What the store ``ipfs`` is told."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from rayfed.errors import ConfigError
from rayfed.store.ipfs.address import is_peer
from rayfed.store.options import Site, StoreOptions

if TYPE_CHECKING:
    from rayfed.store import Store
    from rayfed.store.ipfs.rpc import Kubo

AUTH_VARIABLE = "RAYFED_IPFS_AUTH"

LOCAL = "http://127.0.0.1:5001"


@dataclass(frozen=True)
class IpfsOptions(StoreOptions):
    """A Kubo node of the party's own, and by it all other parties' over IPFS.

    Credentials for Kubo come from a file or from the environment, never from settings, which are recorded.

    Attributes:
        rpc_url: ipfs: http(s) URL of the Kubo node's RPC API.
        auth_file: ipfs: a file whose first line is what Kubo's ``API.Authorizations`` asks for, ``bearer:TOKEN`` or
            ``basic:USER:PASSWORD``; null is what RAYFED_IPFS_AUTH says, or nothing.
        peers: ipfs: addresses of other parties' Kubo nodes (``/ip4/.../tcp/4001/p2p/ID``, or a peer id alone), asked
            besides those that Kubo finds by itself.
    """

    rpc_url: str = field(default=LOCAL, metadata={"is_own": True})
    auth_file: str | None = field(default=None, metadata={"is_path": True, "is_own": True})
    peers: list[str] = field(default_factory=list)

    def validate(self) -> None:
        """See ``StoreOptions``."""
        _check_url(self.rpc_url)
        for peer in self.peers:
            if not is_peer(peer):
                raise ConfigError("store.peers", f"{peer!r} is neither a peer id nor an address that ends in /p2p/ID")

    def check(self, *, here: bool = True) -> None:
        """See ``StoreOptions``: Kubo answers, is new enough, takes the credentials, and its name is free for rayfed."""
        from rayfed.store.ipfs.swarm import check

        kubo = self._kubo()
        try:
            check(kubo)
        finally:
            kubo.close()

    def open(self, site: Site) -> Store:
        """See ``StoreOptions``."""
        from rayfed.store.ipfs.peers import PeerFolders
        from rayfed.store.ipfs.swarm import IpfsStore

        if not site.federation:
            raise ConfigError("store.kind", "ipfs needs the address of the federation")
        kubo = self._kubo()
        hints = PeerFolders(kubo, site.federation, self.peers, site.cards)
        return site.shelved(IpfsStore(kubo, site.federation, site.disk, hints), openly=False, hearsay=True)

    def _kubo(self) -> Kubo:
        from rayfed.store.ipfs.rpc import Kubo

        self.validate()
        return Kubo(self.rpc_url, self._secret())

    def _secret(self) -> str | None:
        if not self.auth_file:
            return os.environ.get(AUTH_VARIABLE, "").strip() or None
        try:
            lines = Path(self.auth_file).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigError("store.auth_file", f"cannot read {self.auth_file}: {reason}") from error
        if not lines or not lines[0].strip() or not lines[0].isascii():
            raise ConfigError("store.auth_file", f"the first line of {self.auth_file} holds no credentials")
        return lines[0].strip()

    @property
    def uri(self) -> str:
        """``ipfs:`` and the peers: another party has a Kubo of its own."""
        query = urlencode([("peer", peer) for peer in self.peers], quote_via=quote, safe="/")
        return f"ipfs:{self.rpc_url}?{query}" if query else f"ipfs:{self.rpc_url}"

    @classmethod
    def from_uri(cls, rest: str) -> Self:
        """See ``StoreOptions``; ``ipfs:`` alone is the Kubo of this machine."""
        url, _, query = rest.partition("?")
        given = parse_qs(query)
        if unknown := given.keys() - {"peer"}:
            raise ConfigError("store", f"ipfs has no option {min(unknown)}; there is peer")
        made = cls(rpc_url=url or LOCAL, peers=given.get("peer", []))
        made.validate()
        return made


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        secret = parts.username is not None or parts.password is not None
        _ = parts.port  # raises if it is not a number
    except ValueError:
        usable, secret = False, "@" in url
    if secret:
        raise ConfigError(
            "store.rpc_url", "holds credentials; give them in store.auth_file or RAYFED_IPFS_AUTH instead"
        )
    if not usable:
        raise ConfigError("store.rpc_url", f"{url!r} does not begin with http:// or https://, or names no server")

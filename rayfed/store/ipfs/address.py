"""Addresses of Kubo nodes: ``/ip4/.../tcp/4001/p2p/ID``, or a peer id alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

_PEER = re.compile(r"(/[^\s?&]+/p2p/)?[1-9A-HJ-NP-Za-km-z]{46,62}")


def is_peer(address: str) -> bool:
    """Say whether this is the address of a peer."""
    return bool(_PEER.fullmatch(address))


def peer_id(peer: str) -> str:
    """Return the peer id at the end of an address, or a bare one as it is."""
    return peer.rpartition("/")[2]


def best(addresses: Iterable[str], most: int = 120) -> str:
    """Return the address by which others are likeliest to reach a peer that has all of these; empty if it has none.

    Args:
        addresses: of one peer.
        most: characters; where all are longer, the peer id alone.
    """
    known = [address for address in addresses if is_peer(address)]
    short = [address for address in known if len(address) <= most]
    return max(short, key=_reach, default=peer_id(known[0]) if known else "")


def _reach(address: str) -> int:
    """Return how far an address is understood: everywhere, in one network, on one machine."""
    kind, _, rest = address.lstrip("/").partition("/")
    host = rest.partition("/")[0]
    if kind.startswith("dns"):
        return 3
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return -1
    plain = "/tcp/" in address and "/ws" not in address  # what everybody speaks
    return 2 * (0 if found.is_loopback else 2 if found.is_global else 1) + plain

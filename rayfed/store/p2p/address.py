"""Where an endpoint listens, and under which addresses others may reach it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit


def sockets(listen: str) -> tuple[str, str]:
    """Return the two addresses to bind, one of each IP version, for a ``HOST:PORT``.

    Raises:
        ValueError: it is none.
    """
    host, _, port = listen.rpartition(":")
    address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    if not (port.isdecimal() and int(port) < 1 << 16):
        raise ValueError(f"{port!r} is no port")
    other = ("[::]" if address.version == 4 else "0.0.0.0") if address.is_unspecified else None
    other = other or ("[::1]" if address.version == 4 else "127.0.0.1")
    # A port that was chosen is free for one of them; the other one takes any.
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}", f"{other}:0"


def is_ours(address: str) -> bool:
    """Say whether this machine has the address of a ``HOST:PORT`` itself."""
    host = _host(address)
    with socket.socket(socket.AF_INET6 if host.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(host), 0))
        except OSError:
            return False
    return True


def reach(address: str) -> int:
    """Return from how far a ``HOST:PORT`` is understood: everywhere, in one network, on this machine."""
    host = _host(address)
    return 0 if host.is_loopback or host.is_link_local else 2 if host.is_global else 1


MOST_ADDRESSES = 6
"""Of one endpoint on a card; whoever reads more takes the first ones, or one card could aim all members at many."""


def dialable(addresses: Iterable[str]) -> list[str]:
    """Return those of a card's addresses that one endpoint can have, at most ``MOST_ADDRESSES`` of them."""
    return [address for address in addresses if _is_dialable(address)][:MOST_ADDRESSES]


def _is_dialable(address: str) -> bool:
    try:
        sockets(address)
        host = _host(address)
    except ValueError:
        return False
    return not (host.is_multicast or host.is_unspecified or str(host) == "255.255.255.255")


def is_relay(url: str) -> bool:
    """Say whether this is the URL of a relay: http or https, a host, and neither credentials nor anything behind it."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        return False
    bare = parts.path in ("", "/") and not parts.query and not parts.fragment and parts.username is None
    return parts.scheme in ("http", "https") and bool(parts.hostname) and bare and url.isprintable()


def _host(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address.rpartition(":")[0].strip("[]").partition("%")[0])

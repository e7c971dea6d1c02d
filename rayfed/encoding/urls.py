"""What of a URL may be shown: neither a password nor the key that a provider puts into the path or the query."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"

_URL = re.compile(r"[A-Za-z][\w+.-]*://[^\s,'\"\])}]+")


def public(url: str, *, path_is_secret: bool = False) -> str:
    """Return a URL with ``***`` in the place of what may be secret in it; what is no URL comes back as it is.

    Args:
        path_is_secret: whether the path holds a key, as those of RPC providers do; on this machine it holds none.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # no address; the complaint about it must not quote it either
        return f"{url.partition('://')[0]}://{HIDDEN}"
    if not parts.scheme or not parts.netloc:  # sqlite:///a/path?, a bare name
        return url
    user, at, place = parts.netloc.rpartition("@")
    here = host in ("localhost", "::1") or host.startswith("127.")
    keyed = path_is_secret and not here and parts.path.strip("/")
    return urlunsplit(
        (
            parts.scheme,
            f"{HIDDEN if user else ''}{at}{place}",
            f"/{HIDDEN}" if keyed else parts.path,
            HIDDEN if parts.query else "",
            HIDDEN if parts.fragment else "",
        )
    )


def public_text(text: str, *, path_is_secret: bool = False) -> str:
    """Return a text with ``public`` in the place of each URL in it."""
    return _URL.sub(lambda found: public(found[0], path_is_secret=path_is_secret), text)

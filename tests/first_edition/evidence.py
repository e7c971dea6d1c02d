"""What a ledger keeps of the updates that a round has merged: one hash of their roots."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rayfed.encoding.primitives import Root


def evidence_of(roots: Sequence[Root]) -> bytes:
    """Return Keccak-256 of the included updates' roots one after the other (``Record.evidence``)."""
    return _keccak(b"".join(roots))


@lru_cache(maxsize=1024)
def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak  # a third of a second to import, and only who asks for evidence needs it

    return bytes(keccak(data))

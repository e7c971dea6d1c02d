"""What a statement rests on, as one hash: a chain of contexts from the charter on (docs/protocol.md, section 3).

Each context binds the one before, so what was said on a branch that the chain dropped is neither valid on another nor
evidence of anything. The hashes are the contract's: Keccak-256 over 32-byte words, big-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rayfed.encoding.primitives import Address, Root

NO_CONTEXT = bytes(32)


def opening(
    round: int, base_round: int, base: Root, base_context: bytes, roster: int, addresses: Sequence[Address]
) -> bytes:
    """Return what a commit rests on.

    Args:
        round: the round's number.
        base_round: the round that made the base; 0 for genesis.
        base: root that the round starts from.
        base_context: ``included`` context of that round; the charter's hash for genesis.
        roster: bitmap of the members that the round counts on.
        addresses: theirs, by index; as many as the roster has bits.
    """
    people = _keccak(b"".join(bytes.fromhex(address[2:]).rjust(32, b"\0") for address in addresses))
    return _keccak(_word(round) + _word(base_round) + base + base_context + _word(roster) + people)


def resting(before: bytes, members: int, roots: Sequence[Root]) -> bytes:
    """Return what a vote rests on (``before`` an opening), or an attestation (``before`` what the votes rest on).

    Args:
        before: the context before.
        members: whose updates are committed, or included, as a bitmap.
        roots: theirs, by index; as many as the bitmap has bits.
    """
    return _keccak(before + _word(members) + _keccak(b"".join(roots)))


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


@lru_cache(maxsize=4096)
def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak  # a third of a second to import, and only who makes or checks contexts needs it

    return bytes(keccak(data))

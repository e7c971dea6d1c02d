"""Who may join a federation: a list of addresses whose Merkle root is in its terms.

The tree is the one that OpenZeppelin's ``MerkleProof`` checks: Keccak-256, a pair hashed in ascending order, a leaf
``keccak256(keccak256(abi.encode(address)))`` (hashed twice, so that no inner node can pass for a leaf).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from eth_utils.crypto import keccak

from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError

SETTING = "stake.allow_list"

ANYBODY = bytes(32)


def read(path: Path) -> tuple[Address, ...]:
    """Return the addresses in a file, one a line; what follows a ``#`` is a remark.

    Raises:
        ConfigError: the file cannot be read, a line is no address, or there is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(SETTING, f"cannot read {path}: {words}") from error
    found = []
    for number, line in enumerate(lines, 1):
        word = line.split("#")[0].strip()
        if word and not re.fullmatch(r"0x[0-9a-fA-F]{40}", word):
            raise ConfigError(SETTING, f"{path}, line {number}: {word!r} is not an address")
        if word:
            found.append(word)
    if not found:
        raise ConfigError(SETTING, f"there is no address in {path}")
    return tuple(found)


def root(addresses: Iterable[Address]) -> bytes:
    """Return the root of a list, 32 bytes; of an empty list ``ANYBODY``."""
    levels = _levels(addresses)
    return levels[-1][0] if levels[0] else ANYBODY


def proof(addresses: Iterable[Address], address: Address) -> tuple[bytes, ...]:
    """Return the proof that an address is in a list; of one that is not in it, or of an empty list, nothing."""
    levels = _levels(addresses)
    wanted = leaf(address)
    if wanted not in levels[0]:
        return ()
    place, path = levels[0].index(wanted), []
    for level in levels[:-1]:
        if place ^ 1 < len(level):  # an odd last node has no sibling: it moves up as it is
            path.append(level[place ^ 1])
        place >>= 1
    return tuple(path)


def verify(root: bytes, address: Address, path: Sequence[bytes]) -> bool:
    """Say whether a proof shows that an address is in the list with this root."""
    node = leaf(address)
    for sibling in path:
        node = _pair(node, sibling)
    return node == root


def leaf(address: Address) -> bytes:
    """Return an address's leaf."""
    return bytes(keccak(keccak(bytes(12) + bytes.fromhex(address[2:]))))


def _levels(addresses: Iterable[Address]) -> list[list[bytes]]:
    levels = [sorted({leaf(address) for address in addresses})]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [_pair(*below[i : i + 2]) for i in range(0, len(below) - 1, 2)]
        levels.append(pairs + below[len(pairs) * 2 :])
    return levels


def _pair(one: bytes, other: bytes) -> bytes:
    return bytes(keccak(min(one, other) + max(one, other)))

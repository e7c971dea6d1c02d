"""The smallest blobs that a court can judge: a header and one leaf; a match is one step, a leaf and the proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256

from rayfed.encoding import merkle
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import Address, Root
from rayfed.ledger.memory import leaves
from rayfed.protocol.court import InputProof
from rayfed.protocol.messages import Terms

VALUES = 1
"""Values in a model."""

_FEDERATION: Address = "0x" + "fe" * 20


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes and their tree."""

    data: bytes
    tree: merkle.Tree

    @property
    def root(self) -> Root:
        """Their root."""
        return self.tree.root

    def leaf(self, index: int) -> bytes:
        """Return one leaf."""
        return self.data[index * merkle.LEAF : (index + 1) * merkle.LEAF]


@dataclass(frozen=True, slots=True)
class Trunk:
    """A merge, right or wrong, and its inputs; an ``OwnMerge``."""

    blob: Blob
    updates: tuple[Blob, ...]

    @property
    def root(self) -> Root:
        """Its root."""
        return self.blob.root

    def parts(self, first: int, count: int) -> tuple[bytes, ...]:
        """See ``OwnMerge``."""
        return self.blob.tree.parts(first, count)

    def leaf(self, index: int) -> bytes:
        """See ``OwnMerge``."""
        return self.blob.leaf(index)

    def inputs(self, which: Sequence[int], leaf: int, *, weighted: bool) -> list[InputProof]:
        """See ``OwnMerge``."""
        return [self._input(one, leaf, weighted) for one in which]

    def _input(self, which: int, leaf: int, weighted: bool) -> InputProof:
        update = self.updates[which]
        header = (update.leaf(0), update.tree.proof(0)) if weighted else (b"", ())
        return InputProof(which, update.leaf(leaf), update.tree.proof(leaf), *header)


UPDATES: dict[Root, Blob] = {}
"""Every update that was made up in this process: who has which is the game's to know."""


@lru_cache(maxsize=1 << 16)
def update(terms: Terms, round: int, base: Root, member: int) -> Blob:
    """Return the update that a member makes in a round."""
    seed = sha256(f"{round} {member}".encode() + base).digest()
    node = f"0x{member + 1:040x}"
    made = _blob(
        terms, Header.update(1, _FEDERATION, round, node, weight=1 + seed[0] % 9), int.from_bytes(seed[:3], "big")
    )
    UPDATES[made.root] = made
    return made


@lru_cache(maxsize=1 << 16)
def merge(terms: Terms, round: int, roots: tuple[Root, ...], twist: int = 0) -> Trunk:
    """Return the merge of these updates, or one whose only value is wrong by ``twist``."""
    updates = tuple(UPDATES[root] for root in roots)
    values = [leaves.value(one.leaf(1), 0) for one in updates]
    weights = [int.from_bytes(one.data[224:256], "big") for one in updates]
    merged = leaves.merge(terms, values, weights)
    return Trunk(_blob(terms, Header.merged(round), merged + twist), updates)


def rubbish(round: int, number: int) -> Root:
    """Return a root of nothing."""
    return sha256(f"rubbish {round} {number}".encode()).digest()


def _blob(terms: Terms, header: Header, value: int) -> Blob:
    head = replace(header, size=terms.values, layout_hash=terms.layout, encoding=terms.encoding, frozen=terms.frozen)
    data = head.to_bytes() + value.to_bytes(4, "little", signed=True).ljust(merkle.LEAF, b"\0")
    return Blob(data, merkle.tree(data))

"""The merge of a round, by the charter's rule; computed once in a process however many nodes ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.rules import Rule
from rayfed.encoding import differences, merkle
from rayfed.encoding.primitives import Address, Root
from rayfed.node.blobs import BlobRepository
from rayfed.node.memo import Memo
from rayfed.node.update_codec import UpdateCodec

RANGE = 1 << 8
"""Leaves of narrow updates that are widened at a time."""


class Merger:
    """Merges updates to a base.

    Args:
        rule: the charter's; one object a process, since merges are remembered by it.
        codec, blobs: the node's.
        memo: shared with the other nodes of the process.
    """

    def __init__(self, rule: Rule, codec: UpdateCodec, blobs: BlobRepository, memo: Memo) -> None:
        self._rule = rule
        self._codec = codec
        self._blobs = blobs
        self._memo = memo

    def with_blobs(self, blobs: BlobRepository) -> Merger:
        """Return the same for another thread."""
        return Merger(self._rule, self._codec, blobs, self._memo)

    def lacks(self, base: Root, holders: Sequence[Address]) -> str:
        """Return why a merge to ``base`` cannot be computed now; empty if it can.

        Where the rule asks for the base, or updates are differences from it, it is fetched from a peer if need be, and
        on the own disk afterwards.
        """
        return self._blobs.obtain(base, holders).reason if self._needs_base else ""

    @property
    def _needs_base(self) -> bool:
        return self._rule.needs_base or self._codec.is_narrow

    def merge(
        self, roots: Sequence[Root], updates: Mapping[Root, memoryview], round: int, base: Root
    ) -> tuple[Root, memoryview]:
        """Merge what a round included, keep the result on the own disk, and return its root and itself; see ``made``.

        Raises:
            StoreError: the disk is full, or has lost a base that the rule asks for.
        """
        root, blob = self.made(roots, updates, round, base)
        self._blobs.disk.put(root, blob)
        return root, blob

    def made(
        self, roots: Sequence[Root], updates: Mapping[Root, memoryview], round: int, base: Root
    ) -> tuple[Root, memoryview]:
        """Merge what a round included, and return the result's root and itself.

        It is total, as the court's: whatever the bytes of an update are, they have a merge.

        Args:
            roots: of the included updates, by index; two members may have committed to the same one.
            updates: the blobs, by root.
            round: the round's number.
            base: root that the round started from.

        Raises:
            StoreError: the disk has lost a base that the rule asks for.
        """
        key = ("merge", self._rule, round, base, tuple(roots))
        blob, root = self._memo.get(
            key, partial(self._merged, [updates[root] for root in roots], round, base), lambda made: len(made[0])
        )
        return root, blob

    def _merged(self, updates: list[memoryview], round: int, base: Root) -> tuple[memoryview, Root]:
        codec = self._codec
        merged = codec.blank(round)
        start = codec.values(self._blobs.disk.read(base)) if self._needs_base else None
        merge_updates(self._rule, codec, updates, start, codec.values(merged))
        return merged, merkle.root(merged)


def merge_updates(
    rule: Rule,
    codec: UpdateCodec,
    updates: Sequence[memoryview],
    base: NDArray[np.int32] | None,
    out: NDArray[np.int32],
) -> None:
    """Merge updates as they lie there into ``out`` (n_values,).

    Args:
        base: (n_values,), what the round started from; None only where neither the rule nor what updates are needs it.
    """
    weights = [codec.weight(blob) for blob in updates]
    # Differences are widened a range at a time where the rule allows it: no more than fits a cache, whatever n is.
    step = RANGE * differences.values_a_leaf(codec.whole.bits) if codec.is_narrow and rule.by_coordinate else out.size
    for start in range(0, out.size, step):
        stop = min(start + step, out.size)
        values = [codec.unpacked(blob, base, start, stop) for blob in updates]
        some = None if base is None else base[start:stop]
        rule.merge(values, weights, out[start:stop], base=some)

"""What a node's screens may look at: a round's valid updates against its base."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.gram import Gram, gram
from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.norm import distance
from rayfed.aggregation.screens.progress import alignment
from rayfed.encoding.primitives import Root
from rayfed.errors import BlobMissing
from rayfed.learning import State
from rayfed.node.disk import OwnDisk
from rayfed.node.left_out import left_out
from rayfed.node.memo import Memo
from rayfed.node.update_codec import UpdateCodec
from rayfed.protocol.messages import Round, View


class EvidenceMaker:
    """Makes evidence; what is expensive in it is computed when a screen asks, and once in a process.

    Args:
        codec, disk: the node's.
        memo: shared with the other nodes of the process.
        loss: mean loss of a state on the node's private data.
        genesis: gives, given the view, the root of the model that round 1 started from, once it is on the own disk;
            None if it cannot be had.
        round_of: the ledger's.
    """

    def __init__(
        self,
        codec: UpdateCodec,
        disk: OwnDisk,
        memo: Memo,
        loss: Callable[[State], float],
        genesis: Callable[[View], Root | None],
        round_of: Callable[[int], Round | None],
    ) -> None:
        self._codec = codec
        self._disk = disk
        self._memo = memo
        self._loss = loss
        self._genesis = genesis
        self._round_of = round_of

    def make(self, updates: Mapping[int, memoryview], view: View, own: int) -> Evidence:
        """Return the evidence on these valid updates by index; ``own``: the node's index.

        Raises:
            StoreError: the own disk has lost the base.
        """
        weights = self._codec.weights
        whole = self._codec.values(self._disk.read(view.base))
        base = weights(self._disk.read(view.base))
        values = {index: self._said(view, index, blob, whole)[: base.size] for index, blob in updates.items()}

        def from_base(index: int) -> float:
            return self._memo.get(("distance", view.base, view.roots[index]), lambda: distance(values[index], base))

        def products() -> tuple[Sequence[int], Gram]:
            members = sorted(values)
            key = ("products", view.base, tuple(view.roots[index] for index in members))
            size = 48 * len(members) ** 2  # a whole number of this size and its place
            return members, self._memo.get(key, lambda: gram([values[i] for i in members], base), lambda _: size)

        scratch: list[State] = []  # the pages of a model are cleared once

        def lost(numbers: NDArray[np.int32]) -> float:
            scratch[:] = [self._codec.state(numbers, *scratch)]
            return self._loss(scratch[0])

        @cache
        def start() -> NDArray[np.int32] | None:
            root = self._genesis(view)
            return None if root is None else weights(self._disk.read(root))

        def along(index: int) -> float:
            first = start()
            if first is None:
                raise BlobMissing("the way from genesis cannot be told without genesis")
            key = ("along", view.base, view.roots[index])
            return self._memo.get(key, lambda: alignment(values[index], base, first))

        def commonly_lost(key: Hashable, make: Callable[[], NDArray[np.int32]]) -> float:
            roots = tuple(view.roots[index] for index in sorted(values))
            place = ("state", view.base) if key == "base" else ("judged state", roots, key)
            size = self._codec.model.blob_size
            return self._loss(self._memo.get(place, lambda: self._codec.state(make()), lambda _: size))

        def shared(key: Hashable, make: Callable[[], NDArray[np.int32]]) -> NDArray[np.int32]:
            roots = tuple(view.roots[index] for index in sorted(values))
            return self._memo.get(("judged", roots, key), make, lambda made: made.nbytes)

        examples = {index: self._codec.weight(blob) for index, blob in updates.items()}
        seen = own if own in updates else None
        asked: dict[str, Any] = {"shared": shared, "common_loss": commonly_lost} if self._memo.has_neighbours else {}
        out = cache(partial(left_out, view, self._round_of))
        given = Evidence(base, values, examples, seen, from_base, products, lost, view.round, left_out=out, **asked)
        return replace(given, genesis=start, along=along) if view.base_round else given

    def _said(self, view: View, index: int, blob: memoryview, base: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return what an update says; differences are widened once in a process."""
        if not self._codec.is_narrow:
            return self._codec.values(blob)
        key = ("said", view.base, view.roots[index])
        return self._memo.get(key, lambda: self._codec.unpacked(blob, base), lambda made: made.nbytes)

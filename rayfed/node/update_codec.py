"""How a node of one federation writes and reads updates and models: the charter's layout, the header's binding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rayfed.encoding import codec, differences
from rayfed.encoding.codec import Encoded, Header
from rayfed.encoding.layout import Layout
from rayfed.encoding.merkle import LEAF
from rayfed.encoding.primitives import Address
from rayfed.learning import State

WEIGHT = 7 * 32
"""Where an update's weight lies: word 7 of leaf 0."""


@dataclass(frozen=True, slots=True)
class UpdateCodec:
    """Pure: values in, values out.

    Attributes:
        model: the model's layout.
        whole: of all blobs; the model's and whatever the merge rule carries along, or the same.
        chain_id, federation: bound into the header of every update.
    """

    model: Layout
    whole: Layout
    chain_id: int
    federation: Address

    def header(self, round: int, node: Address, weight: int = 1) -> Header:
        """Return what the header of a member's update in this round must be; a check does not look at ``weight``."""
        return Header.update(self.chain_id, self.federation, round, node, self.whole.hash, weight)

    def update(self, round: int, node: Address, state: State, examples: int) -> Encoded:
        """Write a trained state as a member's update, at full width (see ``packed``).

        Raises:
            CodecError: a NaN or an infinity is in it.
        """
        return codec.encode(self.model, state, self.header(round, node, examples), within=self.whole)

    def packed(self, wide: Encoded, base: Callable[[], memoryview]) -> Encoded:
        """Return an update as it travels: as it is, or as its differences from the round's base.

        Args:
            wide: as ``update`` writes it.
            base: gives the blob that the round started from; asked only where updates are narrow.

        Raises:
            StoreError: the disk has lost the base.
        """
        if not self.is_narrow:
            return wide
        blob = np.empty(self.update_size, np.uint8).data
        blob[:LEAF] = wide.blob[:LEAF]
        clipped = differences.pack(self.whole, self.weights(wide.blob), self.weights(base()), blob)
        return Encoded(blob, wide.saturated + clipped)

    @property
    def is_narrow(self) -> bool:
        """Whether updates are differences from the base, so that nobody reads one without it."""
        return self.whole.bits != 32

    @property
    def update_size(self) -> int:
        """Bytes of an update."""
        return self.whole.update_size

    def unpacked(
        self, blob: memoryview, base: NDArray[np.int32] | None, start: int = 0, stop: int | None = None
    ) -> NDArray[np.int32]:
        """Return what an update says (n,), read only: all values of a blob, or a range of them.

        Args:
            blob: the update.
            base: all values of what the round started from; not looked at where updates are as wide as models.
            start, stop: the range; ``start`` is a multiple of ``differences.values_a_leaf``.
        """
        if not self.is_narrow:
            return self.values(blob)[start:stop]
        if base is None:
            raise ValueError("differences say nothing without the round's base")
        return differences.unpack(blob, base, self.whole.bits, start, stop)

    def genesis(self, state: State) -> memoryview:
        """Write the model that round 1 starts from."""
        return codec.encode(self.model, state, Header.merged(0), within=self.whole).blob

    def blank(self, round: int) -> memoryview:
        """Return a merged blob of this round whose values are yet to be written."""
        return codec.blank(self.whole, Header.merged(round, self.whole.hash))

    def fault(self, blob: memoryview, round: int, node: Address) -> str:
        """Return what keeps a blob from being this member's update in this round; empty if nothing does."""
        return codec.check(self.whole, blob, self.header(round, node))

    def decode(self, blob: memoryview) -> State:
        """Return a blob's model."""
        return codec.decode(self.model, blob, within=self.whole)

    def state(self, values: NDArray[np.int32], out: State | None = None) -> State:
        """Return the model with these values (n,), in ``out``, if there is one, that an earlier call has returned."""
        return codec.state_of(self.model, values, out)

    @staticmethod
    def weight(blob: memoryview) -> int:
        """Return how many examples an update says it is from, as it lies there, whatever else the header is; what does
        not fit four bytes as the most that does."""
        return min(int.from_bytes(blob[WEIGHT : WEIGHT + 32], "big"), (1 << 32) - 1)

    def values(self, blob: memoryview) -> NDArray[np.int32]:
        """Return all values of a blob (n,), writable where the blob is."""
        return codec.values(blob, self.whole.size)

    def weights(self, blob: memoryview) -> NDArray[np.int32]:
        """Return the model's values alone (n,)."""
        return codec.values(blob, self.model.size)

"""A node's way to blobs: its own disk, its peers' store, every byte checked; and what is computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rayfed import codec, merkle
from rayfed.codec import Header
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.layout import Layout
from rayfed.learning import State
from rayfed.memo import Memo
from rayfed.messages import Address, Root, Verdict, View
from rayfed.rules import Rule
from rayfed.screens import Evidence
from rayfed.screens.norm import distance
from rayfed.store import Store
from rayfed.store.files import FileStore

MISSING = "not to be had"
"""The reason in the verdict on an update that nobody could give: it may still turn up, all others are final."""


class Blobs:
    """Finds, checks, keeps, publishes, merges.

    Args:
        layout: of all blobs of the federation.
        chain_id, federation: what updates' headers must be bound to.
        rule: the charter's merge rule.
        disk: the node's own blobs.
        store: where blobs travel.
        memo: shared with the other nodes of the process.
    """

    def __init__(
        self, layout: Layout, chain_id: int, federation: Address, rule: Rule, disk: FileStore, store: Store, memo: Memo
    ) -> None:
        self.layout = layout
        self.trouble = ""
        self._chain_id = chain_id
        self._federation = federation
        self._rule = rule
        self._disk = disk
        self._store = store
        self._memo = memo
        self._published: set[Root] = set()

    # -- the own disk -----------------------------------------------------------------------------------------------

    def keep(self, blob: memoryview) -> Root:
        """Keep a blob on the own disk; return its root."""
        root = merkle.root(blob)
        self._hold(root, blob)
        return root

    def update(self, round: int, node: Address, state: State, examples: int) -> tuple[Root, int]:
        """Write a trained state as this node's update on the own disk; return its root and how many values saturated.

        Raises:
            CodecError: a NaN or an infinity is in it.
            StoreError: the disk is full.
        """
        encoded = codec.encode(self.layout, state, self._header(round, node, examples))
        return self.keep(encoded.blob), encoded.saturated

    def genesis(self, root: Root, state: State) -> None:
        """Keep the genesis blob if this machine builds the one that the charter names.

        Another library version may build other bits: then the charter's root decides, and a peer has the blob.
        """
        if self._intact(root) is None:
            built = codec.encode(self.layout, state, Header.merged(0, self.layout.hash)).blob
            if merkle.root(built) == root:
                self._hold(root, built)

    # -- models -----------------------------------------------------------------------------------------------------

    def model(self, root: Root, holders: Sequence[Address]) -> State | None:
        """Return a model's weights, from the own disk or from a peer; None if nobody has it yet (see ``trouble``).

        Its blob is on the own disk afterwards.
        """
        try:
            own = self._intact(root)
            blob = self._fetch(root, holders) if own is None else own
            if own is None:
                self._disk.put(root, blob)
        except (BlobMissing, BlobCorrupt, StoreError) as error:
            self.trouble = f"{root.hex()[:12]}: {error}"
            return None
        size = self.layout.blob_size
        return self._memo.get(("state", root), lambda: codec.decode(self.layout, blob), lambda _: size)

    def publish(self, root: Root) -> bool:
        """Give peers what is on the own disk; False if the store refuses just now (see ``trouble``).

        What the own disk has lost cannot be given, now or later: peers do without it.
        """
        if root not in self._published:
            blob = self._intact(root)
            if blob is None:
                self.trouble = f"{root.hex()[:12]}: the own disk has lost it"
                return True
            try:
                self._store.put(root, blob)
            except StoreError as error:
                self.trouble = str(error)
                return False
            self._published.add(root)
        return True

    def prune(self, keep: set[Root]) -> None:
        """Let go of all own blobs but these."""
        self._disk.prune(keep)

    # -- updates ----------------------------------------------------------------------------------------------------

    def peer_update(self, view: View, index: int) -> tuple[memoryview | None, Verdict]:
        """Return a member's update, if it can be had and is what it must be, and the verdict on it."""
        root, owner = view.roots[index], view.members[index]
        expected = self._header(view.round, owner)
        blob = None
        try:
            own = self._intact(root)
            blob = self._fetch(root, [owner]) if own is None else own
            reason = self._memo.get(("valid", root, expected), partial(codec.check, self.layout, blob, expected))
        except BlobMissing:
            reason = MISSING
        except BlobCorrupt as error:
            reason = str(error)
        except StoreError as error:
            self.trouble = str(error)
            reason = MISSING
        return (None if reason else blob), Verdict("valid", index, not reason, float(not reason), reason)

    def evidence(self, updates: Mapping[int, memoryview], view: View, own: int | None) -> Evidence:
        """Return what screens may look at: these valid updates by index, against the round's base."""
        values = {index: self._values(blob) for index, blob in updates.items()}
        base = self._values(self._own(view.base))

        def from_base(index: int) -> float:
            return self._memo.get(("distance", view.base, view.roots[index]), lambda: distance(values[index], base))

        weights = {index: codec.read_header(blob).weight for index, blob in updates.items()}
        return Evidence(base, values, weights, own if own in updates else None, from_base)

    def merge(self, updates: Mapping[Root, memoryview], round: int) -> Root:
        """Merge these updates by the charter's rule, keep the result, and return its root."""
        key = ("merge", self._rule, round, tuple(sorted(updates)))
        blob, root = self._memo.get(
            key, partial(self._merged, list(updates.values()), round), lambda made: len(made[0])
        )
        self._hold(root, blob)
        return root

    def _merged(self, updates: list[memoryview], round: int) -> tuple[memoryview, Root]:
        weights = [codec.read_header(blob).weight for blob in updates]
        merged = codec.blank(self.layout, Header.merged(round, self.layout.hash))
        self._rule.merge([self._values(blob) for blob in updates], weights, self._values(merged))
        return merged, merkle.root(merged)

    def _header(self, round: int, node: Address, weight: int = 1) -> Header:
        return Header.update(self._chain_id, self._federation, round, node, self.layout.hash, weight)

    def _values(self, blob: memoryview) -> NDArray[np.int32]:
        return codec.values(blob, self.layout.size)

    def _hold(self, root: Root, blob: memoryview) -> None:
        """Put on the disk what was hashed just now; who wants it in this process need not read and hash it again."""
        first = self._memo.keep(("disk", root), self._disk)
        # What several nodes of a process hold alike, a merge, lies on their disk once, under a name for each.
        if first is self._disk or not self._disk.link(root, first):
            self._disk.put(root, blob)
        self._memo.keep(("blob", root), blob.toreadonly(), blob.nbytes)

    def _own(self, root: Root) -> memoryview:
        size = self.layout.blob_size
        return self._memo.get(("blob", root), lambda: self._disk.get(root, size), len)

    def _intact(self, root: Root) -> memoryview | None:
        """Return what is on the own disk, or None if it is not there or not whole: after a power cut, say."""
        try:
            return self._own(root) if self._disk.has(root) else None
        except (BlobMissing, BlobCorrupt):
            return None

    def _fetch(self, root: Root, holders: Sequence[Address]) -> memoryview:
        size = self.layout.blob_size
        return self._memo.get(("blob", root), lambda: self._store.get(root, size, holders), len)

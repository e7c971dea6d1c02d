"""A node's way to blobs: its own disk, its peers' store, every byte checked; and what is computed from them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from rayfed.aggregation.gram import Gram, gram
from rayfed.aggregation.rules import Rule
from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.norm import distance
from rayfed.aggregation.screens.progress import alignment
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.attacks.behaviour import HONEST, Behaviour
from rayfed.encoding import codec, merkle
from rayfed.encoding.codec import Header
from rayfed.encoding.layout import Layout
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.learning import State
from rayfed.node.memo import Memo
from rayfed.protocol.messages import View
from rayfed.store import Store
from rayfed.store.files import FileStore

MISSING = "not to be had"
"""The reason in the verdict on an update that nobody could give: it may still turn up, all others are final."""


class Blobs:
    """Finds, checks, keeps, publishes, merges.

    Args:
        layout: of the model.
        chain_id, federation: what updates' headers must be bound to.
        rule: the charter's merge rule.
        disk: the node's own blobs.
        store: where blobs travel.
        memo: shared with the other nodes of the process.
        within: layout of all blobs, where there is more in them than the model; None: there is not.

    Attributes:
        trouble: what the last failure was, in a line.
        beside: disks of the process's other nodes: what lies there need not be asked for.
    """

    def __init__(
        self,
        layout: Layout,
        chain_id: int,
        federation: Address,
        rule: Rule,
        disk: FileStore,
        store: Store,
        memo: Memo,
        within: Layout | None = None,
    ) -> None:
        self._model = layout
        self.layout = within or layout
        self.trouble = ""
        self.beside: Sequence[FileStore] = ()
        self._chain_id = chain_id
        self._federation = federation
        self._rule = rule
        self._disk = disk
        self._store = store
        self._memo = memo
        self._published: set[Root] = set()
        self._held: dict[int, set[Root]] = {}

    # -- the own disk -----------------------------------------------------------------------------------------------

    def keep(self, blob: memoryview) -> Root:
        """Keep a blob on the own disk; return its root."""
        root = merkle.root(blob)
        self._hold(root, blob)
        return root

    def update(
        self, round: int, node: Address, state: State, examples: int, base: Root, behaviour: Behaviour = HONEST
    ) -> tuple[Root, int]:
        """Write a trained state as this node's update on the own disk; return its root and how many values saturated.

        Args:
            base: what it was trained from.
            behaviour: may change it.

        Raises:
            CodecError: a NaN or an infinity is in it.
            StoreError: the disk is full.
        """
        encoded = codec.encode(self._model, state, self._header(round, node, examples), within=self.layout)
        behaviour.forge(round, lambda: self._weights(self._own(base)), self._weights(encoded.blob))
        return self.keep(encoded.blob), encoded.saturated

    def genesis(self, root: Root, state: State) -> None:
        """Keep the genesis blob if this machine builds the one that the charter names.

        Another library version may build other bits: then the charter's root decides, and a peer has the blob.
        """
        if self._intact(root) is None:
            built = codec.encode(self._model, state, Header.merged(0), within=self.layout).blob
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
        size = self._model.blob_size
        return self._memo.get(
            ("state", root), lambda: codec.decode(self._model, blob, within=self.layout), lambda _: size
        )

    def find(self, root: Root, holders: Sequence[Address]) -> memoryview | None:
        """Return any blob of the federation, from the own disk or from a peer; None if nobody gives it."""
        try:
            own = self._intact(root)
            own = self._beside(root) if own is None else own
            return self._fetch(root, holders) if own is None else own
        except (BlobMissing, BlobCorrupt, StoreError) as error:
            self.trouble = f"{root.hex()[:12]}: {error}"
            return None

    def publish(self, root: Root, change: Callable[[memoryview], memoryview | None] = lambda blob: blob) -> bool:
        """Give peers what is on the own disk; False if the store refuses just now (see ``trouble``).

        Args:
            change: what a dishonest node would rather give; None is nothing.

        What the own disk has lost cannot be given, now or later: peers do without it.
        """
        if root not in self._published:
            blob = self._intact(root)
            if blob is None:
                self.trouble = f"{root.hex()[:12]}: the own disk has lost it"
                return True
            try:
                offered = change(blob)
                if offered is not None:
                    self._store.put(root, offered)
            except StoreError as error:
                self.trouble = str(error)
                return False
            self._published.add(root)
        return True

    def prune(self, keep: set[Root]) -> None:
        """Let go of all own blobs but these, and those that somebody may still ask for (see ``hold``)."""
        self._disk.prune(keep.union(*self._held.values()))

    def hold(self, round: int, blobs: Mapping[Root, memoryview]) -> None:
        """Keep what a round rests on, others' updates too, until ``release``: whoever attested a merge vouches for it.

        Raises:
            StoreError: the disk is full.
        """
        for root, blob in blobs.items():
            if not self._disk.has(root):
                self._hold(root, blob)
        self._held.setdefault(round, set()).update(blobs)

    def release(self, round: int) -> None:
        """Rounds up to this one cannot be challenged any more."""
        self._held = {number: roots for number, roots in self._held.items() if number > round}

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

    def evidence(
        self,
        updates: Mapping[int, memoryview],
        view: View,
        own: int | None,
        loss: Callable[[State], float] | None = None,
        genesis: Callable[[], Root | None] = lambda: None,
    ) -> Evidence:
        """Return what screens may look at: these valid updates by index, against the round's base.

        Args:
            loss: of a state on the node's private data.
            genesis: gives the root of the model that round 1 started from, once it is on the own disk; None if it
                cannot be had. Asked when a screen wants to know.
        """
        values = {index: self._weights(blob) for index, blob in updates.items()}
        base = self._weights(self._own(view.base))

        def from_base(index: int) -> float:
            return self._memo.get(("distance", view.base, view.roots[index]), lambda: distance(values[index], base))

        def products() -> tuple[Sequence[int], Gram]:
            members = sorted(values)
            key = ("products", view.base, tuple(view.roots[index] for index in members))
            size = 48 * len(members) ** 2  # a whole number of this size and its place
            return members, self._memo.get(key, lambda: gram([values[i] for i in members], base), lambda _: size)

        made: list[tuple[memoryview, State]] = []  # asked for once an update: the pages are cleared once

        def lost(numbers: NDArray[np.int32]) -> float:
            assert loss is not None
            if not made:
                blob = codec.blank(self._model, Header.merged(view.round))
                made.append((blob, codec.decode(self._model, blob)))
            blob, state = made[0]
            np.copyto(self._weights(blob), numbers)
            return loss(codec.decode(self._model, blob, out=state))

        @cache
        def start() -> NDArray[np.int32] | None:
            root = genesis()
            return None if root is None else self._weights(self._own(root))

        def along(index: int) -> float:
            first = start()
            assert first is not None
            key = ("along", view.base, view.roots[index])
            return self._memo.get(key, lambda: alignment(values[index], base, first))

        weights = {index: codec.read_header(blob).weight for index, blob in updates.items()}
        seen = own if own in updates else None
        return Evidence(
            base, values, weights, seen, from_base, products, lost if loss else None,
            view.round, *((start, along) if view.base_round else ()),
        )  # fmt: skip

    def has_start(self, base: Root, holders: Sequence[Address]) -> bool:
        """Say whether a merge to ``base`` can be computed: the rule does not ask for it, or it is at hand, fetched
        from a peer if need be (see ``trouble``)."""
        return not self._rule.needs_base or self._intact(base) is not None or self.model(base, holders) is not None

    def merge(self, updates: Mapping[Root, memoryview], round: int, base: Root) -> Root:
        """Merge these updates to ``base`` by the charter's rule, keep the result, and return its root."""
        key = ("merge", self._rule, round, base, tuple(sorted(updates)))
        blob, root = self._memo.get(
            key, partial(self._merged, list(updates.values()), round, base), lambda made: len(made[0])
        )
        self._hold(root, blob)
        return root

    def _merged(self, updates: list[memoryview], round: int, base: Root) -> tuple[memoryview, Root]:
        weights = [codec.read_header(blob).weight for blob in updates]
        merged = codec.blank(self.layout, Header.merged(round, self.layout.hash))
        start = self._values(self._own(base)) if self._rule.needs_base else None
        self._rule.merge([self._values(blob) for blob in updates], weights, self._values(merged), base=start)
        return merged, merkle.root(merged)

    def _header(self, round: int, node: Address, weight: int = 1) -> Header:
        return Header.update(self._chain_id, self._federation, round, node, self.layout.hash, weight)

    def _values(self, blob: memoryview) -> NDArray[np.int32]:
        return codec.values(blob, self.layout.size)

    def _weights(self, blob: memoryview) -> NDArray[np.int32]:
        """Return the model's values alone."""
        return codec.values(blob, self._model.size)

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

    def _beside(self, root: Root) -> memoryview | None:
        size = self.layout.blob_size
        for disk in self.beside:
            with contextlib.suppress(BlobMissing, BlobCorrupt):
                return self._memo.get(("blob", root), partial(disk.get, root, size), len)
        return None

    def _fetch(self, root: Root, holders: Sequence[Address]) -> memoryview:
        size = self.layout.blob_size
        return self._memo.get(("blob", root), lambda: self._store.get(root, size, holders), len)

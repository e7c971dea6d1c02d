"""The updates of a round: had from peers side by side, and judged by what they must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import Address, Root
from rayfed.node.blobs import BlobRepository, Found
from rayfed.node.memo import Memo
from rayfed.node.update_codec import UpdateCodec
from rayfed.protocol.messages import View

MISSING = "not to be had"
"""The reason in the verdict on an update that nobody could give: it may still turn up, all others are final."""


@dataclass(frozen=True, slots=True)
class PeerUpdate:
    """A member's update, and the verdict on it; ``bytes`` is None if they cannot be had: the node misses it."""

    bytes: memoryview | None
    verdict: Verdict

    @property
    def may_come(self) -> bool:
        """Whether it is worth asking for again."""
        return self.verdict.reason == MISSING


class PeerUpdates:
    """Has updates fetched and checked. Safe to use from several threads.

    Args:
        codec, blobs: the node's.
        memo: shared with the other nodes of the process.
        at_once: how many are asked for side by side; with 1, one after the other, in the order of their members.
    """

    def __init__(self, codec: UpdateCodec, blobs: BlobRepository, memo: Memo, at_once: int) -> None:
        self._codec = codec
        self._blobs = blobs
        self._memo = memo
        self._at_once = at_once

    def fetch(self, holders: Mapping[Root, Sequence[Address]]) -> dict[Root, Found]:
        """Return blobs by root, whatever their bytes are, from the own disk or from one of their holders.

        Side by side, so that a peer who is slow to hand out its bytes keeps nobody waiting but who asks it.
        """
        if self._at_once == 1 or len(holders) == 1:
            return {root: self._blobs.find(root, whom) for root, whom in holders.items()}
        with ThreadPoolExecutor(self._at_once, "rayfed-fetch") as pool:
            return dict(zip(holders, pool.map(self._blobs.find, holders, holders.values()), strict=True))

    def gather(self, view: View, holders: Mapping[int, Sequence[Address]]) -> dict[int, PeerUpdate]:
        """Return several members' updates of the view's round, by index.

        Args:
            view: names their roots.
            holders: who should have each, by the index of its author.
        """
        if self._at_once == 1:
            one_by_one = ((index, self._blobs.find(view.roots[index], whom)) for index, whom in holders.items())
            return {index: self._judged(view, index, blob) for index, blob in one_by_one}
        asked: dict[Root, list[Address]] = {}
        for index, whom in holders.items():  # two members may have committed to the same root
            asked.setdefault(view.roots[index], []).extend(whom)
        found = self.fetch(asked)
        return {index: self._judged(view, index, found[view.roots[index]]) for index in holders}

    def _judged(self, view: View, index: int, found: Found) -> PeerUpdate:
        root, owner = view.roots[index], view.members[index]
        if found.blob is None:
            reason = found.reason if found.is_final else MISSING
        else:
            key = "valid", root, self._codec.header(view.round, owner)
            reason = self._memo.get(key, partial(self._codec.fault, found.blob, view.round, owner))
        return PeerUpdate(found.blob, Verdict("valid", index, not reason, float(not reason), reason))

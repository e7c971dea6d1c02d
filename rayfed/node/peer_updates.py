"""The updates of a round: had from peers side by side, and judged by what they must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import Address, Root, bits
from rayfed.node.blobs import BlobRepository, Found
from rayfed.node.included import Holders
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


Updates = dict[int, PeerUpdate]
"""By the index of their author."""


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

        Side by side, so that a peer who is slow to hand out its bytes keeps nobody waiting but who asks it; what the
        process has in memory comes first, and nobody is asked for it.
        """
        here = {root: Found(blob) for root in holders if (blob := self._blobs.at_hand(root)) is not None}
        lacking = [root for root in holders if root not in here]
        whom = [holders[root] for root in lacking]
        if self._at_once == 1 or len(lacking) <= 1:
            found = here | dict(zip(lacking, map(self._blobs.find, lacking, whom), strict=True))
        else:
            with ThreadPoolExecutor(min(self._at_once, len(lacking)), "rayfed-fetch") as pool:
                found = here | dict(zip(lacking, pool.map(self._blobs.find, lacking, whom), strict=True))
        return {root: found[root] for root in holders}

    def gather(self, view: View, committed: int, holders: Callable[[View, int], Sequence[Address]]) -> Updates:
        """Return several members' updates of the view's round, by index.

        Args:
            view: names their roots.
            committed: bitmap of their authors.
            holders: given the view and an author, returns who should have its update.
        """
        authors: dict[Root, list[int]] = {}
        for index in bits(committed):  # two members may have committed to the same root
            authors.setdefault(view.roots[index], []).append(index)
        found = self.fetch(Holders(authors, lambda index: holders(view, index)))
        return {index: self._judged(view, index, found[view.roots[index]]) for index in bits(committed)}

    def _judged(self, view: View, index: int, found: Found) -> PeerUpdate:
        root, owner = view.roots[index], view.members[index]
        if found.blob is None:
            reason = found.reason if found.is_final else MISSING
        else:
            key = "valid", root, self._codec.header(view.round, owner)
            reason = self._memo.get(key, partial(self._codec.fault, found.blob, view.round, owner))
        return PeerUpdate(found.blob, Verdict("valid", index, not reason, float(not reason), reason))

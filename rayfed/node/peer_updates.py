"""The updates of a round: had from peers side by side, and judged by what they must be."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.node.blobs import BlobRepository
from rayfed.node.memo import Memo
from rayfed.node.update_codec import UpdateCodec
from rayfed.protocol.messages import View

MISSING = "not to be had"
"""The reason in the verdict on an update that nobody could give: it may still turn up, all others are final."""


@dataclass(frozen=True, slots=True)
class PeerUpdate:
    """A member's update, and the verdict on it; ``blob`` is None if it cannot be had or is not what it must be."""

    blob: memoryview | None
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

    def get(self, view: View, index: int) -> PeerUpdate:
        """Return one member's update of the view's round."""
        root, owner = view.roots[index], view.members[index]
        found = self._blobs.find(root, [owner])
        if found.blob is None:
            reason = found.reason if found.is_final else MISSING
        else:
            key = "valid", root, self._codec.header(view.round, owner)
            reason = self._memo.get(key, partial(self._codec.fault, found.blob, view.round, owner))
        return PeerUpdate(
            None if reason else found.blob, Verdict("valid", index, not reason, float(not reason), reason)
        )

    def gather(self, view: View, indices: Sequence[int]) -> dict[int, PeerUpdate]:
        """Return several members' updates by index.

        Side by side, so that a peer who is slow to hand out its bytes keeps nobody waiting but who asks it.
        """
        get = partial(self.get, view)
        if self._at_once == 1:
            return {index: get(index) for index in indices}
        with ThreadPoolExecutor(self._at_once, "rayfed-fetch") as pool:
            return dict(zip(indices, pool.map(get, indices), strict=True))

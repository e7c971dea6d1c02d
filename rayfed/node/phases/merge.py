"""ATTEST: merging the included updates, and stating the root."""

from __future__ import annotations

from rayfed.encoding.primitives import NO_ROOT, Root, bits
from rayfed.node.kit import Kit
from rayfed.node.peer_updates import PeerUpdates
from rayfed.node.phases.ready import NOTHING, JournalEntry, Ready
from rayfed.protocol.commands import Attest
from rayfed.protocol.messages import Verb, View
from rayfed.protocol.policy import Merge


class MergeHandler:
    """Merges, and attests the result; abstains where that would contradict what the node signed on another branch."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        tools = kit.tools
        self._updates = PeerUpdates(tools.codec, tools.blobs, tools.memo, at_once=1)
        self._abstains: set[tuple[int, int]] = set()

    def __call__(self, action: Merge, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        if index is None:
            return NOTHING
        round, included, root = action.round, action.included, action.root
        if root == NO_ROOT:
            self.kit.publisher.own_update(view, index)  # after a restart, those who still lack it ask again
            merged = self.merged(included, view)
            if merged is None:
                return NOTHING
            root = self.kit.hooks.behaviour.attestation(round, merged, self.kit.tools.blobs)
        if self.kit.resources.journal.said(round, Verb.ATTEST) not in (None, root.hex()):
            # The chain went back after this node had attested, and other updates are included now.
            self._abstains.add((round, included))
            return Ready(note=f"round {round}: already signed another root; does not attest")
        return Ready(True, JournalEntry(round, Verb.ATTEST, root.hex()), Attest(round, root))

    def merged(self, included: int, view: View) -> Root | None:
        """Merge the included updates; None while one of them cannot be had (then the node abstains)."""
        kit, round = self.kit, view.round
        with kit.log.timed(round, "fetch"):
            gathered = self._updates.gather(view, list(bits(included)))
        present = {view.roots[i]: update.blob for i, update in gathered.items() if update.blob is not None}
        if len(present) < included.bit_count():
            return None
        with kit.log.timed(round, "merge"):
            root, _ = kit.tools.merger.merge(present, round, view.base)
        kit.held.merged = (round, root)
        return root

    def refrains(self, view: View) -> frozenset[tuple[Verb, int]]:
        """Return the attestations that would contradict an earlier one, given what is included now."""
        last = view.previous
        now = {(view.round, view.included)} | ({(last.round, last.included)} if last else set())
        return frozenset((Verb.ATTEST, round) for round, _ in self._abstains & now)

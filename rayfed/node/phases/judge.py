"""VOTE: having the others' updates, judging them, and the ballot."""

from __future__ import annotations

from collections.abc import Mapping

from rayfed.aggregation.screens import ballot
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import Root, bits
from rayfed.node.evidence import EvidenceMaker
from rayfed.node.kit import Kit
from rayfed.node.peer_updates import PeerUpdate, PeerUpdates
from rayfed.node.phases.ready import NOTHING, JournalEntry, Ready
from rayfed.protocol.commands import Vote
from rayfed.protocol.messages import Verb, View
from rayfed.protocol.policy import Judge


class JudgeHandler:
    """Publishes the own update, fetches the others', asks the screens, and votes."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        tools = kit.tools
        self._updates = PeerUpdates(tools.codec, tools.blobs, tools.memo, kit.options.fetches)
        # The learner is asked by name only when a screen wants it: one of one's own may have no data to hold out.
        learner = kit.resources.learner
        self._evidence = EvidenceMaker(
            tools.codec, tools.disk, tools.memo, lambda state: learner.loss(state), self._genesis
        )

    def __call__(self, action: Judge, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        if index is None:
            return NOTHING
        if not self.kit.publisher.own_update(view, index) and self.kit.has_time(view):
            return NOTHING
        round, committed = action.round, action.committed
        said = self.kit.resources.journal.said(round, Verb.VOTE)
        if said is None:
            accepted = self.accepted(view, committed, index)
            if accepted is None:
                return NOTHING
            return Ready(True, JournalEntry(round, Verb.VOTE, f"{accepted:x}"), Vote(round, accepted))
        accepted = int(said, 16)
        if accepted & ~committed:
            # The chain went back after this node had voted, and not all of those updates came again.
            return Ready(note=f"round {round}: already signed another ballot; does not vote")
        return Ready(True, command=Vote(round, accepted))

    def accepted(self, view: View, committed: int, index: int) -> int | None:
        """Return the ballot; None while an update is missing and there is still time to wait for it."""
        kit, round = self.kit, view.round
        with kit.log.timed(round, "fetch"):
            gathered = self._updates.gather(view, list(bits(committed)))
        if kit.has_time(view) and any(update.may_come for update in gathered.values()):
            return None
        with kit.log.timed(round, "screen"):
            evidence = self._evidence.make(_valid(gathered), view, index)
            accepted, verdicts = ballot(kit.resources.screens, evidence)
            kit.hooks.behaviour.saw(round, evidence)
        first: list[Verdict] = [update.verdict for update in gathered.values()]
        kit.log.amend(round, verdicts=(*first, *verdicts))
        return kit.hooks.behaviour.ballot(round, accepted, committed)

    def _genesis(self, view: View) -> Root | None:
        """Return genesis's root once its blob is on the own disk; None if it cannot be had.

        A node that came late, or lost its disk, has started from another model.
        """
        genesis = self.kit.membership.charter.genesis
        return None if self.kit.load(genesis, view) is None else genesis


def _valid(gathered: Mapping[int, PeerUpdate]) -> dict[int, memoryview]:
    return {index: update.blob for index, update in gathered.items() if update.blob is not None}

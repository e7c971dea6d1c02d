"""VOTE: having the others' updates, judging them, and the ballot: what the node accepts, and what it misses."""

from __future__ import annotations

from collections.abc import Mapping

from rayfed.aggregation.screens import ballot
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import Root, bitmap
from rayfed.errors import StoreError
from rayfed.node.evidence import EvidenceMaker
from rayfed.node.included import IncludedReader
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
        self._included = IncludedReader(kit.resources.ledger, kit.address)
        # The learner is asked by name only when a screen wants it: one of one's own may have no data to hold out.
        learner = kit.resources.learner
        self._evidence = EvidenceMaker(
            tools.codec,
            tools.disk,
            tools.memo,
            lambda state: learner.loss(state),
            self._genesis,
            kit.resources.ledger.round_of,
        )

    def __call__(self, action: Judge, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        if index is None:
            return NOTHING
        if not self.kit.publisher.own_update(view, index) and self.kit.has_time(view):
            return NOTHING
        round, context = action.round, view.context
        said = self.kit.resources.journal.said(round, Verb.VOTE, context)
        if said is not None:
            accepts, misses = (int(half, 16) for half in said.split(":"))
            return Ready(True, command=Vote(round, context, accepts, misses))
        ballot = self.ballot(view, action.committed, index)
        if ballot is None:
            return NOTHING
        accepts, misses = ballot
        entry = JournalEntry(round, Verb.VOTE, context, f"{accepts:x}:{misses:x}")
        return Ready(True, entry, Vote(round, context, accepts, misses))

    def ballot(self, view: View, committed: int, index: int) -> tuple[int, int] | None:
        """Return what the node accepts and what it misses; None while an update, or the base, is missing and there is
        still time to wait for it."""
        kit, round = self.kit, view.round
        with kit.log.timed(round, "fetch"):
            gathered = self._updates.gather(view, committed, self._included.holders)
        if kit.has_time(view) and any(update.may_come for update in gathered.values()):
            return None
        kit.publisher.others(round, {view.roots[i]: one.bytes for i, one in gathered.items() if one.bytes is not None})
        misses = bitmap(i for i, update in gathered.items() if update.bytes is None)
        first: list[Verdict] = [update.verdict for update in gathered.values()]
        with kit.log.timed(round, "screen"):
            try:
                evidence = self._evidence.make(_valid(gathered), view, index)
            except StoreError as error:  # without the base nothing can be judged
                if kit.has_time(view):
                    return None
                kit.board.note(f"round {round}: accepts nothing, for its base cannot be had: {error}")
                kit.log.amend(round, verdicts=tuple(first))
                return 0, misses
            accepts, verdicts = ballot(kit.resources.screens, evidence)
            kit.hooks.behaviour.saw(round, evidence)
        kit.log.amend(round, verdicts=(*first, *verdicts))
        behaviour = kit.hooks.behaviour
        accepts = behaviour.ballot(round, accepts, committed)
        return accepts, behaviour.misses(round, misses, committed) & ~accepts

    def _genesis(self, view: View) -> Root | None:
        """Return genesis's root once its blob is on the own disk; None if it cannot be had.

        A node that came late, or lost its disk, has started from another model.
        """
        genesis = self.kit.membership.charter.genesis
        return None if self.kit.load(genesis, view) is None else genesis


def _valid(gathered: Mapping[int, PeerUpdate]) -> dict[int, memoryview]:
    return {i: update.bytes for i, update in gathered.items() if update.bytes is not None and update.verdict.accepted}

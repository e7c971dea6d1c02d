"""Becoming a member, freeing a seat, taking the federation a step further, abstaining: what takes no work."""

from __future__ import annotations

from rayfed.encoding.primitives import NO_ROOT
from rayfed.node.kit import Kit
from rayfed.node.phases.ready import JournalEntry, Ready
from rayfed.protocol import policy
from rayfed.protocol.commands import Advance, Commit, Join, Release
from rayfed.protocol.messages import Verb, View


class EnterHandler:
    """Joins, by the charter that the node agrees to."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def __call__(self, action: policy.Enter, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        return Ready(True, command=Join(self.kit.membership.charter.hash))


class FreeSeatHandler:
    """Frees a seat that nobody needs any more."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def __call__(self, action: policy.FreeSeat, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        return Ready(True, command=Release(action.index))


class MoveOnHandler:
    """Takes the step that is due."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def __call__(self, action: policy.MoveOn, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        return Ready(True, command=Advance())


class AbstainHandler:
    """Says that the base is wrong, or that the node cannot check it."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit

    def __call__(self, action: policy.Abstain, view: View, index: int | None) -> Ready:
        """See ``Handler``."""
        round, context = action.round, view.context
        said = self.kit.resources.journal.said(round, Verb.COMMIT, context)
        if said is not None:
            return Ready(True, command=Commit(round, context, bytes.fromhex(said)))
        entry = JournalEntry(round, Verb.COMMIT, context, NO_ROOT.hex())
        note = f"round {round}: abstains, for round {view.base_round}'s model is wrong or cannot be checked"
        return Ready(True, entry, Commit(round, context), note)

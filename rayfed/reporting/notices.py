"""What people should know of a federation that still runs: who begins to be left out, and which rounds are undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import Address
from rayfed.protocol.messages import NodeRecord, NodeStatus, Outcome, View
from rayfed.reporting.left_out import NOTICE, left_out
from rayfed.reporting.summarise import build
from rayfed.reporting.words import node_name, short

if TYPE_CHECKING:
    from rayfed.reporting.closed_round import RoundSummary

LATE = 2
"""Rounds, the last ones, that are summarised again when nodes report: they do so after a round has closed."""

KEPT = 64
"""Rounds, the last ones, that are kept: a look costs as much in a federation's tenth month as on its first day."""


class Notices:
    """Keeps the closed rounds and what has been told of them. Not safe to use from several threads."""

    def __init__(self, outcome: Callable[[int], Outcome | None]) -> None:
        """Begin with nothing told.

        Args:
            outcome: what became of a closed round, as the ledger says; asked once for each, and again when rounds fell.
        """
        self._outcome = outcome
        self._outcomes: dict[int, Outcome] = {}
        self._rounds: dict[int, RoundSummary] = {}
        self._records: dict[int, list[NodeRecord]] = {}
        self._heard = 0  # how many of the records are in there, or were
        self._next = 1  # the first round whose outcome is not known
        self._looked = (0, 0, 0)
        self._base = 0
        self._told: set[Address] = set()
        self._lines: tuple[str, ...] = ()

    def look(
        self, view: View, views: Mapping[int, View], records: Sequence[NodeRecord], statuses: Iterable[NodeStatus]
    ) -> tuple[str, ...]:
        """Return all notices so far, the oldest first; a member that was back in and is left out again has two.

        A round is undone when the base goes back to an earlier one: what was built on it falls, too.

        Args:
            views: the last one seen of each round.
            records: all that the nodes have reported so far, in the order in which they came.
            statuses: from which nodes have their names.

        Raises:
            LedgerUnreachable: nothing answers; the next look goes on from here.
        """
        last = 0 if view.previous is None else view.previous.round
        if (last, len(records), view.base_round) == self._looked:
            return self._lines
        self._fallen(view)
        for record in records[self._heard :]:
            self._records.setdefault(record.round, []).append(record)
        self._heard = len(records)
        first = max(1, min(self._next, last - LATE + 1))
        for round in range(first, last + 1):
            if round not in self._outcomes and (found := self._outcome(round)) is not None:
                self._outcomes[round] = found
        due = [round for round in range(first, last + 1) if round in self._outcomes]
        closed = build(
            {},
            federation="",
            chain_id=0,
            charter_hash="",
            outcomes=[self._outcomes[round] for round in due],
            records=[record for round in due for record in self._records.get(round, ())],
            views=[views[round] for round in due if round in views],
            members=view.members,
        ).rounds
        self._rounds.update({each.round: each for each in closed})
        while self._next in self._outcomes:
            self._next += 1
        self._forget(last - KEPT)
        self._tell({status.address: node_name(status) for status in statuses})
        self._looked = last, len(records), view.base_round
        return self._lines

    def _forget(self, last: int) -> None:
        """Let go of the rounds up to this one."""
        held: tuple[dict[int, Any], ...] = (self._outcomes, self._rounds, self._records)
        for kept in held:
            for round in [number for number in kept if number <= last]:
                del kept[round]

    def _fallen(self, view: View) -> None:
        """Forget what was known of rounds after the base, where that has gone back, and say so."""
        if view.base_round < self._base:
            gone = [round for round in self._outcomes if round > view.base_round]
            stood = [round for round in gone if self._outcomes[round].status.stands]
            found = self._outcome(min(stood)) if stood else None
            for round in gone:
                del self._outcomes[round]
                self._rounds.pop(round, None)
            self._next = min([self._next, *gone])
            if found is not None and not found.status.stands:  # else it is the chain that has gone back
                back = f"that of round {view.base_round}" if view.base_round else "the one that all began with"
                self._lines += (f"round {found.round} is undone: its merge lost in court; the model is {back} again",)
        self._base = view.base_round

    def _tell(self, names: Mapping[Address, str]) -> None:
        now = left_out([self._rounds[round] for round in sorted(self._rounds)])
        self._told &= {each.member for each in now}
        for each in now:
            # The word of the nodes comes a little after the ledger's: a notice waits for it, but not for ever.
            if each.member not in self._told and (each.screens or each.rounds > NOTICE):
                self._told.add(each.member)
                self._lines += (each.line(names.get(each.member) or short(each.member)),)

"""Whether what is final is right: every final root against the own merge of the included updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rayfed.encoding.primitives import Root
from rayfed.ledger import FederationState
from rayfed.node.merger import Merger
from rayfed.node.watchtower.closed import can_be_wrong, last_closed, read
from rayfed.node.watchtower.inputs import InputFinder, Missing
from rayfed.protocol.judgement import Record
from rayfed.protocol.messages import Outcome, Status, View

RECHECK_SECONDS = 10
"""How often to ask anew for rounds that are judged, in chain time, while the view says nothing new."""

STEADY = 4
"""So many judged rounds in a row that the ledger still tells as before end the search for one that it does not: no
reorganisation goes back further than that and leaves them as they were."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a round was when it was judged: as much of its record as makes it another round."""

    status: Status
    undone: bool
    base_round: int
    root: Root
    evidence: bytes


class Verifier:
    """Judges closed rounds in order, as far as their updates can be had, and anew where a reorganisation changed them.

    Args:
        ledger: what is read.
        merger: the watchtower's.
        inputs: finds what a round has merged.
        note: told in a line what is wrong.
    """

    def __init__(
        self, ledger: FederationState, merger: Merger, inputs: InputFinder, note: Callable[[str], None]
    ) -> None:
        self._ledger = ledger
        self._merger = merger
        self._inputs = inputs
        self._note = note
        self._terms = ledger.terms()
        self._judged: dict[int, Judged] = {}
        self._checked: tuple[Outcome | None, int] = (None, 0)
        self.wrong: frozenset[int] = frozenset()

    @property
    def verified(self) -> int:
        """All rounds up to this one are judged."""
        return len(self._judged)

    def look(self, view: View) -> Missing | None:
        """Judge what has closed; return what is lacking for more.

        Raises:
            LedgerError: the ledger's node has forgotten what was said in a round.
            LedgerUnreachable: nothing answers.
            StoreError: the disk is full.
        """
        self._rewind(view)
        for round in range(self.verified + 1, last_closed(view) + 1):
            record = self._ledger.record(round)
            if record is None:
                return None
            if can_be_wrong(record, self._terms, view.time):
                closed = read(self._ledger, round)
                if closed is None or closed.record != record:
                    return None  # the chain has just gone back
                inputs = self._inputs.find(closed, view)
                if inputs.updates is None:
                    return inputs.missing
                mine, _ = self._merger.merge(inputs.updates, round, closed.base)
                if mine != record.root:
                    self._note(f"round {round}: {record.root.hex()[:12]} is not the merge of its updates")
                    self.wrong |= {round}
            self._judged[round] = _of(record)
        return None

    def _rewind(self, view: View) -> None:
        """Forget what was judged on a branch that the ledger has left, and what is wrong and cannot be helped."""
        for round in sorted(self.wrong):
            record = self._ledger.record(round)
            if record is None or not can_be_wrong(record, self._terms, view.time):
                self.wrong -= {round}
            elif _of(record) != self._judged[round]:
                self._checked = None, 0
        last = view.previous and replace(view.previous, attesters=0)
        if self._checked[0] == last and view.time < self._checked[1] + RECHECK_SECONDS:
            return
        self._checked = last, view.time
        steady = 0
        for round in sorted(self._judged, reverse=True):
            record = self._ledger.record(round)
            if record is not None and _of(record) == self._judged[round]:
                steady += 1
                if steady == STEADY:
                    return
                continue
            for later in range(round, self.verified + 1):
                del self._judged[later]
                self.wrong -= {later}
            steady = 0


def _of(record: Record) -> Judged:
    return Judged(record.status, record.undone, record.base_round, record.root, record.evidence)

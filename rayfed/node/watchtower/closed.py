"""A closed round as the ledger tells it, read at once."""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.encoding.primitives import Root
from rayfed.ledger import FederationState
from rayfed.ledger.evidence import evidence_of
from rayfed.protocol.judgement import MERGED, Record
from rayfed.protocol.messages import Phase, Status, Terms, View


@dataclass(frozen=True, slots=True)
class Closed:
    """A round that was final, whether or not it was undone since.

    Attributes:
        record: what it rests on.
        base: root of the model that it started from.
        included: roots of the updates that it merged, in the order of their members' indices.
    """

    round: int
    record: Record
    base: Root
    included: tuple[Root, ...]

    def root(self, which: int) -> Root | None:
        """Return the root of one of its blobs (``Proof.which``); None if it has none of this number."""
        if which == MERGED:
            return self.record.root
        return self.included[which] if which < len(self.included) else None


def read(ledger: FederationState, round: int) -> Closed | None:
    """Return a round that is or was final; None if it is not closed, void, or not what it was a moment ago.

    A chain may go back between two questions. What does not fit together is asked again at the next look.

    Raises:
        LedgerError: the ledger's node has forgotten what was said in that round.
    """
    record = ledger.record(round)
    if record is None or not any(record.evidence):
        return None
    base = base_of(ledger, record)
    if base is None:
        return None
    included = tuple(ledger.included_roots(round))
    if evidence_of(included) != record.evidence:
        return None
    return Closed(round, record, base, included)


def base_of(ledger: FederationState, record: Record) -> Root | None:
    """Return the root of the model that a final round started from; None if its record is not there any more."""
    if record.base_round == 0:
        return ledger.terms().genesis
    before = ledger.record(record.base_round)
    return before.root if before is not None else None


def last_closed(view: View) -> int:
    """Return the last round that has closed; 0 if none has."""
    return view.round if view.phase is Phase.DONE else max(0, view.round - 1)


def is_over(record: Record, terms: Terms, time: int) -> bool:
    """Say whether a final round can no longer be challenged."""
    return time > record.open_until + terms.challenge_seconds


def can_be_wrong(record: Record, terms: Terms, time: int) -> bool:
    """Say whether there would be anything to do about a round, if its merge were wrong."""
    return record.status is Status.FINAL and not is_over(record, terms, time)

"""The honest policy for the court: what a party does about a round that can still be judged. Pure: it reads what the
ledger says and what the party has, and names what is due; no clock, no state (docs/protocol.md, sections 6 to 8).

A party that has all that a round included knows its merge, and stands up for that: it enters its root against a wrong
final one, makes the moves of that entry in every stage, and proves all inputs at a leaf. What it lacks an update of, it
cannot judge: it moves for no entry of that round. Undoing, collecting and settling follow from the ledger alone.

Whatever anybody may do, several will see at once: they take turns (``CourtAct.waits``), but never so long that the side
which they move for has less than half of its clock left.
"""

from __future__ import annotations

from collections.abc import Iterator

from rayfed.encoding.primitives import NO_ROOT, Address
from rayfed.protocol.acting import CourtAct, CourtSight, OwnMerge, place, stage_of, turn_seconds
from rayfed.protocol.commands import Collect, EnterRoot, Reimburse, Resolve, Settle, Undo
from rayfed.protocol.court import Entry, Fate
from rayfed.protocol.defence import RESOLVED_LEVEL, Defence
from rayfed.protocol.messages import Round, Status, View

__all__ = ["CourtAct", "CourtSight", "OwnMerge", "acts", "dues", "is_over", "place", "turn_seconds", "unsettled"]

ENTRIES_AT_ONCE = 128
"""Entries that one ``Settle`` looks at: it fits a transaction even if each has attesters to punish."""

LOOKED_AT = 64
"""Entries among which one look seeks attesters of a root that has lost: the first ones, where attested roots mostly
are, and as many elsewhere, others at every look. Whom nobody has found is dealt with when the round is settled."""

PARTS = 67
"""Parts that the entries are looked through in, one every two seconds: prime, so that whatever the pace of looks, they
come to all of them; and enough for 4,096."""


def unsettled(ledger: CourtSight, view: View) -> list[Round]:
    """Return the rounds whose attestations can still be judged, in their order."""
    found: list[Round] = []
    for number in reversed(ledger.terms().slots(view.round)):
        if len(found) >= view.unsettled:
            break
        round = ledger.round_of(number)
        if round is not None and round.status.is_unsettled:
            found.append(round)
    return found[::-1]


def acts(ledger: CourtSight, round: Round, own: OwnMerge | None, view: View, me: Address) -> Iterator[CourtAct]:
    """Yield what is due about one round, the most urgent first.

    Args:
        ledger: what is read; with a look-up or two a stage, however many entries there are.
        round: one that is final or void (``unsettled``).
        own: the party's own merge of it; None where that lacks an update.
        view: as of now.
        me: the party's account.
    """
    yield from _Case(ledger, round, own, view, me).acts()


def dues(ledger: CourtSight, round: int, number: int, view: View, me: Address) -> Iterator[CourtAct]:
    """Yield what an account has to ask for after it moved for an entry, or put its bond down; also when the round is
    settled and its slot is another's.

    Args:
        ledger: what is read.
        round: the tournament's.
        number: of the entry.
        view: as of now.
        me: the account.
    """
    tournament, terms = ledger.tournament(round), ledger.terms()
    if tournament is None:
        return
    entry = ledger.entry(round, number)
    if entry is not None and entry.entrant == me and not entry.collected and entry.fate in (Fate.WON, Fate.FALLEN):
        yield CourtAct(Collect(round, number), shared=False, line=f"round {round}: the bond of entry {number} is back")
    if tournament.fallen:
        return
    for stage in range(min(tournament.stages, stage_of(tournament, terms, view) + 1)):
        rival = _rival(ledger, round, stage, number)
        if rival is not None and rival.fate is Fate.LOST:
            if not rival.collected:
                yield CourtAct(Collect(round, rival.number), round + rival.number)
            if entry is not None and (entry.fate, entry.stage, entry.collected) == (Fate.LOST, stage, False):
                yield CourtAct(Collect(round, number), round + number)  # both lost, and what moves cost is shared out
        block = number >> (stage + 1)
        if ledger.owed(round, stage, block, me):
            yield CourtAct(Reimburse(round, stage, block, me), shared=False)


def is_over(ledger: CourtSight, round: int, view: View) -> bool:
    """Say whether a round's tournament has come to its end, or there is none: nothing more will be due of it."""
    tournament = ledger.tournament(round)
    if tournament is None or tournament.fallen:
        return True
    return bool(tournament.start) and stage_of(tournament, ledger.terms(), view) >= tournament.stages


def _some(entries: int, time: int) -> Iterator[int]:
    """Yield the numbers of the entries to look at: the first ones, and a part of the others that time chooses."""
    yield from range(min(entries, LOOKED_AT))
    first = LOOKED_AT * (1 + time // 2 % PARTS)
    yield from range(first, min(entries, first + LOOKED_AT))


def _rival(ledger: CourtSight, round: int, stage: int, number: int) -> Entry | None:
    """Return whom an entry meets, or met, in a stage; None: nobody, or that is still open."""
    decided, who = ledger.survivor(round, stage, (number >> stage) ^ 1)
    return ledger.entry(round, who) if decided and who is not None else None


class _Case:
    """One round before the court, as one party sees it."""

    def __init__(self, ledger: CourtSight, round: Round, own: OwnMerge | None, view: View, me: Address) -> None:
        self._ledger = ledger
        self._round = round
        self._own = own
        self._view = view
        self._me = me
        self._terms = ledger.terms()
        self._tournament = ledger.tournament(round.round)
        self._number = None if own is None else ledger.number_of(round.round, own.root)

    def acts(self) -> Iterator[CourtAct]:
        """See the function."""
        has_begun = self._terms.rule != 0 and self._stage() >= 0
        if has_begun and self._tournament is not None and self._own is not None and self._number is not None:
            yield from Defence(self._ledger, self._round, self._tournament, self._number, self._own, self._view).moves()
        yield from self._enter()
        if has_begun:
            yield from self._resolve()
            yield from self._undo()
            yield from self._collect()
            if self._number is not None:
                yield from dues(self._ledger, self._round.round, self._number, self._view, self._me)
        yield from self._settle()

    def _stage(self) -> int:
        return -1 if self._tournament is None else stage_of(self._tournament, self._terms, self._view)

    # -- entering -----------------------------------------------------------------------------------------------------

    def _enter(self) -> Iterator[CourtAct]:
        round, own, terms = self._round, self._own, self._terms
        if own is None or self._number is not None or round.status is not Status.FINAL or not terms.rule:
            return
        if round.root in (NO_ROOT, own.root) or self._view.time > round.deadline + terms.window_seconds:
            return
        line = f"round {round.round}: {own.root.hex()[:12]} is entered against {round.root.hex()[:12]}"
        command = EnterRoot(round.round, round.context, own.root)
        by = round.deadline + terms.window_seconds // 2
        yield CourtAct(command, round.round, by=by, line=line, root=own.root)

    # -- what comes of it ---------------------------------------------------------------------------------------------

    def _resolve(self) -> Iterator[CourtAct]:
        """Where there are very many entries, keep who is left of each part of them: else undoing, collecting and
        settling would have to look through more than fits a transaction."""
        tournament, round = self._tournament, self._round.round
        if tournament is None or tournament.stages <= RESOLVED_LEVEL + 1 or self._stage() < RESOLVED_LEVEL:
            return
        for part in range(-(-tournament.entries >> RESOLVED_LEVEL)):
            if self._ledger.match(round, RESOLVED_LEVEL - 1, part) is None:
                yield CourtAct(Resolve(round, RESOLVED_LEVEL, part), round + part)

    def _undo(self) -> Iterator[CourtAct]:
        round = self._round
        if round.status is not Status.FINAL:
            return
        final = self._ledger.number_of(round.round, round.root)
        entry = None if final is None else self._ledger.entry(round.round, final)
        if entry is not None and entry.fate is Fate.LOST:
            line = f"round {round.round} is undone: {round.root.hex()[:12]} has lost"
            yield CourtAct(Undo(round.round), round.round, line=line)

    def _collect(self) -> Iterator[CourtAct]:
        """Deal with who attested a root that has lost: else it would go on, or come back with its stake, until the
        round is settled. Looks at no more entries than it takes to find all who attested, and never at many."""
        round, tournament = self._round, self._tournament
        if tournament is None:
            return
        suspects = round.attested
        if self._number is not None:
            entry = self._ledger.entry(round.round, self._number)
            suspects &= ~(0 if entry is None else entry.attesters)
        for number in _some(tournament.entries, self._view.time):
            if not suspects:
                return
            entry = None if number == self._number else self._ledger.entry(round.round, number)
            if entry is None or not entry.attesters:
                continue
            suspects &= ~entry.attesters
            if entry.fate is Fate.LOST and not entry.collected:
                line = f"round {round.round}: who attested entry {number}, which has lost, loses its stake"
                yield CourtAct(Collect(round.round, number), round.round + number, line=line)

    def _settle(self) -> Iterator[CourtAct]:
        round = self._round
        if not self._base_is_open() and self._is_decided():
            yield CourtAct(Settle(round.round, ENTRIES_AT_ONCE), round.round)

    def _base_is_open(self) -> bool:
        base = self._ledger.round_of(self._round.base_round) if self._round.base_round else None
        return base is not None and base.status is not Status.SETTLED

    def _is_decided(self) -> bool:
        """Whether the round's tournament, or its window where there is none, is over, and what is final has won."""
        round, terms, tournament, time = self._round, self._terms, self._tournament, self._view.time
        if terms.rule == 0 or tournament is None:
            window = terms.window_seconds if terms.rule else 0
            return round.status is Status.VOID or time > round.deadline + window
        if self._stage() < 0:
            return False
        decided, winner = self._ledger.survivor(round.round, tournament.stages, 0)
        if not decided or round.status is Status.VOID:
            return decided
        return winner is not None and winner == self._ledger.number_of(round.round, round.root)

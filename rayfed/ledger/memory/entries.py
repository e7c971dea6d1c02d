"""How roots get into a tournament by a bond, and what comes of a final one that has lost: entries, ``undo``."""

from __future__ import annotations

from dataclasses import replace

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.errors import Rejected
from rayfed.ledger.memory import bracket, phases
from rayfed.ledger.memory.slots import DocketSlot, Head, MatchSlot, RoundSlot, StandingPhase
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.court import MAX_ENTRIES, Fate, MatchState
from rayfed.protocol.messages import Status


def enter(s: Storage, sender: Address, round: int, context: bytes, root: Root, value: int | None) -> int:
    """Enter another root against a final one, for a bond; return its number."""
    if not s.terms.rule:
        raise Rejected("NotJudged")
    slot = _final(s, round)
    until = slot.deadline + s.terms.window_seconds
    if s.now > until:
        raise Rejected("WindowClosed")
    if context != slot.context:
        raise Rejected("WrongContext")
    if root == NO_ROOT:
        raise Rejected("ZeroRoot")
    if value is not None and value != s.terms.bond:
        raise Rejected("WrongBond")
    if (round, root) in s.entry_of or root == slot.first:
        raise Rejected("AlreadyEntered")
    _take_place(s, sender, slot)
    number = s.add_entry(round, root)
    s.changed(s.entries, (round, number)).entrant = sender
    s.changed(s.dockets, round).start = until
    s.native_paid[sender] = s.native_paid.get(sender, 0) - s.terms.bond
    s.emit("Entered", round=round, number=number, root=root, entrant=sender)
    return number


def _take_place(s: Storage, sender: Address, slot: RoundSlot) -> None:
    """Take a place for an entry by bond; those kept for the roster are taken by attesting, or later by who did not."""
    docket = s.changed(s.dockets, slot.round, DocketSlot)
    if docket.outsiders < MAX_ENTRIES - slot.roster.bit_count():
        docket.outsiders += 1
        return
    seat = s.seat_of(sender)
    late = 0 if s.now < slot.deadline else slot.awaited & ~docket.placed
    if seat is None or not late >> seat & 1:
        raise Rejected("TournamentFull")
    docket.placed |= 1 << seat


def resolve(s: Storage, round: int, level: int, block: int) -> None:
    """Keep who survives below a block, so that others need not work it out again."""
    docket = s.dockets.get(round)
    if docket is None or docket.count < 2 or not docket.start or docket.fallen:
        raise Rejected("NoTournament")
    if not 0 < level <= bracket.stages(docket.count) or block << level >= docket.count:
        raise Rejected("NoTournament")
    key = (round, level - 1, block)
    if key in s.matches:
        raise Rejected("NothingNew")
    if s.now <= bracket.start_of(s, docket, level - 1):
        raise Rejected("TooEarly")
    ended, who = bracket.survivor(s, round, docket, level, block)
    if not ended:
        raise Rejected("TooEarly")
    s.matches[key] = MatchSlot(state=MatchState.DECIDED, winner=who)
    s.emit("Decided", round=round, stage=level - 1, block=block, winner=who)


def undo(s: Storage, round: int) -> None:
    """Undo a round whose final root has lost a match."""
    slot = _final(s, round)
    docket = s.dockets.get(round)
    if not s.terms.rule or docket is None or not bracket.begun(s, docket):
        raise Rejected("NotLost")
    if bracket.fate(s, round, docket, slot.final_entry)[0] is not Fate.LOST:
        raise Rejected("NotLost")
    slot = s.changed(s.rounds, s.slot_of(round))
    slot.head = Head.VOID
    s.outcomes[round] = replace(s.outcomes[round], status=Status.VOID, root=NO_ROOT, attesters=0)
    s.emit("Undone", round=round, last=s.round)
    for later in range(round + 1, s.round + 1):
        _fall(s, later)
    s.active &= ~s.attesters(round, slot.final_entry)
    s.origin, s.installs, s.finals = round, False, slot.finals_before
    s.voids, s.since = 0, s.now
    if s.standing is StandingPhase.WAITING:
        s.deadline = s.now  # what it has waited so far counts no more
    # Where members gather, or wait for a slot, they go on doing so: the next round finds its base by ``origin``.
    if s.standing in (StandingPhase.OPEN, StandingPhase.DONE):
        phases.go_on(s)


def _fall(s: Storage, round: int) -> None:
    """End a round that was built on one that is undone: nobody loses by it."""
    slot = s.changed(s.rounds, s.slot_of(round))
    if not slot.in_use:
        return
    if slot.is_unsettled:
        s.unsettled -= 1
    docket = s.dockets.get(round)
    if docket is not None and docket.count:
        s.changed(s.dockets, round).fallen = True
        s.burned += docket.pot  # of those who had lost by then
    if slot.head < Head.FINAL:
        s.evidence.pop(round, None)  # cut short: nobody has said what became of it
    included = s.outcomes[round].included if round in s.outcomes else 0
    slot.head = Head.OVER
    s.outcomes[round] = phases.void(round, Status.OVER, included)


def _final(s: Storage, round: int) -> RoundSlot:
    slot = s.held(round) if round else None
    if slot is None or slot.head is not Head.FINAL:
        raise Rejected("NotFinal")
    return slot

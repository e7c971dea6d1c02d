"""What anybody can read of a federation in memory, as of its clock's time."""

from __future__ import annotations

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.ledger.memory import bracket, phases, seats, settling
from rayfed.ledger.memory.slots import AccountSlot, Head, RoundSlot, SeatSlot, StandingPhase
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.contexts import NO_CONTEXT
from rayfed.protocol.court import Entry, Fate, Match, MatchState, Point, Tournament
from rayfed.protocol.messages import Outcome, Round, Status, View


def view_of(s: Storage) -> View:
    """Return the federation as it stands."""
    is_open = s.standing is StandingPhase.OPEN
    slot = s.slot if is_open else None
    n = max(s.holders, default=-1) + 1
    made = phases.origin(s) if slot is None else (slot.base_round, slot.base, slot.base_context)
    base_round, base, base_context = made
    now = round_of(s, s.round) if is_open else None
    is_done = s.standing in (StandingPhase.DONE, StandingPhase.WAITING)
    return View(
        time=s.now,
        round=s.round,
        phase=phases.phase_of(s),
        deadline=slot.deadline if slot is not None else 0 if is_done else s.deadline,
        due=phases.is_due(s),
        base=base,
        base_round=base_round,
        base_context=base_context,
        base_settled=s.base_settled(base_round),
        context=slot.context if slot is not None else NO_CONTEXT,
        roster=slot.roster if slot is not None else 0,
        active=s.active,
        committed=now.committed if now is not None else 0,
        abstained=now.abstained if now is not None else 0,
        voted=now.voted if now is not None else 0,
        attested=now.attested if now is not None else 0,
        included=now.included if now is not None else 0,
        excused=now.excused if now is not None else 0,
        finals=s.finals,
        voids=s.voids,
        unsettled=s.unsettled,
        since=s.since,
        members=tuple(s.holders.get(i, "") for i in range(n)),
        roots=tuple(slot.roots.get(i, NO_ROOT) if slot is not None else NO_ROOT for i in range(n)),
        accepts=tuple(slot.accepts.get(i, 0) if slot is not None else 0 for i in range(n)),
        misses=tuple(slot.misses.get(i, 0) if slot is not None else 0 for i in range(n)),
        previous=round_of(s, s.round - 1 if is_open else s.round),
    )


def round_of(s: Storage, round: int) -> Round | None:
    """Return a round, if its slot holds it."""
    slot = s.held(round) if round else None
    if slot is not None and slot.seen is None:
        slot.seen = _read(s, slot)
    return None if slot is None else slot.seen


def _read(s: Storage, slot: RoundSlot) -> Round:
    status, is_commit, is_vote = phases.status_of(slot.head), slot.head is Head.COMMIT, slot.head is Head.VOTE
    counted = status is not Status.OVER
    attested = counted and not is_commit and not is_vote
    stands = status.stands
    return Round(
        round=slot.round,
        status=status,
        deadline=slot.deadline,
        base_round=slot.base_round,
        base=slot.base,
        context=slot.context,
        roster=slot.roster,
        committed=slot.spoken & ~slot.abstained if is_commit else slot.committed,
        abstained=slot.abstained,
        voted=slot.spoken if is_vote else slot.voted if counted and not is_commit else 0,
        attested=slot.spoken if attested else 0,
        included=slot.included if attested else 0,
        excused=slot.excused if attested else 0,
        root=s.root_of(slot.round, slot.final_entry) if stands else NO_ROOT,
        attesters=s.attesters(slot.round, slot.final_entry) if stands else 0,
    )


def outcome_of(s: Storage, round: int) -> Outcome | None:
    """Return what became of a closed round; its deadline as long as its slot holds it."""
    outcome, slot = s.outcomes.get(round), s.held(round)
    if outcome is None or slot is None:
        return outcome
    return Outcome(round, outcome.status, outcome.root, outcome.included, outcome.attesters, slot.deadline)


def account_of(s: Storage, address: Address) -> Account:
    """Return what an address has."""
    account, word = s.accounts.get(address, AccountSlot()), s.seats.get(address, SeatSlot())
    return Account(
        stake=account.stake,
        claimable=account.credit,
        bonds=account.bonds,
        native_claimable=account.native_credit,
        locked_until=account.locked_until,
        slashed=account.slashed,
        forfeited=account.forfeited,
        earned=account.earned,
        drops=word.drops,
        paused_until=seats.paused_until(s, word),
        sequence=word.sequence,
    )


def books_of(s: Storage) -> Books:
    """Return the pool, and what is burned."""
    return Books(s.pool, s.burned, s.native_burned)


def cards_of(s: Storage) -> dict[Address, bytes]:
    """Return the latest card of each member that has announced one."""
    return {address: word.card for address, word in s.seats.items() if word.sequence}


def tournament_of(s: Storage, round: int) -> Tournament | None:
    """Return a round's tournament."""
    docket = s.dockets.get(round)
    return None if docket is None or docket.count < 2 else Tournament(round, docket.count, docket.start, docket.fallen)


def entry_of(s: Storage, round: int, number: int) -> Entry | None:
    """Return an entry of a round that has a tournament."""
    docket = s.dockets.get(round)
    if docket is None or not 0 <= number < docket.count or (not number and s.held(round) is None):
        return None
    fate, stage = Fate.PENDING, 0
    if docket.fallen or bracket.begun(s, docket):
        fate, stage = bracket.fate(s, round, docket, number)
    entry = s.entries.get((round, number))
    return Entry(
        number=number,
        root=s.root_of(round, number),
        attesters=s.attesters(round, number),
        entrant=entry.entrant if entry is not None else "",
        fate=fate,
        stage=stage,
        collected=entry.collected if entry is not None else docket.first_punished,
    )


def number_of(s: Storage, round: int, root: Root) -> int | None:
    """Return the number of the entry with this root."""
    slot = s.held(round) if round else None
    if (round, root) in s.entry_of:
        return s.entry_of[round, root]
    is_first = slot is not None and Head.FINAL <= slot.head < Head.OVER and root == slot.first
    return 0 if is_first else None


def owed_of(s: Storage, round: int, stage: int, block: int, mover: Address) -> int:
    """Return what ``Reimburse`` would credit now."""
    return settling.owed(s, (round, stage, block), mover) or 0


def survivor_of(s: Storage, round: int, level: int, block: int) -> tuple[bool, int | None]:
    """Return who is left of a block's entries after so many stages."""
    docket = s.dockets.get(round)
    if docket is None or docket.fallen or not bracket.begun(s, docket) or level > bracket.stages(docket.count):
        return False, None
    ended, who = bracket.survivor(s, round, docket, level, block)
    return ended, who - 1 if who != bracket.NOBODY else None


def match_of(s: Storage, round: int, stage: int, block: int) -> Match | None:
    """Return a match in which somebody has moved."""
    m = s.matches.get((round, stage, block))
    if m is None:
        return None
    ended, winner = bracket.outcome(s, m)
    return Match(
        state=MatchState.DECIDED if ended else m.state,
        point=Point(round, stage, m.i, m.j, m.first, m.count),
        since=m.since,
        clock_i=m.clock_i,
        clock_j=m.clock_j,
        shown=m.shown,
        node_i=m.node_i,
        node_j=m.node_j,
        coordinate=m.coordinate,
        proven=m.proven,
        winner=winner - 1 if ended and winner != bracket.NOBODY else None,
    )

"""How the federation moves on, a step a call (docs/protocol.md, section 4): the contract's ``Phases``."""

from __future__ import annotations

from rayfed.encoding.primitives import NO_ROOT, Root, bitmap, bits
from rayfed.errors import Rejected
from rayfed.ledger.memory import seats
from rayfed.ledger.memory.slots import DocketSlot, Head, RoundSlot, StandingPhase
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol import contexts
from rayfed.protocol.court import MergeEvidence
from rayfed.protocol.messages import Outcome, Phase, Status

LAST_ROUND = 2**32 - 1

PHASES = {StandingPhase.FORMING: Phase.FORMING, StandingPhase.WAITING: Phase.WAITING, StandingPhase.DONE: Phase.DONE}


def phase_of(s: Storage) -> Phase:
    """Return where the federation stands."""
    return Phase(s.slot.head) if s.standing is StandingPhase.OPEN else PHASES[s.standing]


def is_due(s: Storage) -> bool:
    """Return whether a step is due; what is due is decided here alone."""
    if s.standing is StandingPhase.DONE:
        return False
    if s.standing is StandingPhase.FORMING:
        return _gathered(s) or is_over(s)
    if s.standing is StandingPhase.WAITING:
        return _has_room(s)
    slot = s.slot
    return not slot.awaited or s.now >= slot.deadline or (slot.head is Head.ATTEST and slot.has_quorum)


def advance(s: Storage) -> None:
    """Take the step that is due."""
    if not is_due(s):
        raise Rejected("NothingDue")
    step(s)


def step(s: Storage) -> None:
    """Take the step that is known to be due."""
    if s.standing is StandingPhase.FORMING:
        if is_over(s):
            _finish(s)
        else:
            _open_or_wait(s)
    elif s.standing is StandingPhase.WAITING:
        s.since += s.now - s.deadline  # what others' disputes cost is not this federation's time
        go_on(s)  # and who is left may be too few by now
    else:
        _turn(s)


# -- between rounds ------------------------------------------------------------------


def _gathered(s: Storage) -> bool:
    n = s.active.bit_count()
    return n >= s.terms.start_members or (s.now >= s.deadline and n >= s.terms.min_members)


def is_over(s: Storage) -> bool:
    """Return whether the federation has come to one of its limits."""
    return (
        s.finals >= s.terms.rounds
        or s.voids >= s.terms.max_void
        or s.now >= s.since + s.terms.limit_seconds
        or s.round == LAST_ROUND
    )


def _has_room(s: Storage) -> bool:
    following = s.rounds.get(s.slot_of(s.round + 1))
    return s.unsettled < s.terms.max_unsettled and not (following is not None and following.in_use)


def go_on(s: Storage) -> None:
    """Do what comes after a round that closed."""
    if is_over(s):
        _finish(s)
    elif s.active.bit_count() < s.terms.min_members:
        s.standing, s.deadline = StandingPhase.FORMING, s.now + s.terms.join_seconds
        s.emit("PhaseOpened", round=s.round, phase=int(Phase.FORMING), deadline=s.deadline, context=NO_ROOT)
    else:
        _open_or_wait(s)


def _finish(s: Storage) -> None:
    s.standing, s.deadline = StandingPhase.DONE, 0
    s.emit("PhaseOpened", round=s.round, phase=int(Phase.DONE), deadline=0, context=NO_ROOT)


def _open_or_wait(s: Storage) -> None:
    if _has_room(s):
        _open(s)
    else:
        s.standing, s.deadline = StandingPhase.WAITING, s.now
        s.emit("PhaseOpened", round=s.round, phase=int(Phase.WAITING), deadline=0, context=NO_ROOT)


def _open(s: Storage) -> None:
    base_round, base, base_context = origin(s)
    s.round += 1
    s.standing, s.deadline = StandingPhase.OPEN, 0
    addresses = [s.holders[index] for index in bits(s.active)]
    slot = RoundSlot(
        round=s.round,
        head=Head.COMMIT,
        deadline=s.now + s.terms.commit_seconds,
        roster=s.active,
        awaited=s.active,
        base_round=base_round,
        base=base,
        base_context=base_context,
        context=contexts.opening(s.round, base_round, base, base_context, s.active, addresses),
        finals_before=s.finals,
    )
    s.rounds[s.slot_of(s.round)] = slot
    _say_opened(s, slot)


def origin(s: Storage) -> tuple[int, Root, bytes]:
    """Return what the next round starts from: the round that made it, its root, and what it rests on."""
    if not s.origin:
        return 0, s.terms.genesis, s.terms.charter
    slot = s.rounds[s.slot_of(s.origin)]
    if s.installs:
        return s.origin, s.root_of(s.origin, slot.final_entry), slot.context
    return slot.base_round, slot.base, slot.base_context


def _say_opened(s: Storage, slot: RoundSlot) -> None:
    s.emit("PhaseOpened", round=slot.round, phase=int(slot.head), deadline=slot.deadline, context=slot.context)


# -- within a round ------------------------------------------------------------------


def _turn(s: Storage) -> None:
    slot = s.changed(s.rounds, s.slot_of(s.round))
    if slot.head is Head.COMMIT:
        slot.committed = slot.spoken & ~slot.abstained
        if slot.committed.bit_count() < s.terms.min_members:
            _close(s, slot, slot.spoken)
            return
        _next_phase(s, slot, Head.VOTE, s.terms.vote_seconds, slot.committed)
    elif slot.head is Head.VOTE:
        slot.voted, slot.voting = slot.spoken, slot.context
        slot.included, slot.excused = tally(slot)
        if slot.included.bit_count() < s.terms.min_members:
            _close(s, slot, _present(slot) & slot.spoken)
            return
        _next_phase(s, slot, Head.ATTEST, s.terms.attest_seconds, slot.included)
        s.evidence[slot.round] = MergeEvidence(
            round=slot.round,
            included=slot.included,
            roots=tuple(slot.roots[index] for index in bits(slot.included)),
            voting=slot.voting,
            context=slot.context,
            base_round=slot.base_round,
            base=slot.base,
        )
    elif slot.has_quorum:
        _close_final(s, slot)
    else:
        _close(s, slot, _present(slot) & slot.voted & (slot.spoken | slot.excused))


def _next_phase(s: Storage, slot: RoundSlot, head: Head, seconds: int, members: int) -> None:
    slot.context = contexts.resting(slot.context, members, [slot.roots[index] for index in bits(members)])
    slot.head, slot.deadline, slot.awaited = head, s.now + seconds, slot.roster
    _say_opened(s, slot)


def _present(slot: RoundSlot) -> int:
    """Return who committed, to an update or by abstaining."""
    return slot.committed | slot.abstained


def tally(slot: RoundSlot) -> tuple[int, int]:
    """Count the ballots: return which updates are included, and who need not attest.

    The deliberately dumb twin of the contract's bit-sliced tally: loops over pairs.
    """
    n, voted = slot.roster.bit_count(), [*bits(slot.voted)]
    accepted = (i for i in bits(slot.committed) if 2 * sum(slot.accepts[k] >> i & 1 for k in voted) > n)
    included = bitmap(accepted)
    missed = [slot.misses.get(k, 0) for k in voted]
    if not any(missed):
        return included, 0
    have = {i: sum(not m >> i & 1 for m in missed) for i in bits(included)}
    scarce = bitmap(i for i, count in have.items() if 3 * count <= 2 * n)
    return included, bitmap(k for k, m in zip(voted, missed, strict=True) if m & scarce)


def _close_final(s: Storage, slot: RoundSlot) -> None:
    number = 0 if slot.agreed >= slot.quorum else slot.final_entry
    slot.head = Head.FINAL
    # Until it is final nobody can enter another root: who has it closed late must not take the window away.
    slot.deadline = max(slot.deadline, s.now)
    if slot.dissenters:
        s.changed(s.dockets, s.round, DocketSlot).start = slot.deadline + s.terms.window_seconds
    attesters, root = s.attesters(s.round, number), s.root_of(s.round, number)
    s.outcomes[s.round] = Outcome(s.round, Status.FINAL, root, slot.included, attesters)
    s.emit("RoundClosed", round=s.round, root=root, included=slot.included, attesters=attesters)
    s.origin, s.installs = s.round, True
    s.finals, s.voids, s.since = s.finals + 1, 0, s.now
    s.unsettled += 1
    _count_absent(s, slot, _present(slot) & slot.voted)
    go_on(s)


def _close(s: Storage, slot: RoundSlot, present: int) -> None:
    """Close a round void."""
    included = 0 if slot.head is Head.COMMIT else slot.included
    attested = slot.head is Head.ATTEST and slot.spoken != 0
    slot.head = Head.VOID if attested else Head.OVER
    if attested:
        s.unsettled += 1
        if slot.dissenters:
            s.changed(s.dockets, s.round, DocketSlot).start = s.now
    s.outcomes[s.round] = void(s.round, status_of(slot.head), included)
    s.emit("RoundClosed", round=s.round, root=NO_ROOT, included=included, attesters=0)
    s.origin, s.installs = s.round, False
    s.voids += 1
    _count_absent(s, slot, present)
    go_on(s)


def void(round: int, status: Status, included: int) -> Outcome:
    """Return what became of a round that made no model."""
    return Outcome(round, status, NO_ROOT, included, 0)


def status_of(head: Head) -> Status:
    """Return what becomes of a round whose head says this."""
    return Status.OPEN if head <= Head.ATTEST else Status(head - Head.FINAL + Status.FINAL)


def _count_absent(s: Storage, slot: RoundSlot, present: int) -> None:
    """Count who was absent, and drop who was too often."""
    limit = s.terms.max_missed
    if not limit:
        return
    out = 0
    for index in bits(slot.roster):
        s.streaks[index] = 0 if present >> index & 1 else s.streaks.get(index, 0) + 1
        if s.streaks[index] == limit:
            s.streaks[index] = 0
            out |= 1 << index
    if not out:
        return
    s.active &= ~out  # who has just left is dropped like the others, or leaving in time would clear its count
    for index in bits(out):
        seats.drop(s, s.holders[index])
    s.emit("Dropped", members=out, round=slot.round)

"""What members say in a round (docs/protocol.md, section 3): the contract's ``Ledger``, and what its ``Relay`` shares.

A statement writes its author's word and nothing else; a phase is closed by ``phases.advance`` alone.
"""

from __future__ import annotations

from dataclasses import replace

from rayfed.encoding.primitives import NO_ROOT, Address
from rayfed.errors import Rejected
from rayfed.ledger.memory.slots import DocketSlot, Head, RoundSlot
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.commands import Attest, Commit, Statement, Vote

HEADS: dict[type[Statement], Head] = {Commit: Head.COMMIT, Vote: Head.VOTE, Attest: Head.ATTEST}


def speak(s: Storage, sender: Address, statement: Statement) -> None:
    """Say something in one's own transaction."""
    head, index = HEADS[type(statement)], s.seat_of(sender)
    if index is None:
        raise Rejected("NotMember")
    check_phase(s, statement.round, head)
    slot = s.changed(s.rounds, s.slot_of(statement.round))
    if not slot.awaited >> index & 1:
        raise Rejected("AlreadySpoken" if slot.roster >> index & 1 else "NotInRoster")
    slot.awaited ^= 1 << index
    if statement.context != slot.context:
        raise Rejected("WrongContext")
    keep(s, slot, index, statement)
    end_if_all_attested(s, slot)
    place = (statement.round << 8) + index
    if isinstance(statement, Commit):
        s.emit("Committed", place=place, root=statement.root)
    elif isinstance(statement, Attest):
        s.emit("Attested", place=place, root=statement.root)
    elif statement.misses:
        s.emit("VotedMissing", place=place, accepts=statement.accepts, misses=statement.misses)
    else:
        s.emit("Voted", place=place, accepts=statement.accepts)


def check_phase(s: Storage, round: int, head: Head) -> None:
    """Check that statements of this phase are heard now: attestations also when the round is final already."""
    slot = s.held(round) if round else None
    if slot is None:
        raise Rejected("WrongRound")
    now = Head.ATTEST if head is Head.ATTEST and slot.head is Head.FINAL else slot.head
    if head is not now or s.now >= slot.deadline:
        raise Rejected("WrongPhase")


def keep(s: Storage, slot: RoundSlot, index: int, statement: Statement) -> None:
    """Keep what a member says, by its index."""
    if isinstance(statement, Commit):
        _keep_commit(s, slot, index, statement)
    elif isinstance(statement, Vote):
        _keep_vote(slot, index, statement)
    else:
        _keep_attestation(s, slot, index, statement)


def end_if_all_attested(s: Storage, slot: RoundSlot) -> None:
    """End an attest phase in which everybody has spoken, unless a tournament counts from its deadline already."""
    if slot.head not in (Head.ATTEST, Head.FINAL) or slot.awaited:
        return
    docket = s.dockets.get(slot.round)
    if docket is None or not docket.start:
        slot.deadline = s.now


def _keep_commit(s: Storage, slot: RoundSlot, index: int, statement: Commit) -> None:
    if statement.root != NO_ROOT:
        slot.roots[index] = statement.root
        return
    if s.base_settled(slot.base_round):
        raise Rejected("BaseSettled")
    slot.abstained |= 1 << index


def _keep_vote(slot: RoundSlot, index: int, statement: Vote) -> None:
    if statement.accepts & statement.misses:
        raise Rejected("BallotContradicts")
    if (statement.accepts | statement.misses) & ~slot.committed:
        raise Rejected("BallotOutsideCommits")
    slot.accepts[index] = statement.accepts
    if statement.misses:
        slot.misses[index] = statement.misses


def _keep_attestation(s: Storage, slot: RoundSlot, index: int, statement: Attest) -> None:
    if statement.root == NO_ROOT:
        raise Rejected("ZeroRoot")
    if not slot.agreed:
        slot.first = statement.root  # the first who speaks says what the first root is
    if statement.root == slot.first:
        slot.agreed += 1
        number = 0
    else:
        number = _dissent(s, slot, index, statement)
    outcome = s.outcomes.get(slot.round)
    if outcome is not None and number == slot.final_entry:
        s.outcomes[slot.round] = replace(outcome, attesters=outcome.attesters | 1 << index)


def _dissent(s: Storage, slot: RoundSlot, index: int, statement: Attest) -> int:
    """Keep an attestation of another root than the one attested first; return its entry's number."""
    number = s.entry_of.get((slot.round, statement.root), 0)
    if not number:
        number = s.add_entry(slot.round, statement.root)
        if slot.head is Head.FINAL:  # a late attestation may be what makes a final round's second entry
            start = slot.deadline + s.terms.window_seconds
            s.changed(s.dockets, slot.round, DocketSlot).start = start
    entry = s.changed(s.entries, (slot.round, number))
    entry.attesters |= 1 << index
    slot.dissenters |= 1 << index
    if slot.head is Head.ATTEST and entry.attesters.bit_count() == slot.quorum:
        slot.final_entry = number
    return number

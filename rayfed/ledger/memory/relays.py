"""Statements that members have signed and anybody posts (docs/protocol.md, section 3): the contract's ``Relay``.

Here a signature is its signer's address, and a hash of both that binds it to what was said: nobody forges one, and it
is good for nothing else.
"""

from __future__ import annotations

from hashlib import sha256

from rayfed.encoding.primitives import Address, bitmap, bits
from rayfed.errors import Rejected
from rayfed.ledger.memory import phases
from rayfed.ledger.memory.slots import Head, StandingPhase
from rayfed.ledger.memory.statements import HEADS, check_phase, end_if_all_attested, keep
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.commands import Attest, Commit, Relay, Statement, Vote, misses_of, value_of
from rayfed.protocol.messages import Signed, Verb

SPOKEN: dict[Verb, Head] = {kind.verb: head for kind, head in HEADS.items()}


def signed(address: Address, statement: Statement) -> Signed:
    """Return a signed statement."""
    number = bytes.fromhex(address[2:]).rjust(32, b"\0")
    return Signed(value_of(statement), number, _seal(number, statement), misses_of(statement))


def relay(s: Storage, batch: Relay, *, believed: bool = False) -> int:
    """Post signed statements of one phase, round and context; return bitmap of those that were not heard before.

    Args:
        batch: the statements.
        believed: whether another ledger says that their members have signed them.
    """
    head = SPOKEN.get(batch.spoken)
    if head is None:
        raise Rejected("WrongPhase")
    heard = _hear_all(s, batch, head, believed)
    if batch.closes and s.round == batch.round and s.standing is StandingPhase.OPEN and phases.is_due(s):
        phases.step(s)
    return heard


def _hear_all(s: Storage, batch: Relay, head: Head, believed: bool) -> int:
    if _is_past(s, batch.round, head):
        return 0
    check_phase(s, batch.round, head)
    slot, signers = s.changed(s.rounds, s.slot_of(batch.round)), bitmap(batch.messages)
    if signers & ~slot.roster:
        raise Rejected("NotInRoster")
    heard = signers & slot.awaited
    if not heard:
        return 0
    if batch.context != slot.context:
        raise Rejected("WrongContext")
    slot.awaited ^= heard
    for index in bits(heard):
        message = batch.messages[index]
        statement = _statement(batch, head, message)
        if not believed and not _is_signed(s.holders.get(index, ""), statement, message):
            raise Rejected("WrongSigner")
        keep(s, slot, index, statement)
    end_if_all_attested(s, slot)
    told = [batch.messages[index] for index in bits(heard)]
    any_misses = head is Head.VOTE and any(message.misses for message in batch.messages.values())
    s.emit(
        "Relayed",
        round=batch.round,
        phase=int(head),
        members=heard,
        values=tuple(message.value for message in told),
        misses=tuple(message.misses for message in told) if any_misses else (),
    )
    return heard


def _is_past(s: Storage, round: int, head: Head) -> bool:
    """Return whether statements come too late for their round or phase: no fault of who posts them."""
    slot = s.held(round) if round else None
    if slot is None:
        return round != 0 and round <= s.round
    now = Head.ATTEST if head is Head.ATTEST and slot.head is Head.FINAL else slot.head
    return head < now or (head is now and s.now >= slot.deadline)


def _statement(batch: Relay, head: Head, message: Signed) -> Statement:
    if head is Head.COMMIT:
        return Commit(batch.round, batch.context, message.value)
    if head is Head.ATTEST:
        return Attest(batch.round, batch.context, message.value)
    return Vote(batch.round, batch.context, int.from_bytes(message.value, "big"), message.misses)


def _is_signed(holder: Address, statement: Statement, message: Signed) -> bool:
    number = bytes.fromhex(holder[2:]).rjust(32, b"\0")
    return message.r == number and message.vs == _seal(number, statement)


def _seal(number: bytes, statement: Statement) -> bytes:
    head = bytes([HEADS[type(statement)]])
    words = (head, statement.round.to_bytes(4, "big"), statement.context, value_of(statement))
    return sha256(number + b"".join(words) + misses_of(statement).to_bytes(32, "big")).digest()

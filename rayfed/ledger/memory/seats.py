"""Who has a seat, who had one, and how they can be reached (docs/protocol.md, section 5): the contract's ``Seats``."""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.encoding.primitives import MAX_MEMBERS, Address
from rayfed.errors import Rejected
from rayfed.ledger import allow_list
from rayfed.ledger.memory.slots import SeatSlot, StandingPhase
from rayfed.ledger.memory.storage import Storage

MAX_CARD = 256
CARD_SECONDS = 60
MAX_DOUBLINGS = 10
"""The pause after being dropped doubles so often."""

_MAX_LOCK = 2**32 - 1


def join(s: Storage, sender: Address, charter: bytes, proof: Sequence[bytes] | None) -> None:
    """Take a seat, or come back to it; a proof of None: another ledger says that the allow-list names the sender."""
    terms = s.terms
    if charter != terms.charter:
        raise Rejected("CharterMismatch")
    if s.standing is StandingPhase.DONE:
        raise Rejected("WrongPhase")
    listed = terms.allow_list
    if proof is not None and listed != allow_list.ANYBODY and not allow_list.verify(listed, sender, proof):
        raise Rejected("NotAllowed")
    account, word = s.account(sender), s.changed(s.seats, sender, SeatSlot)
    if account.stake < terms.stake:
        raise Rejected("UnderStaked")
    if account.bonds < terms.bonds:
        raise Rejected("UnderBonded")
    if word.seat is not None and s.active >> word.seat & 1:
        raise Rejected("AlreadyMember")
    if s.now < paused_until(s, word):
        raise Rejected("Paused")
    if word.seat is None:
        word.seat = _lowest_free(s)
        s.holders[word.seat] = sender
        s.streaks[word.seat], word.streak = word.streak, 0
    s.active |= 1 << word.seat
    s.emit("Joined", member=sender, index=word.seat)


def leave(s: Storage, sender: Address) -> None:
    """The next rounds are not to count on the sender."""
    seat = s.seat_of(sender)
    if seat is None or not s.active >> seat & 1:
        raise Rejected("NotMember")
    s.active ^= 1 << seat
    s.emit("Left", index=seat)
    if s.standing is not StandingPhase.FORMING:
        return
    # What has seen no round is released at the forming deadline: a stake that came back at once could take one seat
    # after another.
    s.account(sender).locked_until = min(s.deadline, _MAX_LOCK)
    if not is_used(s, seat):
        _release(s, sender, seat)


def release(s: Storage, index: int) -> None:
    """Free a seat that nothing rests on any more."""
    holder = s.holders.get(index)
    if holder is None:
        raise Rejected("EmptySeat")
    if s.active >> index & 1 or is_used(s, index):
        raise Rejected("SeatInUse")
    _release(s, holder, index)


def announce(s: Storage, sender: Address, sequence: int, card: bytes) -> None:
    """Say how the sender can be reached."""
    if s.seat_of(sender) is None:
        raise Rejected("NotMember")
    word = s.changed(s.seats, sender)
    if len(card) > MAX_CARD:
        raise Rejected("CardTooLong")
    if sequence <= word.sequence:
        raise Rejected("OldCard")
    if word.announced and s.now < word.announced + CARD_SECONDS:
        raise Rejected("TooSoon")
    word.sequence, word.announced, word.card = sequence, s.now, card
    s.emit("Announced", member=sender, sequence=sequence, card=card)


def paused_until(s: Storage, word: SeatSlot) -> int:
    """Return until when who was dropped waits; 0 if it never was."""
    pause = s.terms.round_seconds << min(word.drops, MAX_DOUBLINGS)
    return word.dropped_at + pause if word.drops else 0


def is_used(s: Storage, index: int) -> bool:
    """Return whether a round that is open or unsettled counts on this seat."""
    return any(slot.in_use and slot.roster >> index & 1 for slot in s.rounds.values())


def drop(s: Storage, address: Address) -> None:
    """Note that a member is dropped once more."""
    word = s.changed(s.seats, address)
    word.drops, word.dropped_at = min(word.drops + 1, 255), s.now


def _lowest_free(s: Storage) -> int:
    for index in range(MAX_MEMBERS):
        if index not in s.holders:
            return index
    raise Rejected("FederationFull")


def _release(s: Storage, holder: Address, index: int) -> None:
    word = s.changed(s.seats, holder)
    word.seat, word.streak = None, s.streaks.pop(index, 0)
    del s.holders[index]
    s.emit("Released", member=holder, index=index)

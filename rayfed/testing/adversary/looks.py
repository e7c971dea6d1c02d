"""What tells two states of a ledger in memory apart: all that can still matter, with times counted from now.

So histories that differ in nothing but how long they took, or in words that are counted already, are one state.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from rayfed.ledger.memory.chain import MemoryChain
from rayfed.ledger.memory.slots import Head, RoundSlot

TIMES = frozenset({"deadline", "since", "start", "locked_until", "dropped_at", "announced"})
"""Fields that hold a time, or 0 where there is none."""

STANDING = ("round", "standing", "finals", "voids", "unsettled", "origin", "installs", "since", "deadline", "active")

SAID = frozenset({"roots", "accepts", "misses"})
"""What is counted when a phase closes; what rests on it is in the context."""

COUNTED = SAID | {"voted", "committed", "abstained", "missers", "excused"}
"""What matters to absence, which is counted when a round closes."""

UNREAD = frozenset({"seen", "card"})


def of_ledger(chain: MemoryChain) -> Hashable:
    """Return what is stored, as something to compare."""
    storage = chain.storage
    held = (storage.held(number) for number in storage.terms.slots(storage.round))
    tables: tuple[Mapping[Any, Any], ...] = (
        storage.dockets,
        storage.entries,
        storage.matches,
        storage.accounts,
        storage.seats,
    )
    return (
        _words(storage.now, {name: getattr(storage, name) for name in STANDING}),
        tuple(_slot(storage.now, slot) for slot in held if slot is not None),
        tuple(frozenset((place, _words(storage.now, vars(one))) for place, one in table.items()) for table in tables),
        frozenset(storage.holders.items()),
        frozenset((index, streak) for index, streak in storage.streaks.items() if streak),
        (storage.pool, storage.burned, storage.native_burned),
    )


def _slot(now: int, slot: RoundSlot) -> Hashable:
    skipped = COUNTED if slot.head > Head.ATTEST else SAID if slot.head is Head.ATTEST else frozenset()
    if slot.head >= Head.SETTLED:
        return slot.round, slot.head, slot.context, slot.base, slot.final_entry, slot.first
    return _words(now, {name: value for name, value in vars(slot).items() if name not in skipped})


def _words(now: int, fields: Mapping[str, Any]) -> Hashable:
    return tuple(_word(now, name, value) for name, value in fields.items() if name not in UNREAD)


def _word(now: int, name: str, value: Any) -> Any:
    if name in TIMES:
        return value and value - now
    return frozenset(value.items()) if isinstance(value, dict) else value

"""A federation lived again: the contract's events, fed with their times to the rules, and compared with what they give.

The rules are ``ledger.memory.chain.MemoryChain``'s, which a test holds against the contract's on random histories. What
somebody did (joined, committed, entered a root, showed parts) is taken from the events; everything else (phases,
deadlines, rosters, contexts, included sets, outcomes, who was dropped, matches, stakes, rewards and slashes) is worked
out anew and must be what the contract said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from rayfed.audit import compare
from rayfed.audit.deeds import DEEDS, deed, unsaid
from rayfed.audit.events import RecordEntry
from rayfed.audit.facts import Replayed
from rayfed.audit.findings import Finding, Severity
from rayfed.audit.record import ChainRecord
from rayfed.audit.rounds import RoundBooks
from rayfed.errors import Rejected
from rayfed.ledger.memory.chain import ManualClock, MemoryChain, Said

LONGEST = 100
"""Discrepancies of the replay after which it stops: once histories differ, every later event may differ as well."""

OF_A_LOSER = frozenset({"Slashed", "BondsSpent"})
"""Events that begin what a loser comes to."""


def replay(record: ChainRecord) -> Replayed:
    """Live a federation again, and compare every step and the end with the record."""
    return _Replay(record).run()


class _Replay:
    def __init__(self, record: ChainRecord) -> None:
        self._record = record
        first = record.entries[0].time if record.entries else record.view.time
        self._chain = MemoryChain(record.terms, ManualClock(record.founded or first))
        self._given: deque[Said] = deque()  # what the rules made of the last act, not yet seen in the record
        self._told = 0
        self._at = 0
        self._findings: list[Finding] = []
        self._books = RoundBooks(self._chain)

    def run(self) -> Replayed:
        self._given.extend(self._news())  # that it was founded
        place = (-1, -1)
        for number, entry in enumerate(self._record.entries):
            self._at = number
            if (entry.block, entry.position) <= place or entry.time < self._chain.clock.now:
                self._differs(f"{entry.name} in block {entry.block} is out of order", entry)
            place = (entry.block, entry.position)
            self._chain.clock.now = max(entry.time, self._chain.clock.now)
            self._hear(entry)
            if len(self._findings) >= LONGEST:
                self._differs("too many discrepancies: the replay stops here", entry)
                break
        else:
            self._unsaid()
            self._findings += compare.outcomes(self._record, self._chain)
            self._findings += compare.view(self._record, self._chain)
            self._findings += compare.money(self._record, self._chain)
            self._findings += compare.costs(self._record)
        if not self._record.founded:
            self._findings.append(
                Finding(Severity.UNCHECKED, "replay", "the time of the founding, on which round 1's opening depends")
            )
        return Replayed(self._chain.view().members, self._books.closed(), self._findings)

    # -- one event --------------------------------------------------------------------------------------------------

    def _hear(self, entry: RecordEntry) -> None:
        if self._is_given(entry):
            self._follow(entry)
            return
        self._unsaid()
        try:
            if entry.name in DEEDS or entry.name in OF_A_LOSER:
                deed(self._chain, entry, self._following)
            else:
                self._perhaps_forming(entry)
                unsaid(self._chain, entry)
        except Rejected as error:
            self._differs(f"{entry.name}, but the rules refuse it: {error.name}", entry)
            return
        self._given.extend(self._news())
        self._books.say(entry)
        self._follow(entry)

    def _is_given(self, entry: RecordEntry) -> bool:
        """Whether the rules gave this event already: as what came of the act before."""
        return any(given.name == entry.name for given in self._given)

    def _follow(self, entry: RecordEntry) -> None:
        names = [given.name for given in self._given]
        if entry.name not in names:
            self._differs(f"{entry.name}, which the rules do not give here", entry)
            return
        for _ in range(names.index(entry.name)):
            self._missing(self._given.popleft())
        self._compare(self._given.popleft(), entry)

    def _following(self, name: str) -> Mapping[str, Any] | None:
        """Return the values of the event of this name with which what is told here goes on; None if it does not."""
        for entry in self._record.entries[self._at + 1 :]:
            if entry.name == name:
                return entry.values
            if entry.name not in OF_A_LOSER:
                break
        return None

    def _perhaps_forming(self, entry: RecordEntry) -> None:
        """Where nobody knows when the federation was founded, believe that the time to join was over by now."""
        storage = self._chain.storage
        if not self._record.founded and not storage.round:
            storage.deadline = min(storage.deadline, entry.time)

    def _news(self) -> Iterator[Said]:
        """Yield what the rules have said since the last time, and keep the books of the rounds."""
        events = self._chain.events
        while self._told < len(events):
            given = events[self._told]
            self._told += 1
            self._books.hear(given)
            yield given

    # -- what differs -----------------------------------------------------------------------------------------------

    def _compare(self, given: Said, entry: RecordEntry) -> None:
        for name, expected in given.values.items():
            held = entry.values[name]
            if name == "misses" and entry.name == "Relayed" and not any(held) and not any(expected):
                continue  # nobody of these misses anything: others of the batch did, who were heard before
            if not compare.same(expected, held):
                said, ours = compare.show(held), compare.show(expected)
                self._differs(f"{entry.name} says {name} = {said}, the rules give {ours}", entry)

    def _unsaid(self) -> None:
        """Whatever the rules gave must have been said before the next act."""
        while self._given:
            self._missing(self._given.popleft())

    def _missing(self, given: Said) -> None:
        words = ", ".join(f"{name} = {compare.show(value)}" for name, value in given.values.items())
        message = f"the rules give {given.name} ({words}), which is not in the record"
        place = given.values.get("place")
        number = given.values.get("round", self._chain.storage.round) if place is None else place >> 8
        self._findings.append(Finding(Severity.DISCREPANCY, "replay", message, number))

    def _differs(self, message: str, entry: RecordEntry) -> None:
        round = self._chain.storage.round if entry.round is None else entry.round
        owner = "" if entry.index is None else self._chain.storage.holders.get(entry.index, "")
        self._findings.append(Finding(Severity.DISCREPANCY, "replay", message, round, entry.index, owner))

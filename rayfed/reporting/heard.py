"""What a federation's events tell of its members: when each was heard of last, and what became of its updates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import NO_ROOT, Address, bits
from rayfed.protocol.messages import Phase

if TYPE_CHECKING:
    from rayfed.ledger.backend import Event

NAMES = (
    "Joined",
    "Announced",
    "PhaseOpened",
    "Committed",
    "Voted",
    "VotedMissing",
    "Attested",
    "Relayed",
    "RoundClosed",
    "Undone",
)
"""The events that are asked for."""

_SAID = {"Committed": Phase.COMMIT, "Voted": Phase.VOTE, "VotedMissing": Phase.VOTE, "Attested": Phase.ATTEST}


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a member was heard of last.

    Attributes:
        round: 0: before the first one.
        did: join, announce, commit, vote or attest.
        block: that holds it.
    """

    round: int
    did: str
    block: int


@dataclass(slots=True)
class _Told:
    committed: set[Address] = field(default_factory=set)
    ballots: dict[Address, tuple[int, int]] = field(default_factory=dict)
    seats: dict[int, Address] = field(default_factory=dict)
    included: int = 0
    stands: bool = False


class Heard:
    """All that some events tell. Members are named by their addresses in lower case, here alone.

    Args:
        events: of the names in ``NAMES``, from the founding on, in their order.

    Attributes:
        seen: by member.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self.seen: dict[Address, Seen] = {}
        self._holders: dict[int, Address] = {}
        self._rounds: dict[int, _Told] = {}
        self._now = 0
        for event in events:
            self._hear(event)

    def included(self, member: Address) -> int:
        """Return the last final round into which a member's update was merged; 0: none was."""
        return max((number for number, told in self._final() if member in _names(told, told.included)), default=0)

    def offered(self, member: Address, last: int) -> tuple[int, int]:
        """Return in how many of the last final rounds a member offered an update, and in how many it was merged.

        Args:
            last: how many of them are looked at.
        """
        rounds = [told for _, told in self._final()[-last:] if member in told.committed]
        return len(rounds), sum(member in _names(told, told.included) for told in rounds)

    def left_out_by(self, member: Address, last: int) -> tuple[dict[Address, int], dict[Address, int]]:
        """Return which members refused a member's updates that were not merged, and which did not get them; in how
        many rounds each, the most first. Why a member refused one, no ledger knows.
        """
        refused: Counter[Address] = Counter()
        missed: Counter[Address] = Counter()
        for _, told in self._final()[-last:]:
            index = next((i for i, holder in told.seats.items() if holder == member), None)
            if index is None or member not in told.committed or told.included >> index & 1:
                continue
            for voter, (accepts, misses) in told.ballots.items():
                if voter != member and not accepts >> index & 1:
                    (missed if misses >> index & 1 else refused)[voter] += 1
        return dict(refused.most_common()), dict(missed.most_common())

    def member(self, round: int, index: int) -> Address:
        """Return who had a seat in a round; empty if nobody is known to have."""
        return self._rounds[round].seats.get(index, "") if round in self._rounds else ""

    # -- parts ------------------------------------------------------------------------------------------------------

    def _final(self) -> list[tuple[int, _Told]]:
        return [(number, self._rounds[number]) for number in sorted(self._rounds) if self._rounds[number].stands]

    def _hear(self, event: Event) -> None:
        said, name = event.values, event.name
        if name == "Joined":
            self._holders[said["index"]] = said["member"].lower()
            self._saw(said["member"].lower(), self._now, "join", event.block)
        elif name == "Announced":
            self._saw(said["member"].lower(), self._now, "announce", event.block)
        elif name == "PhaseOpened":
            self._now = max(self._now, said["round"])
            if said["phase"] == Phase.COMMIT:
                self._rounds[said["round"]] = _Told(seats=dict(self._holders))
        elif name == "Relayed":
            misses = said["misses"] or [0] * len(said["values"])
            for index, value, missed in zip(bits(said["members"]), said["values"], misses, strict=True):
                self._said(Phase(said["phase"]), said["round"], index, value, missed, event.block)
        elif name in _SAID:
            round, index = said["place"] >> 8, said["place"] & 0xFF
            value = said["root"] if "root" in said else said["accepts"]
            self._said(_SAID[name], round, index, value, said.get("misses", 0), event.block)
        elif name == "RoundClosed":
            told = self._round(said["round"])
            told.included, told.stands = said["included"], bytes(said["root"]) != NO_ROOT
        elif name == "Undone":
            for number in range(said["round"], said["last"] + 1):
                self._round(number).stands = False

    def _said(self, phase: Phase, round: int, index: int, value: Any, misses: int, block: int) -> None:
        told = self._round(round)
        member = told.seats.get(index)
        if member is None:
            return
        self._saw(member, round, phase.name.lower(), block)
        if phase is Phase.COMMIT and bytes(value) != NO_ROOT:
            told.committed.add(member)
        elif phase is Phase.VOTE:
            accepts = value if isinstance(value, int) else int.from_bytes(value, "big")
            told.ballots[member] = accepts, misses

    def _saw(self, member: Address, round: int, did: str, block: int) -> None:
        self.seen[member] = Seen(round, did, block)

    def _round(self, number: int) -> _Told:
        return self._rounds.setdefault(number, _Told(seats=dict(self._holders)))


def _names(told: _Told, bitmap: int) -> set[Address]:
    return {told.seats[index] for index in bits(bitmap) if index in told.seats}

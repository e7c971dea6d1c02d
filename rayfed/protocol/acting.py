"""What is due in court, and who does it when several can: the words of ``court_policy``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rayfed.encoding.primitives import NO_ROOT, Address, Root, bits
from rayfed.protocol.commands import Command
from rayfed.protocol.court import Entry, InputProof, Match, MergeEvidence, Point, Shown, Tournament
from rayfed.protocol.messages import Round, Terms, View


class CourtSight(Protocol):
    """What the policy reads; a ``Ledger`` has it all, and says what each is."""

    def terms(self) -> Terms:
        """See ``FederationState``."""

    def round_of(self, round: int) -> Round | None:
        """See ``FederationState``."""

    def tournament(self, round: int) -> Tournament | None:
        """See ``CourtState``; so all below."""

    def entry(self, round: int, number: int) -> Entry | None: ...

    def number_of(self, round: int, root: Root) -> int | None: ...

    def survivor(self, round: int, level: int, block: int) -> tuple[bool, int | None]: ...

    def match(self, round: int, stage: int, block: int) -> Match | None: ...

    def shown(self, point: Point) -> Shown: ...

    def owed(self, round: int, stage: int, block: int, mover: Address) -> int: ...

    def merge_evidence(self, round: int) -> MergeEvidence | None: ...


class OwnMerge(Protocol):
    """A round's merge as a party that has all of its inputs knows it."""

    @property
    def root(self) -> Root:
        """Its root."""

    def parts(self, first: int, count: int) -> tuple[bytes, ...]:
        """Return the roots of a range's parts (``merkle.Tree.parts``)."""

    def leaf(self, index: int) -> bytes:
        """Return one leaf, ``merkle.LEAF`` bytes."""

    def inputs(self, which: Sequence[int], leaf: int, *, weighted: bool) -> list[InputProof]:
        """Return the proofs of one leaf of these included updates, with their headers where ``weighted``. Behind the
        last of them stands the base.

        Raises:
            StoreError: the disk has lost one of them.
        """


@dataclass(frozen=True, slots=True)
class CourtAct:
    """What is due in court.

    Attributes:
        command: what to say.
        number: turns the order round in which those who can say it do.
        since: when it fell due, seconds since the epoch; 0 where the ledger does not tell.
        by: from when on nobody waits for others; 0: there is no hurry.
        shared: whether others can do it as well.
        line: what to tell of it; empty: nothing.
        root: of a move, and an entry: what it is made for; else NO_ROOT.
    """

    command: Command
    number: int = 0
    since: int = 0
    by: int = 0
    shared: bool = True
    line: str = ""
    root: Root = NO_ROOT

    def waits(self, place: int, turn: int, seen: int, time: int) -> bool:
        """Say whether it is still for others to do.

        Args:
            place: how many come before the party.
            turn: seconds by which each next one waits longer.
            seen: when the party first saw that it is due.
            time: now.
        """
        if not self.shared or (self.by and time >= self.by):
            return False
        return time < (self.since or seen) + place * turn


def turn_seconds(terms: Terms) -> int:
    """Return how much longer each next one waits: so long that what the one before says is mined when it looks, and
    so short that a few fit half a clock."""
    return min(60, max(5, terms.clock_seconds // 32))


def place(view: View, address: Address, number: int) -> int:
    """Return how many come before an account: the active members in turn, by ``number``, then everybody else."""
    active, index = list(bits(view.active)), view.index_of(address)
    return (active.index(index) + number) % len(active) if index in active else len(active)


def stage_of(tournament: Tournament, terms: Terms, view: View) -> int:
    """Return the stage whose matches run now; -1 before the first."""
    if not tournament.start or view.time <= tournament.start:
        return -1
    return (view.time - tournament.start - 1) // terms.stage_seconds

"""What a replay finds out: what happened in each round."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayfed.audit.findings import Finding
from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.protocol.court import Entry
from rayfed.protocol.messages import Phase, Status


@dataclass(slots=True)
class RoundFacts:
    """What happened in one round, by the replay.

    Attributes:
        members: address by index of who was on its roster.
        base_round, base: what it started from.
        phase: the one that it is in or was closed in.
        status: what became of it, as of the record's end.
        included: of the closed round; as soon as it is attested.
        root, attesters: of a final round; also where it was undone later.
        roots, accepts, misses, attestations: what members said, by index; NO_ROOT abstains.
        entries: of its tournament, how each stood in the end; empty where there was none.
    """

    round: int
    roster: int
    members: dict[int, Address] = field(default_factory=dict)
    base_round: int = 0
    base: Root = NO_ROOT
    phase: Phase = Phase.COMMIT
    status: Status = Status.OPEN
    included: int = 0
    attesters: int = 0
    root: Root = NO_ROOT
    roots: dict[int, Root] = field(default_factory=dict)
    accepts: dict[int, int] = field(default_factory=dict)
    misses: dict[int, int] = field(default_factory=dict)
    attestations: dict[int, Root] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()

    @property
    def undone(self) -> bool:
        """Whether it was final and is not any more: its root lost, or its base was undone."""
        return self.root != NO_ROOT and not self.status.stands

    @property
    def updates(self) -> dict[int, Root]:
        """Roots of the updates that were committed, by index."""
        return {index: root for index, root in self.roots.items() if root != NO_ROOT}


@dataclass(slots=True)
class Replayed:
    """What came of a replay: who has each seat in the end ("" where it is free), the rounds in order, and what was not
    as the rules say."""

    members: tuple[Address, ...]
    rounds: list[RoundFacts]
    findings: list[Finding]

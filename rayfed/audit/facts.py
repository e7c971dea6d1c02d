"""What a replay finds out: what happened in each round."""

from __future__ import annotations

from dataclasses import dataclass, field

from rayfed.audit.findings import Finding
from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.protocol.messages import Phase, Status


@dataclass(slots=True)
class RoundFacts:
    """What happened in one round, by the replay.

    ``status`` is NONE while the round is open; ``phase`` is the one that it is in or was closed in. An ``undone`` round
    is VOID, with all else as it was before it was rolled back; ``upheld``: because its own merge was proved wrong.
    """

    round: int
    roster: int
    phase: Phase = Phase.COMMIT
    status: Status = Status.NONE
    included: int = 0
    attesters: int = 0
    root: Root = NO_ROOT
    roots: dict[int, Root] = field(default_factory=dict)
    ballots: dict[int, int] = field(default_factory=dict)
    attestations: dict[int, Root] = field(default_factory=dict)
    undone: bool = False
    upheld: bool = False


@dataclass(slots=True)
class Replayed:
    """What came of a replay: the members by index, the rounds in order, and what was not as the rules say."""

    members: tuple[Address, ...]
    rounds: list[RoundFacts]
    findings: list[Finding]

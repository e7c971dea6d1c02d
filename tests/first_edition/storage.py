"""What a federation's contract stores, in memory, and what it logs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from rayfed.encoding.primitives import Address, Root, bits
from tests.first_edition.messages import Outcome, Phase, Terms
from tests.first_edition.phases import PHASES, PhaseTable


class ManualClock:
    """Seconds that pass only when told to."""

    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def advance(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds


@dataclass(frozen=True, slots=True)
class Said:
    """An event as the contract would log it: its name, its values by the contract's names, and the chain's time."""

    name: str
    values: dict[str, Any]
    time: int


@dataclass
class FederationStorage:
    """What a federation's contract stores.

    ``lock`` is for handles that are used from several threads; the storage itself is one thread's at a time.
    """

    terms: Terms
    clock: ManualClock = field(default_factory=ManualClock)
    phases: PhaseTable = field(default_factory=lambda: PHASES)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.members: list[Address] = []
        self.active = 0
        self.phase = Phase.FORMING
        self.round = 0
        self.deadline = self.clock.now + self.terms.join_seconds
        self.base = self.terms.genesis
        self.base_round = 0
        self.roster = 0
        self.roots: dict[int, Root] = {}
        self.ballots: dict[int, int] = {}
        self.attestations: dict[int, Root] = {}
        self.included = 0
        self.streaks: dict[int, int] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.rosters: dict[int, int] = {}
        self.bases: dict[int, int] = {}  # of each round that was final: the round that made its base
        self.astray: dict[int, int] = {}
        self.refused: dict[int, int] = {}
        self.evidence: dict[int, list[Root]] = {}  # the roots of the included updates, by index
        self.undone: dict[int, Outcome] = {}  # what an undone round was before
        self.log: list[str] = []
        self.events: list[Said] = []

    def is_active(self, address: Address) -> bool:
        """Say whether the next rounds count on this address."""
        index = self.index_of(address)
        return index is not None and bool(self.active >> index & 1)

    def index_of(self, address: Address) -> int | None:
        """Return the member's index, or None if this address never joined."""
        return self.members.index(address) if address in self.members else None

    def _last(self) -> Outcome | None:
        closed = self.round if self.phase is Phase.DONE else self.round - 1
        return self.outcomes.get(closed)

    # -- words for the log --------------------------------------------------------------------------------------------

    def _say(self, line: str) -> None:
        self.log.append(line)

    def emit(self, name: str, **values: Any) -> None:
        self.events.append(Said(name, values, self.clock.now))

    def name(self, index: int) -> str:
        """Return a letter for a member, for readable logs."""
        return chr(ord("a") + index) if index < 26 else f"m{index}"

    def names(self, members: int) -> str:
        """Return the members of a bitmap as letters."""
        return "".join(self.name(i) for i in bits(members)) or "nobody"

    def short(self, root: Root) -> str:
        """Return the first bytes of a root."""
        return root[:3].hex()

"""Frozen values that the parts of rayfed hand each other. No behaviour beyond what the words mean.

Roots, addresses and bitmaps are those of ``rayfed.encoding.primitives``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.protocol.reports import NodeRecord as NodeRecord
from rayfed.protocol.reports import NodeStatus as NodeStatus
from rayfed.protocol.terms import COIN as COIN
from rayfed.protocol.terms import NATIVE as NATIVE
from rayfed.protocol.terms import Terms as Terms

if TYPE_CHECKING:
    from rayfed.protocol.commands import Command


class Phase(IntEnum):
    """Where a federation stands. The numbers are the contract's."""

    FORMING = 0
    COMMIT = 1
    VOTE = 2
    ATTEST = 3
    WAITING = 4
    DONE = 5


class Status(IntEnum):
    """What became of a round. The numbers are the contract's."""

    NONE = 0
    """There is no such round, or its slot has been written anew."""
    OPEN = 1
    FINAL = 2
    """One root has the quorum; it can still lose a match."""
    VOID = 3
    """Closed without, or undone; its attestations can still be judged."""
    SETTLED = 4
    """Final for good."""
    OVER = 5
    """Void for good, or fallen with its base."""

    @property
    def stands(self) -> bool:
        """Whether the round has made a model, as of now."""
        return self in (Status.FINAL, Status.SETTLED)

    @property
    def is_unsettled(self) -> bool:
        """Whether what was attested in the round can still be judged."""
        return self in (Status.FINAL, Status.VOID)


class Verb(StrEnum):
    """What can be said to the contracts: first what rounds are made of, then money, then the court."""

    JOIN = "join"
    LEAVE = "leave"
    RELEASE = "release"
    ANNOUNCE = "announce"
    COMMIT = "commit"
    VOTE = "vote"
    ATTEST = "attest"
    RELAY = "relay"
    ADVANCE = "advance"
    APPROVE = "approve"
    DEPOSIT = "deposit"
    BONDS = "bonds"
    FUND = "fund"
    SETTLE = "settle"
    COLLECT = "collect"
    REIMBURSE = "reimburse"
    WITHDRAW = "withdraw"
    CLAIM = "claim"
    CLAIM_NATIVE = "claim_native"
    REFUND = "refund"
    ENTER = "enter"
    SHOW = "show"
    SHOW_LEAF = "show_leaf"
    PROVE = "prove"
    RESOLVE = "resolve"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Round:
    """A round as its slot on the ledger holds it: the one in progress and the fifteen before it, at most.

    Attributes:
        round: its number, from 1.
        status: what became of it.
        deadline: of its phase; of a closed round, when its attest phase ends or would have ended.
        base_round: the round that made its base; 0 for genesis.
        base: root that it starts from.
        context: what the statements of its phase rest on; of a closed round, what its attestations do.
        roster: members on whom it counts; fixed when it opens.
        committed: members who committed to an update.
        abstained: members whose commit abstains.
        voted, attested: who has; whatever root.
        included: updates that more than half of the roster accept; 0 before ATTEST.
        excused: members who miss an included update that at most two thirds have.
        root: the final one; NO_ROOT in a round that is open, void or undone.
        attesters: members who attested ``root``.
    """

    round: int
    status: Status
    deadline: int
    base_round: int
    base: Root
    context: bytes
    roster: int
    committed: int = 0
    abstained: int = 0
    voted: int = 0
    attested: int = 0
    included: int = 0
    excused: int = 0
    root: Root = NO_ROOT
    attesters: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a closed round, however long ago, as of now: an undone round is void, its root is NO_ROOT.

    Attributes:
        status: FINAL or SETTLED, VOID or OVER.
        included, attesters: as in ``Round``; attesters 0 in a void round.
        deadline: when its attest phase ends; 0 where nobody remembers.
    """

    round: int
    status: Status
    root: Root
    included: int
    attesters: int
    deadline: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """All that a node needs to know of a federation, in one answer, as of ``time``. Nothing in it is anticipated: a
    phase whose time is over stands until somebody says ``commands.Advance``, and ``due`` says that it can be said.

    Attributes:
        time: chain time of the answer, seconds since the epoch.
        round: number of the round opened last; 0 before the first.
        phase: the current phase.
        deadline: when the phase ends at the latest, seconds since the epoch; 0 when waiting or done.
        due: whether a step is due: ``commands.Advance`` would go through.
        base: root of the model that the open round starts from, or that the next one would; when done: the last one.
        base_round: the round that made ``base``; 0 for genesis.
        base_context: what ``base`` rests on: the ``included`` context of its round, the charter's hash for genesis.
        base_settled: whether nothing can undo ``base`` any more.
        context: what a statement of the current phase rests on; 32 zero bytes where none can be made.
        roster: members that the open round counts on; 0 where none is open.
        active: members that the next round will count on.
        committed, abstained, voted, attested: who has, in the open round; each within ``roster``.
        included: accepted by more than half of the roster; 0 before ATTEST.
        excused: who need not attest; 0 before ATTEST.
        finals: how many rounds are final now.
        voids: void rounds in a row.
        unsettled: rounds whose attestations can still be judged.
        since: from when ``limit_seconds`` count.
        members: address by index, "" where a seat is free; up to the highest seat that is taken. A seat that a round
            in use counts on is never free.
        roots: the open round's committed root by index, NO_ROOT where there is none; len = len(members).
        accepts, misses: the open round's ballots by index, 0 where there is none; len = len(members).
        previous: the round closed last, as long as its slot holds it; or None.
    """

    time: int
    round: int
    phase: Phase
    deadline: int
    due: bool
    base: Root
    base_round: int
    base_context: bytes
    base_settled: bool
    context: bytes
    roster: int
    active: int
    committed: int
    abstained: int
    voted: int
    attested: int
    included: int
    excused: int
    finals: int
    voids: int
    unsettled: int
    since: int
    members: tuple[Address, ...]
    roots: tuple[Root, ...]
    accepts: tuple[int, ...]
    misses: tuple[int, ...]
    previous: Round | None

    def index_of(self, address: Address) -> int | None:
        """Return the index of the seat that an address has now, or None if it has none."""
        try:
            return self.members.index(address)
        except ValueError:
            return None

    @property
    def is_open(self) -> bool:
        """Whether a round is in progress."""
        return self.phase in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST)

    @property
    def spoken(self) -> int:
        """Who has said what is to be said in this phase; 0 where there is nothing to say."""
        said = {Phase.COMMIT: self.committed | self.abstained, Phase.VOTE: self.voted, Phase.ATTEST: self.attested}
        return said.get(self.phase, 0)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one transaction.

    ``error`` is the name of the contract's error, or None if it went through; ``gas`` is gas used; ``round`` is 0 for
    what belongs to no round; ``command`` is what was submitted, None where somebody else posted it, or where it only
    went before a command (a coin's approval).
    """

    verb: Verb
    round: int
    tx_hash: str
    gas: int
    block: int
    error: str | None = None
    command: Command | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """One member's statement, to be posted by anybody: what it says, and its signature in EIP-2098's compact form.

    Attributes:
        value: the root, or what a ballot accepts as 32 bytes, big-endian.
        vs: s with the parity of y in its highest bit.
        misses: what a ballot misses; 0 in all else.
    """

    value: bytes
    r: bytes
    vs: bytes
    misses: int = 0

"""Frozen values that the parts of rayfed hand each other. No behaviour beyond what the words mean.

Roots, addresses and bitmaps are those of ``rayfed.encoding.primitives``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.encoding.primitives import NO_ROOT, Address, Root

if TYPE_CHECKING:
    from rayfed.protocol.commands import Command

NATIVE: Address = "0x" + "0" * 40
"""In the place of a coin's address: the chain's own currency."""

COIN = 10**18
"""Smallest units in a whole coin."""


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
class Terms:
    """The immutable terms of a federation, in the order of the contract's ``Terms``; amounts in the smallest unit.

    Attributes:
        charter: SHA-256 of the charter's canonical JSON.
        genesis: root of the blob that round 1 starts from.
        rounds: how many *final* rounds there are to be; at least 1.
        join_seconds: the longest that forming waits for ``start_members``.
        commit_seconds, vote_seconds, attest_seconds: the longest that a phase lasts.
        start_members: so many active members open a round at once; 1..256.
        min_members: fewest active members to open a round, updates committed and updates included; 1..start_members.
        max_missed: absences in a row that drop a member; 0 (never)..7.
        max_unsettled: rounds with an attestation that may be unsettled at once; 1..16.
        max_void: void rounds in a row that end the federation; at least 1.
        limit_seconds: time without a final round that ends it; at least 1.
        coin: ERC-20 of stake, pool and reward; NATIVE is the chain's own currency.
        stake: what a member has at stake; may be 0.
        reward: paid from the pool for each final round, shared equally; may be 0.
        bond: of an entry, and of each round that a seat may attest; in the chain's own currency; at least 1.
        window_seconds: how long after its attest phase other roots may be entered against a final one.
        clock_seconds: each side's time in one match.
        proof_seconds: the time that both sides share to prove the inputs at a leaf.
        right_share: part of slashed stake, per 10,000, to who attested the right root; at most 1,000.
        allow_list: Merkle root of who may join (``ledger.allow_list``); 32 zero bytes: anybody.
        rule: 0 cannot be recomputed by coordinate, 1 mean, 2 trimmed mean, 3 median.
        trim, max_weight: of the rule, as in ``rules.make``.
        layout: SHA-256 of the layout, as in a blob's header.
        values: how many int32 values the model has; a blob has ``merkle.leaves(values)`` leaves.
        encoding, frozen: words of every header: how values are encoded, and the hash of what is not trained.
    """

    charter: bytes
    genesis: Root
    rounds: int
    join_seconds: int
    commit_seconds: int
    vote_seconds: int
    attest_seconds: int
    start_members: int
    min_members: int
    max_missed: int
    max_unsettled: int = 8
    max_void: int = 8
    limit_seconds: int = 2**32 - 1
    coin: Address = NATIVE
    stake: int = 0
    reward: int = 0
    bond: int = 1
    window_seconds: int = 60
    clock_seconds: int = 60
    proof_seconds: int = 60
    right_share: int = 1_000
    allow_list: bytes = bytes(32)
    rule: int = 0
    trim: int = 0
    max_weight: int = 1_000_000
    layout: bytes = bytes(32)
    values: int = 1
    encoding: bytes = bytes(32)
    frozen: bytes = bytes(32)

    @property
    def round_seconds(self) -> int:
        """The longest that a round lasts."""
        return self.commit_seconds + self.vote_seconds + self.attest_seconds

    @property
    def bonds(self) -> int:
        """What a seat has in bonds: one for each round that may be unsettled."""
        return self.max_unsettled * self.bond

    @property
    def stage_seconds(self) -> int:
        """From the start of one stage of a tournament to the next one's."""
        return 2 * self.clock_seconds + self.proof_seconds + 1


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


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What one node reports of one round. Figures only: no weight, no image, no key.

    Attributes:
        slot: the node's place in the starter's config (0..nodes-1); -1 for a node that joined by itself.
        index: the node's index in the federation.
        examples: training images used in an epoch.
        loss: mean training loss of the last local epoch.
        accuracy: of the round's merged model on this node's test images, 0..1; None if the round was void.
        test_examples: how many test images ``accuracy`` is over.
        seconds: wall seconds by step (train, encode, fetch, screen, merge, evaluate, ...).
        gas, transactions: gas used and transaction hash by verb.
        saturated: how many values did not fit the fixed point and were clipped.
        epsilon: what the node has spent of its privacy up to this round; None without DP-SGD.
    """

    slot: int
    address: Address
    index: int
    round: int
    loss: float | None = None
    examples: int = 0
    accuracy: float | None = None
    test_examples: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    gas: dict[str, int] = field(default_factory=dict)
    transactions: dict[str, str] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    saturated: int = 0
    epsilon: float | None = None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What one node says of itself right now, for the live table.

    ``accuracy`` is that of the merged model of the round ``scored``, which may have closed a while ago.
    ``doing`` is a step's name or ``waiting``, ``finished``, ``failed``; ``error`` is one line, empty when all is well.
    ``stake`` is what it has at stake, ``earned`` what settled rounds brought it, ``slashed`` what it lost, in the
    coin's smallest unit; ``bonds`` what it has put down in the chain's own currency.
    ``alone_accuracy`` is None until the node has trained alone; ``alone_curve`` holds it after each round's epochs.
    """

    slot: int
    address: Address
    index: int | None
    round: int
    doing: str
    loss: float | None = None
    accuracy: float | None = None
    gas: int = 0
    transactions: int = 0
    stake: int = 0
    bonds: int = 0
    earned: int = 0
    slashed: int = 0
    alone_accuracy: float | None = None
    alone_curve: tuple[float, ...] = ()
    error: str = ""
    scored: int = 0

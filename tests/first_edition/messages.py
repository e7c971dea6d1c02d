"""Frozen values that the parts of rayfed hand each other. No behaviour beyond what the words mean.

Roots, addresses and bitmaps are those of ``rayfed.encoding.primitives``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from rayfed.encoding.primitives import Address, Root

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
    DONE = 4


class Status(IntEnum):
    """How a closed round ended. The numbers are the contract's."""

    NONE = 0
    FINAL = 1
    VOID = 2


class Verb(StrEnum):
    """What can be said to the contracts: first what rounds are made of, then money, then judgement."""

    JOIN = "join"
    LEAVE = "leave"
    COMMIT = "commit"
    VOTE = "vote"
    ATTEST = "attest"
    POKE = "poke"
    RELAY = "relay"
    APPROVE = "approve"
    DEPOSIT = "deposit"
    EXIT = "exit"
    WITHDRAW = "withdraw"
    FUND = "fund"
    SETTLE = "settle"
    CLAIM = "claim"
    CHALLENGE = "challenge"
    PROVE = "prove"
    CONCLUDE = "conclude"
    EXPIRE = "expire"
    DEMAND = "demand"
    ANSWER = "answer"
    FORFEIT = "forfeit"
    CLOSE = "close"
    EQUIVOCATION = "equivocation"


@dataclass(frozen=True, slots=True)
class Terms:
    """The immutable terms of a federation, as its contract holds them.

    Attributes:
        charter: SHA-256 of the charter's canonical JSON.
        genesis: root of the blob that round 1 starts from.
        rounds: how many rounds there will be, final and void together; at least 1.
        join_seconds: from deployment; afterwards round 1 opens with ``min_members``.
        commit_seconds, vote_seconds, attest_seconds: the longest that a phase lasts.
        start_members: round 1 opens as soon as so many have joined; 1..256.
        min_members: fewer commits than this make a round void; 1..start_members.
        max_missed: rounds missed in a row after which a member leaves the roster; 0 (never)..7.
        quorum: (numerator, denominator); a root is final once *more* than this part of the roster attested it;
            1/2 <= quorum < 1.
        coin: ERC-20 in which stake, bonds, pool and rewards are; NATIVE is the chain's own currency.
        stake: what a member has at stake, in the coin's smallest unit (as all amounts); may be 0.
        reward: paid from the pool for each final round, shared equally; may be 0.
        bond: what a challenge costs if it fails, and a demand pays to who answers it; at least 1.
        challenge_seconds: for so long after its ``open_until`` a round can be challenged; at least 1.
        proof_seconds: how long a challenger has to prove, and the others to answer a demand; at least 1.
        refused_share: part of the stake, per 10,000, lost for an update that two thirds of the roster refused.
        challenger_share: part of what is slashed, per 10,000, that goes to whoever proved it; the rest to the pool.
        allow_list: Merkle root of who may join (``ledger.allow_list``); 32 zero bytes: anybody.
        rule: 0 is attested only, 1 mean, 2 trimmed mean, 3 median.
        trim, max_weight: of the rule, as in ``rules.make``.
        layout: SHA-256 of the layout, as in a blob's header.
        values: how many int32 values the model has; a blob has 1 + ceil(values / 1024) leaves.
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
    quorum: tuple[int, int] = (2, 3)
    coin: Address = NATIVE
    stake: int = 0
    reward: int = 0
    bond: int = 1
    challenge_seconds: int = 60
    proof_seconds: int = 60
    refused_share: int = 0
    challenger_share: int = 5_000
    allow_list: bytes = bytes(32)
    rule: int = 0
    trim: int = 0
    max_weight: int = 1_000_000
    layout: bytes = bytes(32)
    values: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a closed round; kept on the ledger for ever.

    ``attesters`` of a final round grows until ``open_until`` (seconds since the epoch): a slow node may still attest
    the final root. ``root`` is NO_ROOT in a void round.
    """

    round: int
    status: Status
    root: Root
    included: int
    attesters: int
    open_until: int


@dataclass(frozen=True, slots=True)
class View:
    """All that a node needs to know of a federation, in one answer, as of ``time``.

    The answer is what the contract would hold if somebody had poked it at ``time``.

    Attributes:
        time: chain time of the answer, seconds since the epoch.
        round: the current round, from 1; 0 while forming; stays at the last round when done.
        phase: the current phase.
        deadline: when the phase ends at the latest, seconds since the epoch; 0 when done.
        base: root of the model that the round starts from (when done: the final model).
        base_round: the round that made ``base``; 0 for genesis.
        roster: members that this round counts on; fixed when the round opens.
        active: members that the next round will count on.
        committed, voted, attested: who has, in this round; each within ``roster``.
        included: accepted by more than half of the roster; 0 before ATTEST.
        members: address by index; len(members) <= 256; an index is never reused.
        roots: this round's committed root by index, NO_ROOT where there is none; len = len(members).
        ballots: this round's ballot by index, 0 where there is none; len = len(members).
        attestations: this round's attested root by index, NO_ROOT where there is none; len = len(members).
        previous: the round closed last, or None.
    """

    time: int
    round: int
    phase: Phase
    deadline: int
    base: Root
    base_round: int
    roster: int
    active: int
    committed: int
    voted: int
    attested: int
    included: int
    members: tuple[Address, ...]
    roots: tuple[Root, ...]
    ballots: tuple[int, ...]
    attestations: tuple[Root, ...]
    previous: Outcome | None

    def index_of(self, address: Address) -> int | None:
        """Return the member's index, or None if this address never joined."""
        try:
            return self.members.index(address)
        except ValueError:
            return None

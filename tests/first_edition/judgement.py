"""Frozen values of the court: accounts, books, cases, proofs. The contract's words (``ICourt``), by its names.

All amounts are in the coin's smallest unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from rayfed.encoding.primitives import Address, Root
from tests.first_edition.messages import Status

MERGED = 256
"""``Proof.which`` of the merged blob; updates have the numbers below it."""

NO_HEADER = (bytes(32),) * 9


class Reason(IntEnum):
    """For what a stake is slashed. The numbers are the contract's."""

    ASTRAY = 0
    REFUSED = 1
    WRONG_MERGE = 2
    WITHHELD = 3
    EQUIVOCATION = 4


class Kind(IntEnum):
    """What a case says: the merge is wrong at a coordinate, or nobody has this leaf."""

    CHALLENGE = 0
    DEMAND = 1


class State(IntEnum):
    """How a case stands. The numbers are the contract's."""

    NONE = 0
    OPEN = 1
    UPHELD = 2
    FAILED = 3
    EXPIRED = 4
    ANSWERED = 5
    FORFEITED = 6
    CLOSED = 7


@dataclass(frozen=True, slots=True)
class Account:
    """What an address has in the court.

    Attributes:
        stake: at stake.
        claimable: rewards of settled rounds, bonds that came back, challengers' shares.
        pending: rewards of final rounds that are yet to be settled, if they were settled as they stand.
        slashed: all that it ever lost.
        exiting: whether it has requested its stake.
        exit_round: the round that must be settled first; 0 if not exiting.
        claimed: the last round of which it has claimed.
    """

    stake: int = 0
    claimable: int = 0
    pending: int = 0
    slashed: int = 0
    exiting: bool = False
    exit_round: int = 0
    claimed: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """Where all the money is: the court holds pool + stakes + bonds + owed.

    Attributes:
        pool: what rewards are paid from.
        stakes: of all accounts together.
        bonds: of all open cases together.
        owed: claimable by all accounts together.
        settled: the last settled round.
        cases: how many there have been; they are numbered from 1.
    """

    pool: int = 0
    stakes: int = 0
    bonds: int = 0
    owed: int = 0
    settled: int = 0
    cases: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """What a round rests on; kept for ever, and as it was even if the round was undone.

    Attributes:
        status: how it closed; VOID if it was undone.
        undone: it had been final and was rolled back, or was cut short by that.
        base_round: the round that made its base; 0 for genesis, and in a void round.
        open_until: the last second at which a slow member could attest; 0 in a void round.
        root: the merged model; NO_ROOT in a void round.
        evidence: Keccak-256 of the included updates' roots one after the other; 32 zero bytes in a void round.
        included, attesters: as in ``Outcome``, before it was undone.
        astray: members who attested another root.
        refused: members whose update at least two thirds of the roster refused.
    """

    status: Status
    undone: bool
    base_round: int
    open_until: int
    root: Root
    evidence: bytes
    included: int
    attesters: int
    astray: int
    refused: int


@dataclass(frozen=True, slots=True)
class Case:
    """A case, from 1.

    Attributes:
        deadline: the last second to prove or to answer.
        which: of a demand: the blob, as in ``Proof``; 0 in a challenge.
        inputs: of a challenge: how many updates' leaves have to be proved.
        leaf: from 0, the header.
        coordinate: in the leaf: of 128 words in the header, of 1024 values elsewhere; 0 in a demand.
        proven: bitmap of the inputs that have been proved.
        merged_proven: whether the merged leaf has.
        merged: what the merged leaf says there: the value sign-extended to 32 bytes, or the word.
    """

    id: int
    kind: Kind
    state: State
    round: int
    challenger: Address
    deadline: int
    which: int = 0
    inputs: int = 0
    leaf: int = 0
    coordinate: int = 0
    proven: int = 0
    merged_proven: bool = False
    merged: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class Proof:
    """One leaf of one blob, with the way up to its root.

    Attributes:
        which: the blob: a position in the list of included roots, or MERGED.
        data: the leaf, ``merkle.LEAF`` bytes.
        path: siblings from the leaf up (``merkle.Tree.proof``).
        header, header_path: of an update where the rule is the mean: the nine words of its header, and its path.
    """

    which: int
    data: bytes
    path: tuple[bytes, ...]
    header: tuple[bytes, ...] = NO_HEADER
    header_path: tuple[bytes, ...] = ()

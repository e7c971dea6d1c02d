"""Commands: all that an account can say to a federation and its court, as frozen values.

``Ledger.submit`` takes any of them; what it means is the contract's to say (``IFederation``, ``ICourt``). Each has a
``verb`` and a ``round``, by which its receipt is known; the round is 0 where a command belongs to none. Amounts are in
the coin's smallest unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.judgement import Proof
from rayfed.protocol.messages import Signed, Verb

# -- rounds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Join:
    """Become a member, or come back after having been dropped; what is missing of the stake is put down first.

    Attributes:
        charter: hash of the charter that the account agrees to.
    """

    verb: ClassVar[Verb] = Verb.JOIN
    round: ClassVar[int] = 0
    charter: bytes


@dataclass(frozen=True, slots=True)
class Leave:
    """Announce that the next rounds are not to count on this account."""

    verb: ClassVar[Verb] = Verb.LEAVE
    round: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit to this account's update by its root."""

    verb: ClassVar[Verb] = Verb.COMMIT
    round: int
    root: Root


@dataclass(frozen=True, slots=True)
class Vote:
    """Say which of the committed updates this account accepts: ``ballot`` is a bitmap of member indices."""

    verb: ClassVar[Verb] = Verb.VOTE
    round: int
    ballot: int


@dataclass(frozen=True, slots=True)
class Attest:
    """State that the merge of the included updates has this root."""

    verb: ClassVar[Verb] = Verb.ATTEST
    round: int
    root: Root


@dataclass(frozen=True, slots=True)
class Poke:
    """Move the phase on if its deadline has passed: for when nobody has anything else to say."""

    verb: ClassVar[Verb] = Verb.POKE
    round: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Relay:
    """Post messages that members have signed.

    Attributes:
        spoken: what they are: COMMIT, VOTE or ATTEST.
        round: theirs.
        messages: by their members' indices.
        members: all members by index, which makes it cheaper.
    """

    verb: ClassVar[Verb] = Verb.RELAY
    spoken: Verb
    round: int
    messages: Mapping[int, Signed]
    members: Sequence[Address]


# -- money ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deposit:
    """Put stake down for a member."""

    verb: ClassVar[Verb] = Verb.DEPOSIT
    round: ClassVar[int] = 0
    member: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Fund:
    """Add to the pool."""

    verb: ClassVar[Verb] = Verb.FUND
    round: ClassVar[int] = 0
    amount: int


@dataclass(frozen=True, slots=True)
class Exit:
    """Request the stake."""

    verb: ClassVar[Verb] = Verb.EXIT
    round: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Have the stake paid out to an address."""

    verb: ClassVar[Verb] = Verb.WITHDRAW
    round: ClassVar[int] = 0
    to: Address


@dataclass(frozen=True, slots=True)
class Settle:
    """Settle the next rounds, at most so many."""

    verb: ClassVar[Verb] = Verb.SETTLE
    round: ClassVar[int] = 0
    most: int = 64


@dataclass(frozen=True, slots=True)
class Claim:
    """Have paid out to an address what was earned, in at most so many settled rounds."""

    verb: ClassVar[Verb] = Verb.CLAIM
    round: ClassVar[int] = 0
    to: Address
    most: int = 1_000


# -- judgement --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Challenge:
    """Say that a round's merge is wrong at a coordinate of a leaf; the bond goes along.

    Attributes:
        roots: of the round's included updates, by their members' indices; so everywhere below.
    """

    verb: ClassVar[Verb] = Verb.CHALLENGE
    round: int
    leaf: int
    coordinate: int
    roots: Sequence[Root]


@dataclass(frozen=True, slots=True)
class Prove:
    """Prove leaves of a challenge, some or all."""

    verb: ClassVar[Verb] = Verb.PROVE
    round: ClassVar[int] = 0
    id: int
    roots: Sequence[Root]
    proofs: Sequence[Proof]


@dataclass(frozen=True, slots=True)
class Conclude:
    """Have a challenge judged of which all is proved."""

    verb: ClassVar[Verb] = Verb.CONCLUDE
    round: ClassVar[int] = 0
    id: int


@dataclass(frozen=True, slots=True)
class Expire:
    """End a challenge that was not proved in time."""

    verb: ClassVar[Verb] = Verb.EXPIRE
    round: ClassVar[int] = 0
    id: int


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand to be shown a leaf of a blob (``which`` as in ``Proof``); the bond goes along."""

    verb: ClassVar[Verb] = Verb.DEMAND
    round: int
    which: int
    leaf: int
    roots: Sequence[Root]


@dataclass(frozen=True, slots=True)
class Answer:
    """Show a demanded leaf: its bytes, and the siblings up to its root."""

    verb: ClassVar[Verb] = Verb.ANSWER
    round: ClassVar[int] = 0
    id: int
    roots: Sequence[Root]
    data: bytes
    path: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Forfeit:
    """Have judged that a demanded leaf was not shown in time."""

    verb: ClassVar[Verb] = Verb.FORFEIT
    round: ClassVar[int] = 0
    id: int


@dataclass(frozen=True, slots=True)
class CloseCase:
    """End a case whose round was undone by another one."""

    verb: ClassVar[Verb] = Verb.CLOSE
    round: ClassVar[int] = 0
    id: int


@dataclass(frozen=True, slots=True)
class ReportEquivocation:
    """Show two messages of one member that contradict each other.

    Attributes:
        spoken: what both are: COMMIT, VOTE or ATTEST.
        round: theirs.
    """

    verb: ClassVar[Verb] = Verb.EQUIVOCATION
    member: Address
    spoken: Verb
    round: int
    one: Signed
    other: Signed


Statement = Commit | Vote | Attest
"""What a member says in a phase of a round, and can sign for others to post."""

Command = (
    Join
    | Leave
    | Statement
    | Poke
    | Relay
    | Deposit
    | Fund
    | Exit
    | Withdraw
    | Settle
    | Claim
    | Challenge
    | Prove
    | Conclude
    | Expire
    | Demand
    | Answer
    | Forfeit
    | CloseCase
    | ReportEquivocation
)


def value_of(statement: Statement) -> bytes:
    """Return what a statement says as the 32 bytes that are signed: its root, or its ballot big-endian."""
    return statement.ballot.to_bytes(32, "big") if isinstance(statement, Vote) else statement.root

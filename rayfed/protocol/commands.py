"""Commands: all that an account can say to a federation, as frozen values.

``Ledger.submit`` takes any of them; what it means is the contract's to say (``ILedger``, ``ITreasury``,
``ITournament``). Each has a ``verb`` and a ``round``, by which its receipt is known; the round is 0 where a command
belongs to none. Amounts are in the smallest unit, of the coin or of the chain's own currency.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.protocol.messages import Signed, Verb
from rayfed.protocol.moves import EnterRoot as EnterRoot
from rayfed.protocol.moves import Prove as Prove
from rayfed.protocol.moves import Resolve as Resolve
from rayfed.protocol.moves import Show as Show
from rayfed.protocol.moves import ShowLeaf as ShowLeaf
from rayfed.protocol.moves import Undo as Undo

# -- rounds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Join:
    """Take a seat, or come back to it; what is missing of stake and bonds is put down first.

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
class Release:
    """Free a seat that nothing rests on any more; anybody may."""

    verb: ClassVar[Verb] = Verb.RELEASE
    round: ClassVar[int] = 0
    index: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Say how this account can be reached, and which key encrypts to it: 256 bytes at most; the latest counts."""

    verb: ClassVar[Verb] = Verb.ANNOUNCE
    round: ClassVar[int] = 0
    sequence: int
    card: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit to this account's update by its root; NO_ROOT abstains: the base is wrong, or cannot be checked.

    Attributes:
        context: what it rests on (``View.context``); so in all statements.
    """

    verb: ClassVar[Verb] = Verb.COMMIT
    round: int
    context: bytes
    root: Root = NO_ROOT


@dataclass(frozen=True, slots=True)
class Vote:
    """Say which committed updates this account accepts, and which it does not have: disjoint bitmaps."""

    verb: ClassVar[Verb] = Verb.VOTE
    round: int
    context: bytes
    accepts: int
    misses: int = 0


@dataclass(frozen=True, slots=True)
class Attest:
    """State that the merge of the included updates has this root."""

    verb: ClassVar[Verb] = Verb.ATTEST
    round: int
    context: bytes
    root: Root


@dataclass(frozen=True, slots=True)
class Advance:
    """Take the federation one step further, if one is due (``View.due``)."""

    verb: ClassVar[Verb] = Verb.ADVANCE
    round: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Relay:
    """Post statements that members have signed.

    Attributes:
        spoken: what they are: COMMIT, VOTE or ATTEST.
        round, context: theirs.
        messages: by their members' indices.
        others: addresses of the roster's other members, by index: cheaper, and nothing else; or none.
        closes: whether the phase is to be closed as well if it can be.
    """

    verb: ClassVar[Verb] = Verb.RELAY
    spoken: Verb
    round: int
    context: bytes
    messages: Mapping[int, Signed]
    others: Sequence[Address] = ()
    closes: bool = True


# -- money ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deposit:
    """Put stake down for a member, in the coin."""

    verb: ClassVar[Verb] = Verb.DEPOSIT
    round: ClassVar[int] = 0
    member: Address
    amount: int


@dataclass(frozen=True, slots=True)
class DepositBonds:
    """Put bonds down for a member, in the chain's own currency."""

    verb: ClassVar[Verb] = Verb.BONDS
    round: ClassVar[int] = 0
    member: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Fund:
    """Add to the pool; what is left at the end returns in proportion."""

    verb: ClassVar[Verb] = Verb.FUND
    round: ClassVar[int] = 0
    amount: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Settle a round, looking at no more than so many seats or entries."""

    verb: ClassVar[Verb] = Verb.SETTLE
    round: int
    most: int = 256


@dataclass(frozen=True, slots=True)
class Collect:
    """Deal with an entry that has lost, or whose bond comes back."""

    verb: ClassVar[Verb] = Verb.COLLECT
    round: int
    number: int


@dataclass(frozen=True, slots=True)
class Reimburse:
    """Credit somebody with what its moves cost in a match whose loser has been dealt with."""

    verb: ClassVar[Verb] = Verb.REIMBURSE
    round: int
    stage: int
    block: int
    mover: Address


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Make stake and bonds claimable, once the seat is free."""

    verb: ClassVar[Verb] = Verb.WITHDRAW
    round: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Have paid out what the account is owed in the coin."""

    verb: ClassVar[Verb] = Verb.CLAIM
    round: ClassVar[int] = 0
    to: Address


@dataclass(frozen=True, slots=True)
class ClaimNative:
    """Have paid out what the account is owed in the chain's own currency."""

    verb: ClassVar[Verb] = Verb.CLAIM_NATIVE
    round: ClassVar[int] = 0
    to: Address


@dataclass(frozen=True, slots=True)
class Refund:
    """Have paid out the account's share of what is left in the pool, when all is over."""

    verb: ClassVar[Verb] = Verb.REFUND
    round: ClassVar[int] = 0
    to: Address


Statement = Commit | Vote | Attest
"""What a member says in a phase of a round, and can sign for others to post."""

Command = (
    Join
    | Leave
    | Release
    | Announce
    | Statement
    | Advance
    | Relay
    | Deposit
    | DepositBonds
    | Fund
    | Settle
    | Collect
    | Reimburse
    | Withdraw
    | Claim
    | ClaimNative
    | Refund
    | EnterRoot
    | Show
    | ShowLeaf
    | Prove
    | Resolve
    | Undo
)


def value_of(statement: Statement) -> bytes:
    """Return the first 32 bytes of what a statement says: its root, or what it accepts, big-endian."""
    return statement.accepts.to_bytes(32, "big") if isinstance(statement, Vote) else statement.root


def misses_of(statement: Statement) -> int:
    """Return what a ballot misses; 0 of all else."""
    return statement.misses if isinstance(statement, Vote) else 0

"""What attacks on a federation cost who makes them, and what they cost others, for any terms: figures, not opinions.

Money is in the smallest unit of two currencies that nobody can add up: the coin of stake and reward, and the chain's
own currency of bonds and gas. Gas is that of ``contracts/snapshots`` under today's rules. An attack *pays* if what it
brings is worth more than it costs. What a forged model or an hour's delay brings somebody no code can know, so costs
are given as what it would have to be worth.
"""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.encoding.primitives import MAX_MEMBERS
from rayfed.errors import ConfigError
from rayfed.protocol.court import MAX_ENTRIES
from rayfed.protocol.messages import Terms

SHARES = 10_000

JOIN_GAS = 148_000
ENTER_GAS = 118_000
STATEMENTS_GAS = 121_000
"""Of a commit, a vote and an attestation, each posted by itself."""

_MATCH_GAS, _INPUT_GAS = 1_070_000, 89_600
"""A whole match on 11.2 M weights costs the first, and the second for each included update."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What the chain is like.

    Attributes:
        gas_price: of a unit of gas, in the currency's smallest unit.
        block_gas: what a block has room for.
        block_seconds: from one block to the next.
    """

    gas_price: int = 20 * 10**9
    block_gas: int = 45_000_000
    block_seconds: int = 12


@dataclass(frozen=True, slots=True)
class AttackCost:
    """What one attack costs.

    Attributes:
        name: what it is.
        members: how many seats it takes.
        coin: lost for good by who attacks, in the coin.
        native: lost for good by who attacks, gas and bonds, in the chain's own currency.
        locked: what has to be put down and comes back, in the coin; ``locked_native`` in the chain's own currency.
        seconds: what it brings: so long it delays, or holds up, whatever ``name`` says.
        others: what others lose by it, in the coin.
        defence: what one honest party has to lay out, in the chain's own currency; the losers' bonds pay it back.
        refunded: how much of that the losers' bonds pay, 0..1.
    """

    name: str
    members: int
    coin: int = 0
    native: int = 0
    locked: int = 0
    locked_native: int = 0
    seconds: int = 0
    others: int = 0
    defence: int = 0
    refunded: float = 1.0


def match_gas(inputs: int) -> int:
    """Return the gas of all moves of both sides in a match with so many included updates, the proofs among them."""
    return _MATCH_GAS + _INPUT_GAS * inputs


def least_bond(members: int, prices: Prices) -> int:
    """Return the bond from which on a loser's bond pays for the match that it lost."""
    return match_gas(members) * prices.gas_price


def attacks(terms: Terms, members: int, prices: Prices) -> tuple[AttackCost, ...]:
    """Return what can be done to a round of so many members, dearest promise first.

    Raises:
        ConfigError: there cannot be so many.
    """
    if not 1 <= members <= MAX_MEMBERS:
        raise ConfigError("members", f"must be in 1..{MAX_MEMBERS}, is {members}")
    third, quorum = members // 3 + 1, 2 * members // 3 + 1
    match, price = match_gas(members) * prices.gas_price, prices.gas_price
    paid = min(1.0, terms.bond / match)
    share = terms.reward // members
    burned = terms.stake - terms.stake * terms.right_share // SHARES
    seats = {"locked": members * terms.stake, "locked_native": members * terms.bonds}
    one = {"locked": terms.stake, "locked_native": terms.bonds}
    shams = MAX_ENTRIES - members
    return (
        AttackCost(
            "a wrong root made final, and undone",
            quorum,
            coin=quorum * burned,
            native=quorum * (terms.bond + STATEMENTS_GAS * price),
            seconds=terms.window_seconds + terms.stage_seconds,
            others=terms.reward,
            defence=match,
            refunded=min(1.0, quorum * terms.bond / match),
        ),
        AttackCost("a wrong root attested by one", 1, terms.stake, terms.bond, defence=match, refunded=paid, **one),
        AttackCost(
            "a round made void by silence",
            third,
            coin=third * share,
            seconds=terms.attest_seconds,
            others=terms.reward - third * share,
            locked=third * terms.stake,
            locked_native=third * terms.bonds,
        ),
        AttackCost("an update served to half, or claimed to be missing", 1, coin=share, **one),
        AttackCost(
            "a round's settlement delayed by one stage",
            0,
            native=terms.bond + ENTER_GAS * price,
            seconds=terms.stage_seconds,
            defence=match,
            refunded=paid,
        ),
        AttackCost(
            "a round's settlement delayed by a full bracket",
            0,
            native=shams * (terms.bond + ENTER_GAS * price),
            seconds=12 * terms.stage_seconds,
            defence=12 * match,
            refunded=paid,
        ),
        AttackCost(
            "parties without a seat shut out of a round's court",
            0,
            native=shams * (terms.bond + ENTER_GAS * price),
            seconds=terms.window_seconds,
        ),
        AttackCost(
            "all seats of a forming federation taken",
            members,
            native=members * JOIN_GAS * price,
            seconds=terms.join_seconds,
            **seats,
        ),
    )


def flood_blocks(members: int, prices: Prices) -> int:
    """Return how many full blocks all entries that strangers can make in one round take."""
    return -(-(MAX_ENTRIES - members) * ENTER_GAS // prices.block_gas)


def clock_suffices(terms: Terms, members: int, prices: Prices) -> bool:
    """Say whether both clocks and the proofs' time hold the blocks that a match's moves fill, twice over.

    The other half is for censorship: a move that waits for a full block has lost no clock yet.
    """
    blocks = -(-match_gas(members) // prices.block_gas)
    return 2 * blocks * prices.block_seconds <= min(2 * terms.clock_seconds, terms.proof_seconds)

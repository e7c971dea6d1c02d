"""Frozen values of a federation's money. Amounts are in the smallest unit, of the coin or of the chain's currency."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """What an address has in a federation.

    Attributes:
        stake: at stake, in the coin; ``claimable`` is what it can claim, in the coin.
        bonds: put down, in the chain's own currency; ``native_claimable`` is what it can claim of that.
        locked_until: when stake and bonds come back at the earliest, seconds since the epoch; 0: nothing says so.
        slashed: all stake that it ever lost; ``forfeited``: all bonds, as an attester.
        earned: all that settled rounds have brought it, in the coin.
        drops: how often it was dropped.
        paused_until: when it may join again after the last time, seconds since the epoch; 0: nothing says so.
        sequence: of its latest card; 0 without one.
    """

    stake: int = 0
    claimable: int = 0
    bonds: int = 0
    native_claimable: int = 0
    locked_until: int = 0
    slashed: int = 0
    forfeited: int = 0
    earned: int = 0
    drops: int = 0
    paused_until: int = 0
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Books:
    """What nobody owns: the pool, and what is burned; in the coin, and in the chain's own currency."""

    pool: int = 0
    burned: int = 0
    native_burned: int = 0

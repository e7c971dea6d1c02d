"""How large a game is, and who is who in it."""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.encoding.primitives import Address
from rayfed.protocol.messages import Terms
from rayfed.testing.adversary import blobs

STAKE, REWARD, BOND = 1_000, 60, 10

THIEF: Address = "0x" + "bd" * 20
"""An account without a seat, which belongs to the dishonest."""


@dataclass(frozen=True, slots=True)
class Scope:
    """How large a game is.

    Attributes:
        honest, dishonest: members.
        rounds: after so many rounds that have opened, the dishonest do nothing more.
        disputes: roots that they enter by a bond.
        turns_back: how often the chain goes back, by a phase or two.
        rule: number of the merge rule; 0: the court cannot recompute it.
        max_missed: absences in a row that drop a member.
        rich: whether moves are tried that hardly ever matter.
    """

    honest: int = 2
    dishonest: int = 1
    rounds: int = 2
    disputes: int = 1
    turns_back: int = 0
    rule: int = 3
    max_missed: int = 1
    rich: bool = False

    @property
    def thief(self) -> Address:
        """An account without a seat, which belongs to the dishonest."""
        return THIEF

    @property
    def members(self) -> int:
        """How many members there are."""
        return self.honest + self.dishonest

    @property
    def everybody(self) -> list[Address]:
        """The members' accounts, the honest first."""
        return [member(index) for index in range(self.members)]

    @property
    def crooks(self) -> list[Address]:
        """The dishonest members' accounts."""
        return self.everybody[self.honest :]

    def terms(self) -> Terms:
        """Return the terms of such a federation."""
        return Terms(
            charter=b"\1" * 32,
            genesis=b"\2" * 32,
            rounds=self.rounds,
            join_seconds=10,
            commit_seconds=10,
            vote_seconds=10,
            attest_seconds=10,
            start_members=self.members,
            min_members=2,
            max_missed=self.max_missed,
            max_unsettled=4,
            max_void=self.rounds + 2,
            limit_seconds=2_000,
            stake=STAKE,
            reward=REWARD,
            bond=BOND,
            window_seconds=20,
            clock_seconds=20,
            proof_seconds=20,
            rule=self.rule,
            max_weight=100,
            values=blobs.VALUES,
        )


def member(index: int) -> Address:
    """Return a member's account; the honest come first."""
    return f"0x{index + 1:040x}"

"""How a federation stands, as anybody can see it: phase, members, who is waited for, what is contested.

``python -m rayfed status`` shows it as text, as JSON and as a page. Only the reasons for which updates were refused are
not the ledger's: each member writes down its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.messages import NATIVE, Phase, Terms, View
from rayfed.reporting.heard import Seen
from rayfed.reporting.words import amount, lacking

VERSION = 1
"""Of the JSON: its keys stay; others may be added."""

LATEST = 16
"""Final rounds from which it is seen how a member fares."""


@dataclass(frozen=True, slots=True)
class MemberState:
    """One member, or somebody who has left and still has something there.

    Attributes:
        label: what its card says, or whose node it is; empty where nobody knows.
        is_active: whether the next round counts on it.
        is_awaited: whether the open phase waits for it.
        seen: when it was heard of last; ``seen_at`` in seconds since the epoch, 0 where that is not known.
        included: the last final round with its update in it, 0: none.
        offered, merged: of the last ``LATEST`` final rounds, in how many it offered an update, and had it merged.
        refused, missed: who refused its updates that were not merged, and who did not get them: rounds by address.
        reason: why one of this party's own nodes did, the last time; empty where none did.
    """

    index: int
    address: Address
    label: str
    is_active: bool
    is_awaited: bool
    account: Account
    seen: Seen | None
    seen_at: int
    included: int
    offered: int
    merged: int
    refused: Mapping[Address, int]
    missed: Mapping[Address, int]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OpenRound:
    """A round whose attestations can still be judged.

    Attributes:
        settles_at: from when on it can be settled at the latest, seconds since the epoch; 0: now.
        is_disputed: whether more than one root stands for it; ``is_lost``: whether its own has lost.
    """

    round: int
    status: str
    settles_at: float
    is_disputed: bool
    is_lost: bool


@dataclass(frozen=True, slots=True)
class FederationStanding:
    """A federation at one moment."""

    federation: Address
    chain_id: int
    coin: str
    terms: Terms
    view: View
    books: Books
    members: tuple[MemberState, ...]
    unsettled: tuple[OpenRound, ...]

    @property
    def needed(self) -> int:
        """How many more members a round needs to open."""
        return lacking(self.view, self.terms)

    @property
    def awaited(self) -> tuple[MemberState, ...]:
        """For whom the open phase waits."""
        return tuple(member for member in self.members if member.is_awaited)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; amounts are whole coins as decimal text, times seconds since the epoch."""
        view, terms = self.view, self.terms
        return {
            "version": VERSION,
            "federation": self.federation,
            "chain_id": self.chain_id,
            "time": view.time,
            "phase": view.phase.name.lower(),
            "round": view.round,
            "rounds": terms.rounds,
            "final_rounds": view.finals,
            "void_rounds_in_a_row": view.voids,
            "deadline": view.deadline,
            "seconds_left": max(0, view.deadline - view.time) if view.deadline else 0,
            "step_is_due": view.due,
            "base": "0x" + view.base.hex(),
            "base_round": view.base_round,
            "base_is_settled": view.base_settled,
            "members_needed": self.needed,
            "waiting_for": [member.address for member in self.awaited],
            "coin": {"name": self.coin, "address": None if terms.coin == NATIVE else terms.coin},
            "terms": {"stake": amount(terms.stake), "bonds": amount(terms.bonds), "reward": amount(terms.reward)},
            "pool": amount(self.books.pool),
            "burned": amount(self.books.burned),
            "members": [_member(member) for member in self.members],
            "unsettled": [
                {
                    "round": each.round,
                    "status": each.status,
                    "settles_at": int(each.settles_at),
                    "is_disputed": each.is_disputed,
                    "is_lost": each.is_lost,
                }
                for each in self.unsettled
            ],
        }


def _member(member: MemberState) -> dict[str, Any]:
    has, seen = member.account, member.seen
    return {
        "index": member.index,
        "address": member.address,
        "label": member.label,
        "is_active": member.is_active,
        "is_awaited": member.is_awaited,
        "last_seen": None
        if seen is None
        else {"round": seen.round, "did": seen.did, "block": seen.block, "time": member.seen_at or None},
        "last_included": member.included or None,
        "offered": member.offered,
        "merged": member.merged,
        "refused_by": [{"member": by, "rounds": rounds} for by, rounds in member.refused.items()],
        "missed_by": [{"member": by, "rounds": rounds} for by, rounds in member.missed.items()],
        "reason": member.reason,
        **plain_account(has),
    }


def plain_account(has: Account) -> dict[str, Any]:
    """Return what an account has as plain values: whole coins as decimal text, times in seconds since the epoch."""
    return {
        "stake": amount(has.stake),
        "bonds": amount(has.bonds),
        "earned": amount(has.earned),
        "slashed": amount(has.slashed),
        "claimable": amount(has.claimable),
        "native_claimable": amount(has.native_claimable),
        "locked_until": has.locked_until,
        "paused_until": has.paused_until,
        "drops": has.drops,
    }


def is_over(view: View) -> bool:
    """Say whether there is nothing more to come."""
    return view.phase is Phase.DONE and not view.unsettled

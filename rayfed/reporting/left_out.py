"""Whose updates are not merged, since when, by whom and why: from the records of the rounds, and from nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rayfed.encoding.primitives import Address
from rayfed.reporting.closed_round import RoundSummary

NOTICE = 3
"""Rounds in a row after which people are told."""
NAMED = 6
"""Nodes that are named at most as those who refused."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A member whose updates have not been merged for some rounds, up to the last one.

    Attributes:
        member: whose.
        since: the first of these rounds.
        rounds: in how many it offered an update that was not merged. Rounds that are void or undone do not count, nor
            do those in which it offered none.
        by: how many of its updates each node refused, as far as the nodes have said.
        screens: how many verdicts against them each screen gave, the most first.
        reason: of the last verdict of the screen that gave the most; empty where nobody has said.
    """

    member: Address
    since: int
    rounds: int
    by: dict[Address, int]
    screens: dict[str, int]
    reason: str

    def line(self, name: str) -> str:
        """Return the notice, with the member's name as people know it."""
        why = next(iter(self.screens), "not said")
        return f"{name} left out since round {self.since}: {why}"

    def why(self, names: Mapping[Address, str]) -> str:
        """Return by whom (each with its number of rounds) and the reason given last; empty where nobody has said."""
        if not self.by:
            return ""
        by = ", ".join(f"{names.get(node, node)} ({times})" for node, times in [*self.by.items()][:NAMED])
        more = ", …" if len(self.by) > NAMED else ""
        return f"Refused by {by}{more}; last reason: {self.reason or 'none given'}."


def left_out(rounds: Sequence[RoundSummary], least: int = NOTICE) -> tuple[LeftOut, ...]:
    """Return who has been left out of the last ``least`` rounds or more, longest first.

    Args:
        rounds: closed rounds, the oldest first.
        least: so many rounds in a row.
    """
    rows: dict[Address, list[RoundSummary]] = {}
    for round in _final(rounds):
        for member in _offered(round):
            rows.setdefault(member, []).append(round)
        for member in round.included:
            rows.pop(member, None)
    found = [_described(member, row) for member, row in rows.items() if len(row) >= least]
    return tuple(sorted(found, key=lambda one: (-one.rounds, one.since, one.member)))


def counts(rounds: Sequence[RoundSummary]) -> dict[Address, int]:
    """Return in how many of these rounds each member offered an update that was not merged; all who ever offered."""
    found: Counter[Address] = Counter()
    for round in _final(rounds):
        for member in _offered(round):
            found[member] += member not in round.included
    return dict(found)


def screens(rounds: Sequence[RoundSummary]) -> dict[Address, dict[str, int]]:
    """Return in how many of the rounds that ``counts`` counts each screen, of any node, refused a member's update.

    An update that two screens refused counts for both; members that nobody refused are not there.
    """
    found: dict[Address, Counter[str]] = {}
    for round in _final(rounds):
        for member, screen in dict.fromkeys((refusal.update, refusal.screen) for refusal in round.refusals):
            if member not in round.included:
                found.setdefault(member, Counter())[screen] += 1
    return {member: dict(counter.most_common()) for member, counter in found.items()}


def _final(rounds: Sequence[RoundSummary]) -> list[RoundSummary]:
    return [round for round in rounds if round.stands]


def _offered(round: RoundSummary) -> set[Address]:
    """Return who committed to an update; where the ledger's word is not known, who is spoken of."""
    spoken = {member for ballot in round.ballots.values() for member in ballot}
    return {*round.roots, *round.included, *spoken, *(refusal.update for refusal in round.refusals)}


def _described(member: Address, row: Sequence[RoundSummary]) -> LeftOut:
    refusals = [refusal for round in row for refusal in round.refusals if refusal.update == member]
    # A node whose screens were to refuse several times over in a round has refused one update.
    by = Counter(node for round in row for node in dict.fromkeys(r.by for r in round.refusals if r.update == member))
    screens = dict(Counter(refusal.screen for refusal in refusals).most_common())
    first = next(iter(screens), None)
    reason = next((refusal.reason for refusal in reversed(refusals) if refusal.screen == first), "")
    return LeftOut(member, row[0].round, len(row), dict(by), screens, reason)

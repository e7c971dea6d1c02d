"""Which rounds can still be judged, and from when on each can be settled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import NO_ROOT
from rayfed.protocol.messages import Status, View
from rayfed.reporting.words import duration

if TYPE_CHECKING:
    from rayfed.ledger import FederationState
    from rayfed.protocol.court import Tournament
    from rayfed.protocol.messages import Round

NEVER = float("inf")


def at(when: float, now: float, later: str) -> str:
    """Return a time as words that follow others.

    Args:
        when, now: seconds since the epoch.
        later: the words for what is to come, with ``{moment}`` and ``{wait}``.
    """
    if when <= now:
        return " now"
    if when == NEVER:
        return "; nobody knows for how long"
    return later.format(moment=f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S} UTC", wait=duration(when - now))


@dataclass(frozen=True, slots=True)
class Contested:
    """The rounds that a ledger remembers. Each is asked for once: over a slow line questions are what takes time; a
    round that rests on others that can be judged asks for all of them.

    Args:
        federation: asked further where that is needed.
        view: as it stands.
    """

    federation: FederationState
    view: View
    _rounds: dict[int, Round | None] = field(default_factory=dict, repr=False)
    _tournaments: dict[int, Tournament | None] = field(default_factory=dict, repr=False)

    def rounds(self) -> Iterator[tuple[int, Status, int]]:
        """Yield the rounds that the ledger remembers, what became of each, and its roster."""
        for number in self.federation.terms().slots(self.view.round):
            if (found := self.round(number)) is not None:
                yield number, found.status, found.roster

    def unsettled(self) -> list[int]:
        """Return the rounds whose attestations can still be judged, the oldest first."""
        return [round for round, status, _ in self.rounds() if status.is_unsettled]

    def settles_at(self, round: int) -> float:
        """Return from when on an unsettled round can be settled, in seconds since the epoch, if nobody enters another
        root. Nobody can tell how long a match takes: where there is a tournament, it is the longest that it can last.
        """
        found, terms = self.round(round), self.federation.terms()
        if found is None or not found.status.is_unsettled:
            return 0.0
        before = self.settles_at(found.base_round) if found.base_round else 0.0
        tournament = self._tournament(round)
        if tournament is not None:
            decided, _ = self.federation.survivor(round, tournament.stages, 0)
            start = tournament.start or found.deadline + terms.window_seconds
            own = 0.0 if decided else start + tournament.stages * terms.stage_seconds + 1
        elif found.status is Status.FINAL:
            own = found.deadline + (terms.window_seconds if terms.rule else 0) + 1
        else:
            own = 0.0
        return max(before, own)

    def is_disputed(self, round: int) -> bool:
        """Return whether a round is before the court: more than one root stands for it."""
        return self._tournament(round) is not None

    def is_lost(self, round: int) -> bool:
        """Return whether a round's final root has lost its tournament, and the round is still to be undone."""
        found, tournament = self.round(round), self._tournament(round)
        if found is None or found.root == NO_ROOT or tournament is None:
            return False
        decided, number = self.federation.survivor(round, tournament.stages, 0)
        winner = None if number is None else self.federation.entry(round, number)
        return decided and (winner is None or winner.root != found.root)

    def round(self, round: int) -> Round | None:
        """Return a round, or None if its slot has another one."""
        if round not in self._rounds:
            self._rounds[round] = self.federation.round_of(round)
        return self._rounds[round]

    def _tournament(self, round: int) -> Tournament | None:
        if round not in self._tournaments:
            judged = bool(self.federation.terms().rule)
            self._tournaments[round] = self.federation.tournament(round) if judged else None
        return self._tournaments[round]

"""What a node has sent to the ledger, and what the ledger has said to it."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rayfed.protocol.messages import Receipt, Verb, View

HEARD_SECONDS = 15
"""For how long a receipt may be newer than the ledger's view; afterwards what the view does not show is not there."""

LONGEST_PAUSE = 30
"""Seconds, at most, before a transaction that the ledger refused is tried again."""

FORGET_SECONDS = 86_400
"""So long after its pause a refusal is forgotten that nothing came of: its round has closed."""

_FIGURES = re.compile(r"\d+")

Key = TypeVar("Key", bound=Hashable)

Said = tuple[Verb, int]
"""A verb and its round; of what belongs to no round, 0."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why something was refused, how often for that reason in a row, and until when it rests, in chain time."""

    reason: str
    times: int
    until: int


class Pending(Generic[Key]):
    """Keeps its owner from sending again what is on its way or was just refused."""

    def __init__(self) -> None:
        self._in_flight: set[Key] = set()
        self._refused: dict[Key, Rejection] = {}

    @property
    def in_flight(self) -> frozenset[Key]:
        """What was sent and has an unknown fate."""
        return frozenset(self._in_flight)

    def sent(self, key: Key) -> None:
        """Note that something was sent."""
        self._in_flight.add(key)

    def landed(self, key: Key, view: View, error: str | None) -> None:
        """Note what became of it; what was refused rests."""
        self._in_flight.discard(key)
        if error:
            self.rest(key, view, error)
        else:
            self._refused.pop(key, None)

    def rest(self, key: Key, view: View, reason: str = "") -> None:
        """Let some time pass before this is sent again; more each time in a row for the same reason."""
        before = self._refused.get(key)
        times = before.times + 1 if before is not None and _kind(before.reason) == _kind(reason) else 1
        self._refused[key] = Rejection(reason, times, view.time + min(2**times, LONGEST_PAUSE))
        old = [one for one, refused in self._refused.items() if refused.until + FORGET_SECONDS < view.time]
        for one in old:
            del self._refused[one]

    def rests(self, key: Key, view: View) -> bool:
        """Whether the ledger refused just this a moment ago."""
        return key in self._refused and view.time < self._refused[key].until

    def refusal(self, key: Key) -> Rejection | None:
        """Return why this was refused the last time; None if it was not, or went through since."""
        return self._refused.get(key)


def _kind(reason: str) -> str:
    """Return a reason without its figures: what an account has and what gas costs changes from try to try."""
    return _FIGURES.sub("#", reason)


class Outbox(Pending[Said]):
    """A node's pending statements. It keeps the node from repeating, too, what the ledger heard a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[Said, int] = {}

    def flies_in(self, round: int) -> bool:
        """Whether something of a round was sent whose fate is not known yet."""
        return any(flying == round for _, flying in self._in_flight)

    def said(self, view: View) -> frozenset[Said]:
        """Return what is not to be said now: it is on its way, or a receipt newer than the view has it.

        What a view still does not know some time later is no longer there: the chain has gone back. It is said again.
        """
        self._heard = {said: at for said, at in self._heard.items() if view.time < at + HEARD_SECONDS}
        return self.in_flight | self._heard.keys()

    def answered(self, receipt: Receipt, view: View) -> None:
        """Note what became of a transaction."""
        said = receipt.verb, receipt.round
        self.landed(said, view, receipt.error)
        if not receipt.error:
            self._heard[said] = view.time

    def forget(self, said: Said) -> None:
        """Let a message that was heard, or refused, be said again at once: that was in another state."""
        self._heard.pop(said, None)
        self._refused.pop(said, None)

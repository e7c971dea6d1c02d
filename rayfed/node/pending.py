"""What a node has sent to the ledger, and what the ledger has said to it."""

from __future__ import annotations

from rayfed.protocol.messages import Receipt, Verb, View

HEARD_SECONDS = 15
"""For how long a receipt may be newer than the ledger's view; afterwards what the view does not show is not there."""

LONGEST_PAUSE = 30
"""Seconds, at most, before a transaction that the ledger refused is tried again."""

Said = tuple[Verb, int]
"""A verb and its round; of what belongs to no round, 0."""


class Outbox:
    """Keeps a node from saying again what is on its way, was heard a moment ago, or was just refused."""

    def __init__(self) -> None:
        self._in_flight: set[Said] = set()
        self._heard: dict[Said, int] = {}
        self._refused: dict[Said, tuple[int, int]] = {}  # how often, and until when it rests

    @property
    def in_flight(self) -> bool:
        """Whether a transaction was sent whose fate is not known yet."""
        return bool(self._in_flight)

    def holds(self, said: Said) -> bool:
        """Whether just this was sent, and its fate is not known yet."""
        return said in self._in_flight

    def flies_in(self, round: int) -> bool:
        """Whether something of a round was sent whose fate is not known yet."""
        return any(flying == round for _, flying in self._in_flight)

    def said(self, view: View) -> set[Said]:
        """Return what is not to be said now: it is on its way, or a receipt newer than the view has it.

        What a view still does not know some time later is no longer there: the chain has gone back. It is said again.
        """
        self._heard = {said: at for said, at in self._heard.items() if view.time < at + HEARD_SECONDS}
        return self._in_flight | self._heard.keys()

    def sent(self, said: Said) -> None:
        """Note that a transaction was sent."""
        self._in_flight.add(said)

    def answered(self, receipt: Receipt, view: View) -> None:
        """Note what became of a transaction."""
        said = receipt.verb, receipt.round
        self._in_flight.discard(said)
        if receipt.error:
            self.rest(said, view)
        elif receipt.verb is not Verb.POKE:
            self._heard[said] = view.time

    def forget(self, said: Said) -> None:
        """Let a message that was heard be said again: it may have lost its effect since."""
        self._heard.pop(said, None)

    def rest(self, said: Said, view: View) -> None:
        """Let some time pass before this is said again; more each time."""
        times = self._refused.get(said, (0, 0))[0] + 1
        self._refused[said] = times, view.time + min(2**times, LONGEST_PAUSE)

    def rests(self, said: Said, view: View) -> bool:
        """Whether the ledger refused just this a moment ago."""
        return said in self._refused and view.time < self._refused[said][1]

"""What a node does when a step of its own fails: it says why, leaves the roster so that the next round does not wait
for it, and tries again in a later one. Only what stays so ends it."""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError
from rayfed.node.speaker import Speaker
from rayfed.node.status import StatusBoard
from rayfed.protocol.commands import Leave
from rayfed.protocol.messages import Phase, Verb, View

ROUNDS = 3
"""Rounds in a row in which a node may fail before it has failed for good."""

TRIES = 10
"""Failures in a row that it may have in one round, or between two."""

PAUSE_SECONDS = (5, 60)
"""First and longest pause before a node that failed tries again, in chain time."""

LAST_SECONDS = 600
"""How long a node tries, when the federation is done, to get what it lacks: others stay no longer."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last failure: in which round, how many rounds, and tries in it, have failed in a row, until when it rests."""

    round: int
    rounds: int
    tries: int
    until: int


class Faltering:
    """One node's failures since the last round in which it took part to the end.

    Args:
        address: the node's.
        speaker: by which it leaves.
        board: where it is said.
    """

    def __init__(self, address: Address, speaker: Speaker, board: StatusBoard) -> None:
        self._address = address
        self._speaker = speaker
        self._board = board
        self._last: _Failure | None = None
        self._done_at = 0
        self._said = ""

    def goes_on(self, error: Exception, view: View, line: str) -> bool:
        """Take note of a failed step; return False where there is no going on.

        What a setting is to blame for does not pass; a disk that is full, or training that fails, may. What the node
        has signed it stands by, and what is asked of it in the open round it tries again, but for training.

        Args:
            error: what the step has raised.
            view: by which it was done.
            line: the same for people.
        """
        last = self._last
        fresh = last is None or last.round != view.round
        rounds = (0 if last is None else last.rounds) + fresh
        tries = 1 if last is None or fresh else last.tries + 1
        first, longest = PAUSE_SECONDS
        self._last = _Failure(view.round, rounds, tries, view.time + min(first << (tries - 1), longest))
        self._leave(view)
        if isinstance(error, ConfigError) or rounds > ROUNDS or tries > TRIES or self.is_late(view):
            return False
        self._said = f"round {view.round}: {line}; it tries again"
        self._board.note(self._said)
        return True

    def rests(self, view: View) -> bool:
        """Say whether nothing is to be tried just now."""
        last = self._last
        return last is not None and view.round == last.round and view.time < last.until

    def sits_out(self, view: View) -> bool:
        """Say whether the round goes on in which the node has failed: it does not train, and does not join again."""
        last = self._last
        return last is not None and view.round == last.round and (view.is_open or view.time < last.until)

    def attested(self, round: int) -> None:
        """Take note that the node has come to a round's end; if nothing failed in it, its failures are over."""
        if self._last is not None and self._last.round != round:
            self.over()

    def over(self) -> None:
        """Take note that the node lacks nothing any more: it takes part again, or has the final model."""
        self._last = None
        if self._said and self._board.now.error == self._said:
            self._board.note("")
        self._said = ""

    def is_late(self, view: View) -> bool:
        """Say whether the federation has been done for so long that what a node still lacks will not come."""
        if view.phase is not Phase.DONE:
            self._done_at = 0
            return False
        self._done_at = self._done_at or view.time
        return view.time - self._done_at > LAST_SECONDS

    def _leave(self, view: View) -> None:
        index = view.index_of(self._address)
        is_member = index is not None and bool(view.active >> index & 1)
        if is_member and view.is_open and (Verb.LEAVE, 0) not in self._speaker.outbox.in_flight:
            self._speaker.send(Leave(), view)

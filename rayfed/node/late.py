"""Rounds before the last closed one that still take a node's attestation: a round is final as soon as there is a
quorum, and who is slow may attest until its deadline, whatever has come after it."""

from __future__ import annotations

from collections.abc import Sequence

from rayfed.encoding.primitives import Address
from rayfed.ledger import FederationState
from rayfed.protocol.messages import Round, View
from rayfed.protocol.policy import takes_attestation

ASK_SECONDS = 5
"""For how long an answer about a round whose deadline is not over is good: the chain may go back."""

REMEMBERED = 64
"""Rounds after which nothing is asked about one: the ledger has no slot for so old a round."""


class ClosedRounds:
    """What the ledger last said of closed rounds, for all nodes of a process that are stepped in turn. A round whose
    deadline is over is never asked for again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Round | None, int]] = {}  # and when to ask anew, in chain time; 0: never
        self._round = 0

    def ask(self, ledger: FederationState, numbers: Sequence[int], view: View) -> list[Round]:
        """Return those of these rounds that there are.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        if view.round < self._round:
            self._known.clear()  # the chain has gone back
        self._round = view.round
        for number in numbers:
            _, until = self._known.get(number, (None, 1))
            if until and view.time >= until:
                round = ledger.round_of(number)
                is_over = round is None or view.time >= round.deadline
                self._known[number] = round, 0 if is_over else view.time + ASK_SECONDS
        known = [self._known[number][0] for number in numbers]
        for old in [number for number in self._known if number < view.round - REMEMBERED]:
            del self._known[old]
        return [round for round in known if round is not None]


class LateRounds:
    """Looks for one account's.

    Args:
        ledger: what is asked.
        me: the account.
        closed: what is known already, perhaps by other nodes of the process.
    """

    def __init__(self, ledger: FederationState, me: Address, closed: ClosedRounds | None = None) -> None:
        self._ledger = ledger
        self._me = me
        self._closed = closed or ClosedRounds()

    def look(self, view: View) -> tuple[Round, ...]:
        """Return those that take an attestation of this account now, in their order. The last closed round is not among
        them: the view tells of it.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        last = 0 if view.previous is None else view.previous.round
        held = self._ledger.terms().slots(view.round) if view.unsettled > 1 else ()
        numbers = [number for number in held if number < last]
        closed = self._closed.ask(self._ledger, numbers, view)
        return tuple(round for round in closed if takes_attestation(round, view, self._me))

"""The moves of a watchtower in court: what the pure parts need is read and found here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rayfed.ledger import Ledger
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower import demand, dispute
from rayfed.node.watchtower.closed import Closed, read
from rayfed.node.watchtower.endings import ending
from rayfed.node.watchtower.inputs import InputFinder, Missing
from rayfed.node.watchtower.settle import settlement
from rayfed.node.watchtower.turns import Turns
from rayfed.protocol.commands import Challenge, Command
from rayfed.protocol.judgement import MERGED, Case, Kind
from rayfed.protocol.messages import View


@dataclass(frozen=True, slots=True)
class Move:
    """A command that is due, and what to tell when it is sent; nothing if ``line`` is empty."""

    command: Command
    line: str = ""


class Moves:
    """Each method returns, for its part of the work, the moves that are due now, most urgent first.

    Args:
        ledger: what is read; nothing is submitted here.
        tools: the watchtower's own.
        inputs: finds what a round has merged.
    """

    def __init__(self, ledger: Ledger, tools: BlobTools, inputs: InputFinder) -> None:
        self._ledger = ledger
        self._tools = tools
        self._inputs = inputs
        self._terms = ledger.terms()
        self._turns = Turns(ledger.address)

    def dispute(self, round: int, view: View, cases: Sequence[Case]) -> Iterator[Move]:
        """Open a challenge of a wrong merge, prove what it lacks, or have it concluded."""
        closed = read(self._ledger, round)
        if closed is None:
            return
        inputs = self._inputs.find(closed, view)
        if inputs.updates is None:
            yield from self.demand(inputs.missing, view, cases)
            return
        claimed = self._tools.blobs.find(closed.record.root, view.members).blob
        if claimed is None:
            yield from self.demand(Missing(round, MERGED, closed.record.root), view, cases)
            return
        _, true = self._tools.merger.merge(inputs.updates, round, closed.base)
        move = dispute.next_move(closed, inputs.updates, claimed, true, cases, self._terms, self._ledger.address)
        if move is not None:
            line = ""
            if isinstance(move, Challenge):
                line = f"round {round} is challenged at leaf {move.leaf}, coordinate {move.coordinate}"
            yield Move(move, line)

    def demand(self, missing: Missing | None, view: View, cases: Sequence[Case]) -> Iterator[Move]:
        """Ask on the ledger for what no peer gives, once all have had time to give it."""
        if missing is None or any(case.kind is Kind.DEMAND and case.round == missing.round for case in cases):
            return
        number = int.from_bytes(missing.root[:8], "big")
        if not self._turns.is_over("missing", number, view, self._terms.challenge_seconds // 4):
            return
        closed = read(self._ledger, missing.round)
        if closed is not None and closed.root(missing.which) == missing.root:
            command = demand.demand(missing, closed, self._terms)
            yield Move(command, f"round {missing.round}: leaf {command.leaf} of {missing.root.hex()[:12]} is demanded")

    def answer(self, view: View, cases: Sequence[Case]) -> Iterator[Move]:
        """Show what is demanded and at hand."""
        for case in cases:
            closed = self._demanded(case, view)
            root = None if closed is None else closed.root(case.which)
            if closed is None or root is None or not self._turns.is_mine("demand", case.id, view):
                continue
            blob = self._tools.blobs.find(root, []).blob
            if blob is not None:
                line = f"round {case.round}: leaf {case.leaf} of {root.hex()[:12]} is shown"
                yield Move(demand.answer(case, closed, blob), line)

    def _demanded(self, case: Case, view: View) -> Closed | None:
        if case.kind is not Kind.DEMAND or view.time > case.deadline:
            return None
        closed = read(self._ledger, case.round)
        return closed if closed is not None and demand.can_be_answered(case, closed, view.time) else None

    def end(self, view: View, cases: Sequence[Case]) -> Iterator[Move]:
        """End what anybody can end; who opened a case does not wait for its turn."""
        for case in cases:
            command = ending(case, self._ledger.record(case.round), view.time)
            if command is None:
                continue
            is_own = case.challenger == self._ledger.address
            if is_own or self._turns.is_mine(str(command.verb), case.id, view):
                yield Move(command)

    def settle(self, view: View, cases: Sequence[Case]) -> Iterator[Move]:
        """Settle the next rounds if their time is over; the members take turns at it."""
        books = self._ledger.books()
        self._tools.disk.release(books.settled)
        command = settlement(books, self._ledger.record(books.settled + 1), cases, self._terms, view.time)
        if command is not None and self._turns.is_mine("settle", books.settled, view):
            yield Move(command)

"""The watchtower's loop: one look, at most one command."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import LedgerError, LedgerUnreachable, RayfedError, StoreError
from rayfed.ledger import Ledger
from rayfed.node.pending import Pending
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower.closed import last_closed
from rayfed.node.watchtower.inputs import InputFinder, Missing
from rayfed.node.watchtower.moves import Move, Moves
from rayfed.node.watchtower.settle import claim
from rayfed.node.watchtower.verify import Verifier
from rayfed.protocol.commands import Command
from rayfed.protocol.messages import Phase, View

LOOK_SECONDS = 2
"""How often to look while nothing has changed, in chain time."""


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What a watchtower has found out so far; a snapshot, to be read by any thread.

    Attributes:
        verified: all rounds up to this one are known to be right, void, undone, or too late to be challenged, but for
            those in ``wrong``.
        wrong: final rounds whose merge is known to be wrong, and which still stand.
    """

    verified: int = 0
    wrong: frozenset[int] = frozenset()

    @property
    def distrusted(self) -> bool:
        """Whether a final merge that still stands is known to be wrong: nothing should be built on it."""
        return bool(self.wrong)

    def is_satisfied(self, view: View) -> bool:
        """Say whether all that has become final, and can still be challenged, is known to be right."""
        return not self.wrong and self.verified >= last_closed(view)


class Watchtower:
    """Looks after one federation for one account, which needs no seat in it. One thread at a time.

    Args:
        ledger: a handle of the account's that nobody else uses.
        tools: a way to blobs that nobody else uses (``BlobTools.apart``).
        keep: whether to keep others' updates on the own disk while they can be asked for. Where all nodes are one
            party's, nothing is gained by it.
        reveal: called with the updates that a final round has merged: whoever holds one gives it to all who ask.
        note: told in a line what is wrong, and what was done about it.
        count: told the gas of every transaction.
    """

    def __init__(
        self,
        ledger: Ledger,
        tools: BlobTools,
        keep: bool = True,
        reveal: Callable[[Iterable[Root]], None] = lambda roots: None,
        note: Callable[[str], None] = lambda line: None,
        count: Callable[[int], None] = lambda gas: None,
    ) -> None:
        self._ledger = ledger
        self._note = note
        self._count = count
        inputs = InputFinder(tools, keep, reveal)
        self._verifier = Verifier(ledger, tools.merger, inputs, note)
        self._moves = Moves(ledger, tools, inputs)
        self._pending: Pending[Hashable] = Pending()
        self._looked: tuple[int, Phase, int] = (0, Phase.FORMING, 0)
        self._report = WatchReport()

    def report(self) -> WatchReport:
        """Return what is known so far. Safe to call from any thread."""
        return self._report

    def distrusts(self) -> bool:
        """Say whether a final merge that still stands is known to be wrong. Safe to call from any thread."""
        return self._report.distrusted

    def is_satisfied(self, view: View) -> bool:
        """Say whether nothing is left to be verified; see ``WatchReport``. Safe to call from any thread."""
        return self._report.is_satisfied(view)

    @property
    def is_sending(self) -> bool:
        """Whether something was sent whose fate is not known yet."""
        return self._ledger.is_sending

    def step(self, view: View) -> bool:
        """Do the next thing that is due, if there is one; say whether there was. Never waits for the ledger.

        Raises:
            LedgerUnreachable: nothing answers.
            LedgerError: something cannot be read or sent; what does not need it was done all the same.
            StoreError: the disk is full; the same.
        """
        self._collect(view)
        if self._ledger.is_sending:
            return False
        round, phase, time = self._looked
        if (round, phase) == (view.round, view.phase) and view.time < time + LOOK_SECONDS:
            return False
        acted = self._act(view)
        if not acted:
            self._looked = view.round, view.phase, view.time
        return acted

    def claim(self, payout: Address, view: View) -> bool:
        """Have what was earned so far paid out; say whether there was anything. Raises what ``step`` does."""
        self._collect(view)
        return claim(self._ledger, payout)

    def _act(self, view: View) -> bool:
        troubles: list[RayfedError] = []
        missing = self._verify(view, troubles)
        cases = self._ledger.open_cases()
        moves = self._moves
        wrong = [partial(moves.dispute, round, view, cases) for round in sorted(self._verifier.wrong)]
        asked = [partial(moves.demand, missing, view, cases)]
        others = [partial(part, view, cases) for part in (moves.answer, moves.end, moves.settle)]
        parts: list[Callable[[], Iterator[Move]]] = [*wrong, *asked, *others]
        if any(self._sends(part, view, troubles) for part in parts):
            return True
        if troubles:
            raise troubles[0]
        return False

    def _verify(self, view: View, troubles: list[RayfedError]) -> Missing | None:
        try:
            return self._verifier.look(view)
        except LedgerUnreachable:
            raise
        except (LedgerError, StoreError) as error:
            troubles.append(error)
            return None
        finally:
            self._report = WatchReport(self._verifier.verified, self._verifier.wrong)

    def _sends(self, part: Callable[[], Iterator[Move]], view: View, troubles: list[RayfedError]) -> bool:
        """Send the first move of a part that was not refused a moment ago; say whether there was one."""
        try:
            for move in part():
                if not self._pending.rests(_key(move.command), view):
                    self._send(move, view)
                    return True
        except LedgerUnreachable:
            raise
        except (LedgerError, StoreError) as error:
            troubles.append(error)
        return False

    def _send(self, move: Move, view: View) -> None:
        key = _key(move.command)
        try:
            self._ledger.submit(move.command)
        except LedgerUnreachable:
            raise
        except LedgerError:
            self._pending.rest(key, view)  # no coins for a bond, say
            raise
        self._pending.sent(key)
        if move.line:
            self._note(move.line)

    def _collect(self, view: View) -> None:
        for receipt in self._ledger.receipts():
            self._count(receipt.gas)
            if receipt.command is None:
                continue  # the other half of a command: a coin's approval
            self._pending.landed(_key(receipt.command), view, receipt.error)
            if receipt.error:
                # Somebody was quicker, or it is not due any more: the next look says so, or it is tried again later.
                self._note(f"{receipt.verb} refused: {receipt.error}")


def _key(command: Command) -> Hashable:
    """Return what a command is about: the same act on the same thing."""
    return command.verb, command.round, getattr(command, "id", 0)

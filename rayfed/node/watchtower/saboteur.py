"""What a dishonest node does in court, in an experiment: it enters roots that nobody merged."""

from __future__ import annotations

from collections.abc import Callable

from rayfed.attacks.behaviour import Behaviour
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.ledger import Ledger
from rayfed.node.pending import Pending
from rayfed.node.watchtower.claims import claim
from rayfed.protocol.commands import EnterRoot
from rayfed.protocol.court_policy import unsettled
from rayfed.protocol.messages import Round, Status, View


class Saboteur:
    """Stands where an honest node has its ``Watchtower``, and defends nothing. One thread at a time.

    Args:
        ledger: a handle of the account's that nobody else uses.
        behaviour: says what to enter.
        note: told in a line what was entered.
    """

    def __init__(self, ledger: Ledger, behaviour: Behaviour, note: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._behaviour = behaviour
        self._note = note
        self._pending: Pending[tuple[int, Root]] = Pending()

    def is_satisfied(self, view: View) -> bool:
        """See ``Watchtower``: it stays for nobody."""
        return True

    def step(self, view: View) -> bool:
        """Enter the next root, if there is one; say whether there was.

        Raises:
            LedgerUnreachable: nothing answers.
            LedgerError: it cannot be sent: there is no money for a bond, say.
        """
        self._collect(view)
        terms = self._ledger.terms()
        for round in unsettled(self._ledger, view) if terms.rule else ():
            if round.status is Status.FINAL and view.time <= round.deadline + terms.window_seconds:
                for root in self._behaviour.shams(round.round, round.root):
                    if self._is_new(round, root, view):
                        self._enter(round, root, view)
                        return True
        return False

    def claim(self, payout: Address, view: View, *, departs: bool = False) -> bool:
        """Have what was earned so far paid out, and never more; say whether there was anything. Raises what ``step``
        does."""
        self._collect(view)
        return claim(self._ledger, payout)

    def _is_new(self, round: Round, root: Root, view: View) -> bool:
        key = round.round, root
        rests = key in self._pending.in_flight or self._pending.rests(key, view)
        return not rests and self._ledger.number_of(round.round, root) is None

    def _enter(self, round: Round, root: Root, view: View) -> None:
        key = round.round, root
        try:
            self._ledger.submit(EnterRoot(round.round, round.context, root))
        except LedgerUnreachable:
            raise
        except LedgerError:
            self._pending.rest(key, view)
            raise
        self._pending.sent(key)
        self._note(f"round {round.round}: a sham root, {root.hex()[:12]}, is entered")

    def _collect(self, view: View) -> None:
        for receipt in self._ledger.receipts():
            if isinstance(receipt.command, EnterRoot):
                self._pending.landed((receipt.round, receipt.command.root), view, receipt.error)

"""What a node says to the ledger, and what it hears of it."""

from __future__ import annotations

from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.ledger import Ledger
from rayfed.node.pending import Outbox
from rayfed.node.refusals import NOT_DUE, act
from rayfed.node.round_log import RoundLog
from rayfed.node.status import StatusBoard
from rayfed.protocol.commands import Command
from rayfed.protocol.messages import Verb, View


class Speaker:
    """Sends a node's commands through its handle.

    Args:
        ledger: the handle.
        log: where gas and transactions are written down.
        board: where they are counted, and where it is shown what was refused.

    Attributes:
        outbox: what is on its way, was heard, or rests.
    """

    def __init__(self, ledger: Ledger, log: RoundLog, board: StatusBoard) -> None:
        self._ledger = ledger
        self._log = log
        self._board = board
        self.outbox = Outbox()

    def send(self, command: Command, view: View) -> None:
        """Send a command; whether it went through is told by a receipt, in some later ``collect``.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        said = command.verb, command.round
        try:
            self._ledger.submit(command)
        except LedgerUnreachable:
            raise
        except LedgerError as error:
            # No funds for gas, say. It stays to be said, and somebody may pay in the meantime.
            self.outbox.rest(said, view, str(error))
            self._board.trouble(str(error))
        else:
            self.outbox.sent(said)

    def collect(self, view: View) -> None:
        """Take note of what became of commands."""
        for receipt in self._ledger.receipts():
            self.outbox.answered(receipt, view)
            self._board.count(receipt.gas)
            if receipt.error:
                # Someone was quicker, or the phase moved on in the meantime: the next view says what to do now.
                # If it says to try the same again, each time a little later.
                if receipt.error not in NOT_DUE:  # as the first one's step leaves it to all who were about to take it
                    self._board.trouble(f"{act(receipt.verb, receipt.round)} refused: {receipt.error}")
                continue
            self._board.recovered()
            steps = receipt.verb is Verb.ADVANCE  # of which a round has several
            round = view.round if steps else receipt.round
            if round:
                record, verb = self._log.of(round), receipt.verb.value
                before = record.gas.get(verb, 0) if steps else 0
                self._log.amend(
                    round,
                    gas={**record.gas, verb: before + receipt.gas},
                    transactions={**record.transactions, verb: receipt.tx_hash},
                )

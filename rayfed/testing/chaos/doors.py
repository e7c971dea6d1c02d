"""A node's way to the ledger, with the trouble that is on it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.ledger.memory.relays import signed
from rayfed.ledger.memory.state import MemoryState
from rayfed.ledger.memory.storage import Storage
from rayfed.ledger.reads import SharedReads
from rayfed.protocol.commands import Command, Statement
from rayfed.protocol.messages import Receipt, Signed, Terms, Verb, View
from rayfed.testing.chaos.chain import ChaosChain, Transaction
from rayfed.testing.chaos.faults import Fuse
from rayfed.testing.chaos.scenarios import RESEND_SECONDS
from rayfed.testing.chaos.weather import Weather

Sent = tuple[Address, Command]
"""Something that a node handed to its ledger: who, and what."""


class ChaosState(MemoryState):
    """What one node can read of a ``ChaosChain``; follows the ``rayfed.ledger.FederationState`` protocol."""

    def __init__(self, chain: ChaosChain, weather: Weather, fuse: Fuse) -> None:
        self._chain = chain
        self._weather = weather
        self._fuse = fuse

    @property
    def storage(self) -> Storage:  # type: ignore[override]
        """What is read, if anything answers."""
        self.reach()
        return self._chain.chain.storage

    def terms(self) -> Terms:
        """See ``FederationState``; everybody knows them."""
        return self._chain.chain.terms()

    def view(self) -> View:
        """See ``FederationState``."""
        self.reach()
        weather = self._weather
        behind = weather.random.randint(1, 4) if weather.happens(weather.scenario.stale) else 0
        return self._chain.view(behind, 0 if weather.calm else weather.skew)

    def reach(self) -> None:
        """Die, or find that nothing answers, if it is time for that."""
        self._fuse.check()
        if self._weather.clock.now < self._weather.ledger_until:
            raise LedgerUnreachable("ledger.rpc_url: chaos: nothing answers")


class ChaosLedger(SharedReads):
    """One account's handle on a ``ChaosChain``; follows the ``rayfed.ledger.Ledger`` protocol.

    Made anew with every start of its node, as a ``Sender`` is: receipts of what an earlier process sent
    come to nobody.

    Args:
        told: called with everything that the node says, before anything can happen to it.
        silenced: whether what the node says with this verb in this round is lost for good.
    """

    def __init__(
        self,
        chain: ChaosChain,
        address: Address,
        weather: Weather,
        fuse: Fuse,
        told: Callable[[Sent], None],
        silenced: Callable[[Verb, int], bool] = lambda verb, round: False,
    ) -> None:
        self._reads = ChaosState(chain, weather, fuse)
        super().__init__(self._reads)
        self._chain = chain
        self._address = address
        self._weather = weather
        self._fuse = fuse
        self._told = told
        self._silenced = silenced
        self._flights: list[tuple[Transaction, int]] = []  # and when it was sent
        self._refused: list[Receipt] = []

    @property
    def address(self) -> Address:
        """See ``Ledger``."""
        return self._address

    @property
    def is_sending(self) -> bool:
        """Whether there is something whose receipt has not been given out."""
        return bool(self._flights or self._refused)

    def receipts(self) -> list[Receipt]:
        """See ``Ledger``."""
        self._reads.reach()
        done, self._refused = self._refused, []
        for flight in list(self._flights):
            transaction, sent = flight
            # A chain on which nothing more is mined confirms what is there, as ``sender.QUIET_SECONDS`` has it.
            quiet = self._weather.clock.now - sent > RESEND_SECONDS
            if transaction.block is not None:
                if quiet or self._chain.height - transaction.block >= self._weather.scenario.confirmations:
                    self._flights.remove(flight)
                    done.append(_receipt(transaction))
            elif transaction.lost and quiet:
                transaction.lost, transaction.due = False, self._weather.clock.now
                self._chain.pool.append(transaction)
        return done

    def close(self) -> None:
        """Nothing to let go of."""

    def submit(self, command: Command) -> None:
        """See ``Ledger``; what is missing of stake and bonds is not put down here."""
        self._told((self._address, command))
        self._reads.reach()
        weather, scenario, now = self._weather, self._weather.scenario, self._weather.clock.now
        transaction = Transaction(self._address, command, now)
        if self._silenced(command.verb, command.round):
            self._refused.append(Receipt(command.verb, command.round, _hash(transaction), 0, 0, "NotMined", command))
            return
        if weather.happens(scenario.refuse):
            if weather.random.random() < 0.5:
                raise LedgerError("ledger.fund_ether: chaos: cannot pay for the gas")
            transaction.in_vain = True
        if weather.happens(scenario.delay):
            transaction.due += weather.random.randint(1, scenario.delay_seconds)
        transaction.lost = weather.happens(scenario.lose)
        if not transaction.lost:
            self._chain.pool.append(transaction)
        self._flights.append((transaction, now))
        self._fuse.check()

    def sign(self, statement: Statement) -> Signed:
        """See ``Ledger``."""
        return signed(self._address, statement)

    def handle(self) -> ChaosLedger:
        """See ``Ledger``."""
        return ChaosLedger(self._chain, self._address, self._weather, self._fuse, self._told, self._silenced)


def _receipt(transaction: Transaction) -> Receipt:
    command, block = transaction.command, transaction.block or 0
    return Receipt(command.verb, command.round, _hash(transaction), 0, block, transaction.error, command)


def _hash(transaction: Transaction) -> str:
    return "0x" + sha256(f"{transaction.sender}{transaction.command}".encode()).hexdigest()

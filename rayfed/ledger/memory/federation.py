"""One federation of a ledger in memory, as all handles on it share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import LedgerError
from rayfed.ledger.backend import Event
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.judgement import Account, Books, Case, Record
from rayfed.protocol.messages import Outcome, Terms, View

if TYPE_CHECKING:
    from rayfed.ledger.backend import Signer
    from rayfed.ledger.memory.account import MemoryLedger
    from rayfed.ledger.relay import RelayPool


class MemoryState:
    """What can be read of a ``MemoryChain``, from any thread; follows the ``FederationState`` protocol."""

    def __init__(self, chain: MemoryChain) -> None:
        self.chain = chain

    def terms(self) -> Terms:
        """See ``FederationState``."""
        return self.chain.terms

    def view(self) -> View:
        """See ``FederationState``."""
        with self.chain.lock:
            return self.chain.view()

    def outcome(self, round: int) -> Outcome | None:
        """See ``FederationState``."""
        with self.chain.lock:
            return self.chain.outcome(round)

    def record(self, round: int) -> Record | None:
        """See ``FederationState``."""
        with self.chain.lock:
            return self.chain.record(round)

    def included_roots(self, round: int) -> tuple[Root, ...]:
        """See ``FederationState``."""
        with self.chain.lock:
            if round not in self.chain.evidence:
                raise LedgerError(f"the chain knows of no merge in round {round}")
            return tuple(self.chain.included_roots(round))

    def account(self, address: Address) -> Account:
        """See ``FederationState``."""
        with self.chain.lock:
            return self.chain.court.account(address)

    def books(self) -> Books:
        """See ``FederationState``."""
        with self.chain.lock:
            return self.chain.court.books()

    def case(self, id: int) -> Case | None:
        """See ``FederationState``."""
        with self.chain.lock:
            return self.chain.court.cases.get(id)

    def open_cases(self) -> tuple[Case, ...]:
        """See ``FederationState``."""
        with self.chain.lock:
            return self.chain.court.open_cases()

    def wait(self, seen: View, timeout: float) -> None:
        """Return at once: in this world, time passes only when somebody says so."""


class MemoryFederation(MemoryState):
    """A connection to it; follows the ``rayfed.ledger.backend.Federation`` protocol.

    Args:
        chain: the federation.
        address: its name on the ledger.
        balances: what accounts hold.
    """

    def __init__(self, chain: MemoryChain, address: Address, balances: dict[Address, int]) -> None:
        super().__init__(chain)
        self._address = address
        self._balances = balances

    @property
    def address(self) -> Address:
        """See ``Federation``."""
        return self._address

    def ledger(self, signer: Signer, proof: Sequence[bytes] = (), pool: RelayPool | None = None) -> MemoryLedger:
        """See ``Federation``."""
        from rayfed.ledger.memory.account import MemoryLedger

        return MemoryLedger(self.chain, signer.address, proof, pool)

    def accounts(self) -> tuple[Account, ...]:
        """See ``Federation``."""
        with self.chain.lock:
            return self.chain.court.accounts()

    def coins(self, address: Address) -> int:
        """See ``Federation``."""
        return self._balances.get(address, 0)

    def coin_name(self) -> str:
        """See ``Federation``."""
        return "coins"

    def pays_in_dlc(self) -> bool:
        """See ``Federation``."""
        return True

    def balance(self, address: Address) -> int:
        """See ``Federation``."""
        return self._balances.get(address, 0)

    def events(self, first: int = 0, last: int | None = None, names: Sequence[str] = ()) -> Iterator[Event]:
        """See ``Federation``; each event is a block of its own."""
        with self.chain.lock:
            said = list(enumerate(self.chain.events))
        for number, one in said[first : None if last is None else last + 1]:
            if not names or one.name in names:
                yield Event(one.name, one.values, number, 0, f"0x{number:064x}")

    def block(self) -> int:
        """See ``Federation``."""
        with self.chain.lock:
            return max(0, len(self.chain.events) - 1)

    def now(self) -> float:
        """See ``Federation``."""
        return float(self.chain.clock.now)

    def nudge(self) -> None:
        """Nobody waits here."""

    def close(self) -> None:
        """Nothing to let go of."""

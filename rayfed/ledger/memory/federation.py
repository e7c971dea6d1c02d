"""One federation of a ledger in memory, as all handles on it share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address
from rayfed.ledger.backend import Event
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.ledger.reads import SharedReads
from rayfed.protocol.accounts import Account

if TYPE_CHECKING:
    from rayfed.ledger.backend import Signer
    from rayfed.ledger.memory.account import MemoryLedger
    from rayfed.ledger.relay import RelayPool


class MemoryFederation(SharedReads):
    """A connection to it; follows the ``rayfed.ledger.backend.Federation`` protocol.

    Args:
        chain: the federation.
        address: its name on the ledger.
        balances: what accounts hold.
    """

    def __init__(self, chain: MemoryChain, address: Address, balances: dict[Address, int]) -> None:
        super().__init__(chain)
        self.chain = chain
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

    def accounts(self, addresses: Sequence[Address]) -> tuple[Account, ...]:
        """See ``Federation``."""
        return tuple(self.chain.account(address) for address in addresses)

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
        said = list(enumerate(self.chain.events))
        for number, one in said[first : None if last is None else last + 1]:
            if not names or one.name in names:
                yield Event(one.name, one.values, number, 0, f"0x{number:064x}")

    def founded(self) -> int:
        """See ``Federation``."""
        return 0

    def block(self) -> int:
        """See ``Federation``."""
        return max(0, len(self.chain.events) - 1)

    def now(self) -> float:
        """See ``Federation``."""
        return float(self.chain.clock.now)

    def nudge(self) -> None:
        """Nobody waits here."""

    def close(self) -> None:
        """Nothing to let go of."""

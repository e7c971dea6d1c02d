"""A ledger in this process's memory as a backend: for tests, and for whoever wants to see a round without a chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address
from rayfed.errors import CharterMismatch, LedgerUnreachable, NotAFederation
from rayfed.ledger.backend import Federation, Founding, Locator, Signer
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.ledger.memory.federation import MemoryFederation
from rayfed.protocol.charter import Charter
from rayfed.protocol.commands import Deposit, DepositBonds, Fund
from rayfed.protocol.messages import COIN

if TYPE_CHECKING:
    from rayfed.config.groups.machines import LedgerSettings

CHAIN_ID = 31337

WORLDS: dict[str, MemoryWorld] = {}
"""The ledgers of this process by their names; another process has none of them."""


@dataclass(frozen=True, slots=True)
class MemorySigner:
    """An account in memory: whoever knows its name can sign for it."""

    address: Address


@dataclass(slots=True)
class MemoryWorld:
    """One ledger: its time, its federations by their names, and what accounts hold (everybody may spend more)."""

    clock: ManualClock = field(default_factory=ManualClock)
    chains: dict[Address, MemoryChain] = field(default_factory=dict)
    balances: dict[Address, int] = field(default_factory=dict)


class MemoryBackend:
    """A ledger in memory; follows the ``rayfed.ledger.backend.Backend`` protocol.

    Attributes:
        world: what is on it.
    """

    def __init__(self, name: str, world: MemoryWorld) -> None:
        self.world = world
        self._name = name

    @property
    def locator(self) -> Locator:
        """See ``Backend``."""
        return Locator("memory", CHAIN_ID, {"name": self._name})

    def purse(self) -> MemorySigner:
        """See ``Backend``."""
        return MemorySigner(_address("purse"))

    def signer(self, federation: Address, folder: Path, index: int) -> MemorySigner:
        """See ``Backend``."""
        return MemorySigner(_address(f"{federation} {folder.absolute()} {index}"))

    def secret(self, signer: Signer, label: bytes) -> bytes:
        """See ``Backend``."""
        return sha256(signer.address.encode() + label).digest()

    def make_coin(self, payer: Signer) -> Address:
        """See ``Backend``."""
        return _address(f"coin {len(self.world.chains)}")

    def found(self, payer: Signer, charter: Charter, coin: Address | None = None, salt: bytes = bytes(32)) -> Founding:
        """See ``Backend``."""
        terms = charter.terms(coin or self.make_coin(payer))
        address = _address(f"federation {terms} {salt.hex()}")
        if address not in self.world.chains:
            self.world.chains[address] = MemoryChain(terms, self.world.clock)
        return Founding(address, 0)

    def exists(self, federation: Address) -> bool:
        """See ``Backend``."""
        return federation in self.world.chains

    def code(self, federation: Address) -> bytes:
        """See ``Backend``: of its terms."""
        return sha256(repr(self.world.chains[federation].terms()).encode()).digest()

    def price(self) -> int:
        """See ``Backend``."""
        return 0

    def give(
        self,
        payer: Signer,
        federation: Federation,
        addresses: Sequence[Address],
        gas_money: float,
        *,
        stake: int | None = None,
        bonds: int | None = None,
        pool: int = 0,
    ) -> None:
        """See ``Backend``. The payer has as many coins as wanted."""
        chain, balances = self.world.chains[federation.address], self.world.balances
        terms = chain.terms()
        stake = terms.stake if stake is None else stake
        bonds = terms.bonds if bonds is None else bonds
        with chain.lock:
            for address in addresses:
                balances[address] = balances.get(address, 0) + round(gas_money * COIN) + terms.bond
                if stake:
                    chain.act(payer.address, Deposit(address, stake))
                if bonds:
                    chain.act(payer.address, DepositBonds(address, bonds))
            if pool:
                chain.act(payer.address, Fund(pool))

    def connect(
        self, federation: Address, charter_hash: bytes | None = None, *, follow: bool = False
    ) -> MemoryFederation:
        """See ``Backend``."""
        if federation not in self.world.chains:
            raise NotAFederation(f"federation_address: there is no federation {federation} in {self._name}")
        chain = self.world.chains[federation]
        if charter_hash is not None and chain.terms().charter != charter_hash:
            raise CharterMismatch(f"charter: {federation} was founded on another charter than yours")
        return MemoryFederation(chain, federation, self.world.balances)

    def close(self) -> None:
        """Nothing to let go of."""


class MemoryKind:
    """Ledgers in this process's memory, each named after its folder."""

    def check(self, settings: LedgerSettings, *, here: bool = True) -> None:
        """Nothing can be wrong with it."""

    @contextmanager
    def open(self, settings: LedgerSettings, folder: Path) -> Iterator[MemoryBackend]:
        """See ``LedgerKind``."""
        name = str(folder.absolute())
        WORLDS[name] = MemoryWorld()
        try:
            yield MemoryBackend(name, WORLDS[name])
        finally:
            del WORLDS[name]

    def at(self, locator: Locator, settings: LedgerSettings) -> MemoryBackend:
        """See ``LedgerKind``.

        Raises:
            LedgerUnreachable: it is another process's.
        """
        name = locator.where["name"]
        if name not in WORLDS:
            raise LedgerUnreachable(f"ledger.kind: the ledger in memory of {name} is not in this process")
        return MemoryBackend(name, WORLDS[name])


def _address(text: str) -> Address:
    return "0x" + sha256(text.encode()).hexdigest()[:40]

"""The seam for ledgers: what a kind of ledger offers besides handles.

A new kind is a folder in ``rayfed/ledger/`` with a ``LedgerKind``, and one line in ``rayfed.ledger.registry``. Above
this package accounts and federations are opaque names of which nobody asks what they mean: 20 bytes, written as ``0x``
and 40 hexadecimal digits, which is what the headers of blobs have room for. A kind whose own names are longer hashes
them, and keeps which is which to itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rayfed.encoding.primitives import Address
from rayfed.ledger import FederationState, Ledger
from rayfed.protocol.accounts import Account
from rayfed.protocol.charter import Charter

if TYPE_CHECKING:
    from rayfed.config.groups.machines import LedgerSettings
    from rayfed.ledger.relay import RelayPool


@dataclass(frozen=True, slots=True)
class Locator:
    """What another process needs in order to reach a ledger. Its URLs may hold a provider's key: no record names it.

    Attributes:
        kind: a word of ``registry.KINDS``.
        chain_id: which ledger of its kind it is; bound into the header of every update.
        where: what the kind makes of it: URLs, say.
    """

    kind: str
    chain_id: int
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Founding:
    """A federation just founded: its name on the ledger, and the number of the block that holds its beginning."""

    federation: Address
    block: int


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a federation said, with the transaction that made it say so.

    ``name`` and ``values`` are the contract's (``Committed``: round, index, root; ...); ``position`` orders the
    events of a block.
    """

    name: str
    values: dict[str, Any]
    block: int
    position: int
    tx_hash: str


class Signer(Protocol):
    """An account that this process can sign for."""

    @property
    def address(self) -> Address:
        """The account's name on the ledger."""


class Federation(FederationState, Protocol):
    """One process's connection to one federation, shared by all its handles. Safe to use from any thread."""

    @property
    def address(self) -> Address:
        """The federation's name on the ledger."""

    def ledger(self, signer: Signer, proof: Sequence[bytes] = (), pool: RelayPool | None = None) -> Ledger:
        """Return an account's handle; ``Ledger.handle`` gives more of them, which share the order of what they send.

        Args:
            signer: the account.
            proof: that the allow-list names it.
            pool: posts its statements together with others'; None: it posts them by itself.
        """

    def accounts(self, addresses: Sequence[Address]) -> tuple[Account, ...]:
        """Return what each of these has in the federation: ``account`` for many, in as few requests as can be."""

    def coins(self, address: Address) -> int:
        """Return how much of the federation's coin an account holds, in its smallest unit."""

    def coin_name(self) -> str:
        """Return what people call the federation's coin."""

    def pays_in_dlc(self) -> bool:
        """Say whether the coin is one that ``Backend.make_coin`` makes."""

    def balance(self, address: Address) -> int:
        """Return what an account holds to pay for transactions with, in the currency's smallest unit."""

    def events(self, first: int = 0, last: int | None = None, names: Sequence[str] = ()) -> Iterator[Event]:
        """Yield what the federation has said in blocks ``first..last``; by all names, or by these."""

    def founded(self) -> int:
        """Return the number of the block in which the federation was founded."""

    def block(self) -> int:
        """Return the number of the newest block."""

    def now(self) -> float:
        """Return the ledger's time, in seconds since the epoch."""

    def nudge(self) -> None:
        """Let whoever waits, or waits next, return at once: there is something else to do."""

    def close(self) -> None:
        """Wake all who wait and let go of the connection."""


@runtime_checkable
class Priced(Protocol):
    """A connection to a ledger that may have a price for what is sent to it, or none."""

    def is_free(self) -> bool:
        """Say whether nothing that is sent costs anything now, so that who owns nothing can send it.

        Raises:
            LedgerUnreachable: nothing answers.
        """


class Backend(Protocol):
    """A ledger that answers. All methods raise ``LedgerUnreachable`` when nothing does."""

    @property
    def locator(self) -> Locator:
        """How another process reaches the same ledger."""

    def purse(self) -> Signer | None:
        """Return the account that pays for founding and for what nodes need; None if the settings name none."""

    def signer(self, federation: Address, folder: Path, index: int) -> Signer:
        """Return a node's own account in a federation: the same one whenever it is asked for.

        Args:
            federation: whose member it is or will be.
            folder: the node's own; a key that is made is kept here.
            index: 0 for a node that joins; slot + 1 for a node of a run that founds.

        Raises:
            ConfigError: its key cannot be made or read; names the setting.
        """

    def secret(self, signer: Signer, label: bytes) -> bytes:
        """Return 32 bytes that follow from an account's key and a label, and tell nobody anything of the key."""

    def make_coin(self, payer: Signer) -> Address:
        """Make a coin for a federation to be founded; the payer holds all of it.

        Raises:
            LedgerError: the account cannot pay.
        """

    def found(self, payer: Signer, charter: Charter, coin: Address | None = None, salt: bytes = bytes(32)) -> Founding:
        """Found a federation on a charter; where that has been done already, find it.

        Args:
            payer: who pays.
            charter: what its members agree on.
            coin: where the charter asks for one of its own, the one that was made for it; None: it is made here.
            salt: 32 bytes. Charter, coin and salt make the federation's name: another salt founds another federation
                on the same charter, and whoever was interrupted says the same again.

        Raises:
            LedgerError: the account cannot pay, or the ledger refuses the terms.
        """

    def exists(self, federation: Address) -> bool:
        """Say whether there is a federation, or anything else, of this name."""

    def code(self, federation: Address) -> bytes:
        """Return a hash, 32 bytes, of what lies under a federation's name: its code with its terms, say."""

    def price(self) -> int:
        """Return what a unit of work in a transaction (gas) costs now at most, in the currency's smallest unit."""

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
        """Give nodes something to pay for transactions with, and for a root to enter; put stakes and bonds down.

        Args:
            payer: who pays.
            federation: whose members they are or will be.
            addresses: the nodes' accounts.
            gas_money: for each, beside one bond, in whole coins of the ledger's own currency.
            stake: put down for each, in the coin's smallest unit; None: what the terms ask for.
            bonds: put down for each, in the smallest unit of the ledger's own currency; None: what the terms ask for.
            pool: how much goes into the pool besides, in the coin's smallest unit.

        Raises:
            ConfigError: the payer does not hold so much; names the setting.
        """

    def connect(self, federation: Address, charter_hash: bytes | None = None, *, follow: bool = False) -> Federation:
        """Return a connection to a federation, checked to be one.

        Args:
            federation: its name on the ledger.
            charter_hash: what it must have been founded on; None: anything.
            follow: whether to listen for what it says, for a process that waits for it all the time.

        Raises:
            LedgerError: it is not there, is none, or was founded on another charter.
        """

    def close(self) -> None:
        """Let go of the connection."""


class LedgerKind(Protocol):
    """One kind of ledger, before anything is connected."""

    def check(self, settings: LedgerSettings, *, here: bool = True) -> None:
        """Ask once whether it can be used with these settings, so that a wrong one shows before anything starts.

        Args:
            settings: ``ledger.*``.
            here: whether the nodes run on this machine, so that what lies on its disk lies on theirs.

        Raises:
            RayfedError: one line that names the setting to change.
        """

    def open(self, settings: LedgerSettings, folder: Path) -> AbstractContextManager[Backend]:
        """Connect to it, or start one of one's own that ends with the ``with`` block.

        Args:
            settings: ``ledger.*``.
            folder: where a ledger of one's own keeps what it needs.
        """

    def at(self, locator: Locator, settings: LedgerSettings) -> Backend:
        """Return one that another process has opened; asks it nothing yet.

        Args:
            locator: that process's ``Backend.locator``.
            settings: ``ledger.*``: how this process's accounts are found.
        """

"""Ethereum as a backend: a chain of one's own (Anvil) or any that answers JSON-RPC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError
from rayfed.ledger.backend import Federation, Founding, Locator, Signer
from rayfed.ledger.ethereum import deployment, identity, keys
from rayfed.ledger.ethereum.connection import EthereumFederation, connect
from rayfed.ledger.ethereum.fees import Fees
from rayfed.ledger.ethereum.keys import account_of
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import NATIVE

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.config.groups.machines import LedgerSettings

STATE, LOG = "chain.json", "anvil.log"
"""Where a chain of one's own keeps its state, and what it prints."""

STATE_SECONDS = 2
"""How often a chain of one's own is written to disk: what a machine that dies may forget of it."""


class EthereumBackend:
    """A chain; follows the ``rayfed.ledger.backend.Backend`` protocol.

    Args:
        rpc: the chain's node.
        locator: how another process reaches it: by ``rpc_url``, and ``ws_url`` and ``spare_rpc_url`` if they are there.
        settings: ``ledger.*``.
        purse: who pays; None: the account that the settings name, if they name one.
    """

    def __init__(self, rpc: Rpc, locator: Locator, settings: LedgerSettings, purse: LocalAccount | None = None) -> None:
        self.rpc = rpc
        self._locator = locator
        self._settings = settings
        self._purse = purse

    @property
    def locator(self) -> Locator:
        """See ``Backend``."""
        return self._locator

    def purse(self) -> LocalAccount | None:
        """See ``Backend``."""
        return self._purse or purse(self._settings)

    def signer(self, federation: Address, folder: Path, index: int) -> LocalAccount:
        """See ``Backend``. The key is derived from the master key in ``ledger.keystore``, or else made here."""
        chosen = self._settings
        if chosen.keystore:
            master = identity.master(chosen.keystore, chosen.password_file)
            return identity.derive(master, self.locator.chain_id, federation, index)
        return keys.load_or_make_key(folder / "key", setting="cluster.state_dir")

    def secret(self, signer: Signer, label: bytes) -> bytes:
        """See ``Backend``."""
        return identity.hkdf(bytes(account_of(signer).key), b"", label, 32)

    def make_coin(self, payer: Signer) -> Address:
        """See ``Backend``."""
        return deployment.deploy_coin(self.rpc, account_of(payer))

    def found(self, payer: Signer, charter: Charter, coin: Address | None = None, salt: bytes = bytes(32)) -> Founding:
        """See ``Backend``. The contracts' code is put on the chain first, where it is not there yet."""
        if coin is None:
            coin = self.make_coin(payer) if charter.stake.coin == "dlc" else NATIVE
        deployed = deployment.deploy(self.rpc, account_of(payer), charter.terms(coin), salt)
        return Founding(deployed.address, deployed.block)

    def exists(self, federation: Address) -> bool:
        """See ``Backend``."""
        return deployment.has_code(self.rpc, federation)

    def code(self, federation: Address) -> bytes:
        """See ``Backend``: Keccak-256 of the contract's code, as ``eth_getCode`` gives it."""
        return keccak(hexstr=self.rpc.call("eth_getCode", federation, "latest"))

    def price(self) -> int:
        """See ``Backend``."""
        return Fees(self.rpc).now()[0]

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
        """See ``Backend``; all in one transaction for many nodes."""
        there = federation if isinstance(federation, EthereumFederation) else self.connect(federation.address)
        terms = there.terms() if stake is None else replace(there.terms(), stake=stake)
        deployment.fund(
            self.rpc,
            account_of(payer),
            addresses,
            gas_money,
            terms=terms,
            federation=there.address,
            bonds=bonds,
            pool=pool,
        )

    def connect(
        self, federation: Address, charter_hash: bytes | None = None, *, follow: bool = False
    ) -> EthereumFederation:
        """See ``Backend``."""
        return EthereumFederation.open(
            self.locator.where["rpc_url"],
            federation,
            chain_id=self.locator.chain_id,
            ws_url=self.locator.where.get("ws_url") if follow else None,
            spare=self.locator.where.get("spare_rpc_url"),
            charter_hash=charter_hash,
            confirmations=self._settings.confirmations + 1,  # the block that holds a transaction counts here
            max_gas=self._settings.max_gas,
        )

    def close(self) -> None:
        """See ``Backend``."""
        self.rpc.close()


class RpcKind:
    """Any chain that is there."""

    def check(self, settings: LedgerSettings, *, here: bool = True) -> None:
        """See ``LedgerKind``."""
        purse(settings)
        if settings.keystore and here:
            identity.master(settings.keystore, settings.password_file)
        rpc = connect(_url(settings), settings.chain_id, settings.spare_rpc_url)
        try:
            rpc.call("eth_blockNumber")  # connecting alone asks nothing where any chain will do
        finally:
            rpc.close()

    @contextmanager
    def open(self, settings: LedgerSettings, folder: Path) -> Iterator[EthereumBackend]:
        """See ``LedgerKind``."""
        others = {"ws_url": settings.ws_url, "spare_rpc_url": settings.spare_rpc_url}
        where = {"rpc_url": _url(settings)} | {name: url for name, url in others.items() if url}
        rpc = connect(_url(settings), settings.chain_id, settings.spare_rpc_url)
        backend = EthereumBackend(rpc, Locator("rpc", rpc.chain_id, where), settings)
        try:
            yield backend
        finally:
            backend.close()

    def at(self, locator: Locator, settings: LedgerSettings) -> EthereumBackend:
        """See ``LedgerKind``."""
        where = locator.where
        return EthereumBackend(Rpc(where["rpc_url"], spare=where.get("spare_rpc_url")), locator, settings)


class DevChainKind:
    """A chain of one's own, which ends with who has started it; others reach it as they reach any chain.

    Its module holds the key that founds there, so only who starts a chain imports it.
    """

    def check(self, settings: LedgerSettings, *, here: bool = True) -> None:
        """See ``LedgerKind``."""
        from rayfed.ledger.ethereum.devchain import find_anvil

        find_anvil(settings.anvil)

    @contextmanager
    def open(self, settings: LedgerSettings, folder: Path) -> Iterator[EthereumBackend]:
        """See ``LedgerKind``."""
        from rayfed.ledger.ethereum.devchain import DevChain

        log = folder / LOG
        with DevChain(settings.anvil, state=folder / STATE, state_seconds=STATE_SECONDS, log=log) as dev:
            where = {"rpc_url": dev.rpc_url, "ws_url": dev.ws_url}
            backend = EthereumBackend(connect(dev.rpc_url), Locator("rpc", dev.chain_id, where), settings, dev.funder)
            try:
                yield backend
            finally:
                backend.close()

    def at(self, locator: Locator, settings: LedgerSettings) -> EthereumBackend:
        """See ``LedgerKind``."""
        return RpcKind().at(locator, settings)


def purse(settings: LedgerSettings) -> LocalAccount | None:
    """Return the account that pays, or None where a node is to be given its gas money otherwise.

    Raises:
        ConfigError: its file cannot be used.
    """
    if settings.key_file is None:
        return None
    password = Path(settings.password_file) if settings.password_file else None
    return keys.load_key(Path(settings.key_file), password_file=password)


def _url(settings: LedgerSettings) -> str:
    if settings.rpc_url is None:
        raise ConfigError("ledger.rpc_url", "is needed with ledger=rpc")
    return settings.rpc_url

"""What a node that joins needs of money, and where it comes from: its party's purse, or somebody who sends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rayfed.encoding.urls import public
from rayfed.errors import ConfigError
from rayfed.protocol.messages import COIN, NATIVE
from rayfed.reporting.words import amount, duration

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.encoding.primitives import Address
    from rayfed.ledger.backend import Backend, Federation
    from rayfed.reporting.live_table import LiveDisplay

JOIN_GAS, ROUND_GAS = 600_000, 260_000
"""What joining and a round take at most, on the dearest gas schedule known (docs/gas.md)."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What an account lacks to be a member to the end; amounts in the smallest unit.

    Attributes:
        address: of the account.
        coin: that of the stake; ``coin_name``: what people call it.
        stake: that is still to be put down, in the coin; ``bonds``: in the chain's own currency.
        bond: in that, too: what entering another root takes, should one be wrong.
        gas: in that, too: for joining and all rounds that are to come, at what gas costs now.
    """

    address: Address
    coin: Address
    coin_name: str
    stake: int
    bonds: int
    bond: int
    gas: int

    @classmethod
    def of(cls, backend: Backend, connection: Federation, address: Address) -> Needs:
        """Ask the ledger what an account lacks."""
        terms, account = connection.terms(), connection.account(address)
        rounds = max(0, terms.rounds - connection.view().finals)
        stake, bonds = max(0, terms.stake - account.stake), max(0, terms.bonds - account.bonds)
        gas = backend.price() * (JOIN_GAS + rounds * ROUND_GAS)
        return cls(address, terms.coin, connection.coin_name(), stake, bonds, terms.bond, gas)

    @property
    def in_coin(self) -> int:
        """What it needs of a coin that is not the chain's own currency."""
        return 0 if self.coin == NATIVE else self.stake

    @property
    def native(self) -> int:
        """What it needs of the chain's own currency, but for gas."""
        return self.bonds + self.bond + (self.stake if self.coin == NATIVE else 0)

    @property
    def words(self) -> str:
        """All of it, in words."""
        coin = "ether" if self.coin == NATIVE else f"{self.coin_name} ({self.coin})" if self.is_dlc else self.coin_name
        return (
            f"{amount(self.stake)} {coin} for its stake, {amount(self.bonds)} ether for bonds, {amount(self.bond)} "
            f"ether to contest a merge with, and about {self.gas / COIN:.2g} ether for gas"
        )

    @property
    def is_dlc(self) -> bool:
        """Whether the coin is a DeepLearningCoin, all of which its founder has made."""
        return self.coin_name == "DLC"

    def how(self, rpc_url: str | None, federation: Address) -> str:
        """Return how to come by the coin; empty where the chain's own currency is all that is needed."""
        if not self.in_coin:
            return ""
        if not self.is_dlc:
            return f"the coin is the ERC-20 at {self.coin}: send {amount(self.in_coin)} of it to {self.address}"
        url = public(rpc_url or "URL", path_is_secret=True)
        return (
            f"all DLC ({self.coin}) are the founder's: it sends {amount(self.in_coin)} to {self.address}, or puts them "
            f"down for it: python -m rayfed deposit --rpc {url} --federation {federation} --member {self.address} "
            "--key-file FILE"
        )


def equip(settings: Settings, backend: Backend, connection: Federation, address: Address, display: LiveDisplay) -> None:
    """Give the node gas money, its stake and its bonds out of the party's purse, or say what to send.

    Raises:
        ConfigError: the purse does not hold what is needed.
    """
    needs = Needs.of(backend, connection, address)
    if needs.stake or needs.bonds:
        locked = duration(connection.terms().locked_seconds)
        display.tell([f"once this node has left, stake and bonds can be taken back after {locked} at the latest"])
    purse = backend.purse()
    if purse is None:
        if connection.balance(address) < needs.native or connection.coins(address) < needs.in_coin:
            display.tell([f"waiting for funds: send {needs.words}, to {address} on chain {backend.locator.chain_id}"])
            if line := needs.how(settings.ledger.rpc_url, connection.address):
                display.tell([line])
        return
    check_purse(settings, connection, purse.address, needs)
    if needs.stake or needs.bonds or connection.balance(address) == 0:
        given = f"{amount(needs.stake)} {needs.coin_name} at stake, {amount(needs.bonds)} ether in bonds"
        display.tell([f"{purse.address} puts down for {address}: {given}; {settings.ledger.fund_ether:g} for gas"])
        backend.give(purse, connection, [address], settings.ledger.fund_ether, stake=needs.stake, bonds=needs.bonds)


def check_purse(settings: Settings, connection: Federation, purse: Address, needs: Needs) -> None:
    """Check that a purse holds what a node needs, before anything of it is spent.

    Raises:
        ConfigError: naming ``ledger.key_file``, with what is needed, what is there, and how to come by the rest.
    """
    held, coins = connection.balance(purse), connection.coins(purse)
    wanted = needs.native + round(settings.ledger.fund_ether * COIN)
    if needs.in_coin and coins < needs.in_coin:
        how = needs.how(settings.ledger.rpc_url, connection.address)
        raise ConfigError(
            "ledger.key_file",
            f"{purse} holds {amount(coins)} {needs.coin_name}, and a stake is {amount(needs.in_coin)}: {how}",
        )
    if held < wanted:
        raise ConfigError(
            "ledger.key_file",
            f"{purse} holds {amount(held)} ether on this chain, and joining takes {amount(wanted)}: {needs.words} "
            f"(ledger.fund_ether gives {settings.ledger.fund_ether:g}); send it the rest",
        )

"""Who holds how much of a federation's coin, and of the chain's own currency."""

from __future__ import annotations

from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.ledger.ethereum import abi, deployment
from rayfed.ledger.ethereum.contract_court import ContractCourt
from rayfed.protocol.messages import NATIVE


class CoinState(ContractCourt):
    """What accounts hold outside of the federation. All amounts are in the smallest unit."""

    def coins(self, address: Address) -> int:
        """Return how much of the federation's coin an address holds, in its smallest unit."""
        coin = self.terms().coin
        return self.balance(address) if coin == NATIVE else self._ask_coin("balanceOf", address)

    def pays_in_dlc(self) -> bool:
        """Say whether the coin is a DeepLearningCoin, by its code."""
        return abi.is_ours(bytes.fromhex(self.rpc.call("eth_getCode", self.terms().coin, "latest")[2:]), abi.COIN)

    def coin_name(self) -> str:
        """See ``Federation``."""
        coin = self.terms().coin
        return "ether" if coin == NATIVE else "DLC" if self.pays_in_dlc() else f"of {coin}"

    def allowance(self, owner: Address) -> int:
        """Return how much of an owner's coins the federation may take; of the chain's own currency what comes."""
        return 0 if self.terms().coin == NATIVE else self._ask_coin("allowance", owner, self.address)

    def balance(self, address: Address) -> int:
        """Return how many wei an account holds."""
        return deployment.balance(self.rpc, address)

    def _ask_coin(self, name: str, *arguments: Any) -> int:
        return int(self.questions.ask(name, *arguments, to=self.terms().coin))

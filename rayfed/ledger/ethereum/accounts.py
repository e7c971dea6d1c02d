"""Opens an account's handle on a federation on Ethereum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rayfed.ledger.ethereum.account import EthereumLedger

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.ledger.ethereum.connection import EthereumFederation
    from rayfed.ledger.relay import RelayPool


def open_door(
    federation: EthereumFederation,
    account: LocalAccount,
    proof: Sequence[bytes] = (),
    pool: RelayPool | None = None,
) -> EthereumLedger:
    """Return one account's handle; see ``Federation.ledger``."""
    return federation.ledger(account, proof, pool)

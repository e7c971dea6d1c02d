"""Opens an account's door to a federation on Ethereum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rayfed.ledger.ethereum.account import EthereumLedger
from rayfed.ledger.ethereum.relayed import RelayedLedger

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
    """Return one account's door.

    Args:
        federation: where to; its connection is shared by all doors.
        account: that it signs for.
        proof: that the allow-list names it.
        pool: posts its messages together with others'; None: it posts them by itself.
    """
    sender = federation.sender(account)
    if pool is None:
        return EthereumLedger(federation, account, sender, proof)
    return RelayedLedger(federation, account, sender, proof, pool)

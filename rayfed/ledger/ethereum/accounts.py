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
    """Return one account's handle.

    Args:
        federation: where to; its connection is shared by all handles.
        account: that it signs for; ``EthereumLedger.handle`` gives more handles of it, which share its nonces.
        proof: that the allow-list names it.
        pool: posts its statements together with others'; None: it posts them by itself.
    """
    return EthereumLedger(federation, account, federation.sender(account), proof, pool)

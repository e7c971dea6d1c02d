"""How much gas a transaction may use: asked of the chain, for no table of this release knows the rules of the next."""

from __future__ import annotations

from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.protocol.messages import Verb

HEAD_ROOM = 100_000
"""What a transaction may need more than its node reckons, beside half as much again: others' transactions come before
it, and where it is a batch's it may close the phase. What is not used is not paid."""

CHAINS_MOST = 1 << 24
"""A transaction's limit on most chains (EIP-7825): head-room does not go beyond, an estimate may."""


class Gas:
    """Asks a node what calls cost. Safe to use from several threads.

    Args:
        rpc: the chain's node.
        ceiling: ``ledger.max_gas``: what the party lets a transaction use; None: no such limit.
    """

    def __init__(self, rpc: Rpc, ceiling: int | None = None) -> None:
        self._rpc = rpc
        self._ceiling = ceiling
        self._tag = "pending"

    def limit(self, verb: Verb, sender: Address, fields: dict[str, Any], *, capped: bool = True) -> int:
        """Return a transaction's gas limit.

        Args:
            verb: what it says.
            sender: whose it is.
            fields: ``to``, ``data`` and ``value``.
            capped: whether the party's ceiling holds for it.

        Raises:
            RpcError: the contract refuses, or the account cannot pay what goes along.
            LedgerError: it needs more than the party's ceiling.
            LedgerUnreachable: nothing answers.
        """
        estimate = self._estimate(sender, fields)
        wanted = max(estimate, min(estimate * 3 // 2 + HEAD_ROOM, CHAINS_MOST))
        if not capped or self._ceiling is None:
            return wanted
        if estimate > self._ceiling:
            raise LedgerError(f"ledger.max_gas: {verb} needs {estimate:,} gas, and {self._ceiling:,} are allowed")
        return min(wanted, self._ceiling)

    def _estimate(self, sender: Address, fields: dict[str, Any]) -> int:
        call = {
            "from": sender,
            "to": fields["to"],
            "data": "0x" + fields["data"].hex(),
            "value": hex(fields["value"]),
        }
        try:
            return int(self._rpc.call("eth_estimateGas", call, self._tag), 16)
        except RpcError as error:
            # A node may know no block in the making. Then its newest block's time is the time.
            if self._tag == "latest" or error.data or "pending" not in error.message.lower():
                raise
        self._tag = "latest"
        return int(self._rpc.call("eth_estimateGas", call, self._tag), 16)

"""Which of the contracts' instructions a chain does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayfed.ledger.ethereum.rpc import RpcError

if TYPE_CHECKING:
    from rayfed.ledger.ethereum.rpc import Rpc

NEEDED = {
    "PUSH0": "5f5000",
    "TLOAD": "60005c5000",
    "MCOPY": "6000600060005e00",
}
"""What chains got last of all that the contracts are made of (EIP-3855, EIP-1153, EIP-5656), and code that does it."""


def lacking(rpc: Rpc) -> tuple[str, ...]:
    """Return those that make a chain's node complain; it is asked to do each, and nothing is sent.

    Raises:
        LedgerUnreachable: nothing answers.
    """
    answers = rpc.batch([("eth_call", [{"data": "0x" + code}, "latest"]) for code in NEEDED.values()])
    return tuple(name for name, answer in zip(NEEDED, answers, strict=True) if isinstance(answer, RpcError))

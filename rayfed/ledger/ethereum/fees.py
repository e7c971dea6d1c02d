"""What gas costs now."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rayfed.ledger.ethereum.rpc import Rpc, RpcError

GOOD_SECONDS = 15.0
"""How long fees that were asked for are used."""

GWEI = 10**9


class Fees:
    """Fees a gas, asked for once in a while and shared by all accounts of a process.

    Args:
        saw: told the time of the newest block, which is asked for anyway.
    """

    def __init__(self, rpc: Rpc, saw: Callable[[int], None] = lambda timestamp: None) -> None:
        self._rpc = rpc
        self._saw = saw
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._fees = (0, 0)

    def now(self) -> tuple[int, int]:
        """Return (max fee, priority fee) in wei a gas (EIP-1559): room for the base fee to double twice.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        with self._lock:
            if time.monotonic() - self._asked > GOOD_SECONDS:
                block, tip = self._rpc.batch(
                    [("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])]
                )
                if isinstance(block, RpcError):
                    raise block
                self._saw(int(block["timestamp"], 16))
                priority = GWEI if isinstance(tip, RpcError) else int(tip, 16)
                self._fees = 4 * int(block.get("baseFeePerGas", "0x0"), 16) + priority, priority
                self._asked = time.monotonic()
            return self._fees

    def forget(self) -> None:
        """Ask anew next time: the node found them too low."""
        self._asked = float("-inf")

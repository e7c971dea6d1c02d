"""Blocks as a test wants them: no moment between two of them is missed, however slow the machine is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc
from tests.integration.federations import eventually

T = TypeVar("T")

BLOCK_SECONDS = 1
"""Between blocks of a slow chain. A phase lasts at least a block, so that it can be met in the middle: where it has to
be, the chain is held there."""


class Blocks:
    """A chain that makes no block by itself.

    Args:
        rpc: the chain's.
    """

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def until(self, what: str, ask: Callable[[], T | None], pause: float = 0.2) -> T:
        """Make blocks, one every ``pause`` seconds, until ``ask`` finds something, and none after; return that."""

        def look() -> T | None:
            found = ask()
            if not found:
                self._rpc.call("evm_mine")
            return found

        return eventually(what, look, pause)


@contextmanager
def held(chain: DevChain, seconds: int = 0) -> Iterator[Blocks]:
    """Have a chain make no blocks by itself for as long as this lasts.

    Args:
        chain: a running one.
        seconds: between its blocks otherwise; 0: it makes one for each transaction.
    """
    rpc = Rpc(chain.rpc_url)
    rpc.call("evm_setIntervalMining", 0) if seconds else rpc.call("evm_setAutomine", False)
    try:
        yield Blocks(rpc)
    finally:
        rpc.call("evm_setIntervalMining", seconds) if seconds else rpc.call("evm_setAutomine", True)
        rpc.call("evm_mine")  # what has been said meanwhile
        rpc.close()

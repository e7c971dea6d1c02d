"""What a contract has said since its first block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerUnreachable
from rayfed.ledger.backend import Event
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.rpc import LIMIT_EXCEEDED, Rpc, RpcError

__all__ = ["BLOCKS", "Event", "backwards", "events"]

BLOCKS = 5_000
"""Blocks whose logs are asked for in one request; public nodes refuse much more, and then get half as many. What goes
well is asked for a little more of the next time."""


def events(
    rpc: Rpc, addresses: Sequence[Address], first: int = 0, last: int | None = None, names: Sequence[str] = ()
) -> Iterator[Event]:
    """Yield what these contracts said in blocks ``first..last`` (None: up to now), in order.

    Args:
        names: only these events; all if empty.

    Raises:
        RpcError: the node refuses to look that far back.
        LedgerUnreachable: nothing answers.
    """
    if last is None:
        last = int(rpc.call("eth_blockNumber"), 16)
    wanted: dict[str, Any] = {"address": list(addresses)}
    if names:
        wanted["topics"] = [[abi.TOPICS[name] for name in names]]
    start, size = first, BLOCKS
    while start <= last:
        stop = min(start + size - 1, last)
        try:
            said = _in(rpc, wanted, start, stop)
        except RpcError as error:
            size = _fewer(size, error)
            continue
        yield from said
        start, size = stop + 1, _more(size)


def backwards(rpc: Rpc, address: Address, first: int, topics: Sequence[Any]) -> Iterator[Event]:
    """Yield what a contract said since block ``first``, the latest first: what is asked for is mostly young.

    Args:
        topics: which events, as ``eth_getLogs`` takes it.

    Raises:
        RpcError: the node refuses to look that far back.
        LedgerUnreachable: nothing answers.
    """
    wanted = {"address": address, "topics": list(topics)}
    stop, size = int(rpc.call("eth_blockNumber"), 16), BLOCKS
    while stop >= first:
        start = max(first, stop - size + 1)
        try:
            said = _in(rpc, wanted, start, stop)
        except RpcError as error:
            size = _fewer(size, error)
            continue
        yield from reversed(said)
        stop, size = start - 1, _more(size)


def _fewer(size: int, error: RpcError) -> int:
    """Return how many blocks to ask for after a refusal."""
    if size > 1:
        return size // 2
    if error.code == LIMIT_EXCEEDED:  # it cannot be the range
        raise LedgerUnreachable(f"ledger.rpc_url: the chain's node gives no events now: {error.message}") from error
    raise error


def _more(size: int) -> int:
    return min(BLOCKS, size + size // 4 + 1)


def _in(rpc: Rpc, wanted: dict[str, Any], start: int, stop: int) -> list[Event]:
    found = []
    for log in rpc.call("eth_getLogs", {**wanted, "fromBlock": hex(start), "toBlock": hex(stop)}):
        name, values = abi.event(log)
        found.append(Event(name, values, int(log["blockNumber"], 16), int(log["logIndex"], 16), log["transactionHash"]))
    return found

"""The record out of a chain. Needs no key and no stake: it only asks."""

from __future__ import annotations

from typing import Any

from rayfed.audit.events import EVENTS, MESSAGES, Entry
from rayfed.audit.record import ChainRecord
from rayfed.errors import LedgerError
from rayfed.ledger.backend import Federation
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.rpc import BATCH, Rpc, RpcError
from rayfed.protocol.judgement import Account, Books

LOOK_BACK = 5_000
"""Blocks before the first event in which the founding is looked for, where the node has no old states."""


def read(federation: Federation, charter: str = "", first: int | None = None) -> ChainRecord:
    """Return what the contract has said and holds as of the newest block.

    Args:
        federation: an open connection.
        charter: the charter's canonical JSON, to be kept with the record.
        first: the block to read events from, best the one in which the contract was founded; None looks for that.

    Raises:
        LedgerUnreachable: nothing answers.
        LedgerError: the node refuses, or the chain was reorganised while it was being read; or it is another kind of
            ledger.
    """
    if not isinstance(federation, EthereumFederation):
        raise LedgerError(f"{federation.address} is not on Ethereum: there is no reader for its history yet")
    rpc = federation.rpc
    head = rpc.call("eth_getBlockByNumber", "latest", False)
    last = int(head["number"], 16)
    born = _by_code(rpc, federation.address, last)
    events = list(federation.events(first if first is not None else born or 0, last))
    if born is None:
        born = _by_receipts(rpc, federation.address, events[0].block if events else last)
    blocks = sorted({event.block for event in events} | ({born} if born is not None else set()))
    headers = rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in blocks])
    times: dict[int, int] = {}
    for number, header in zip(blocks, headers, strict=True):
        if not isinstance(header, dict):
            raise header if isinstance(header, RpcError) else LedgerError(f"{rpc.name} lacks block {number}")
        times[number] = int(header["timestamp"], 16)
    raw = _transactions(rpc, [event.tx_hash for event in events if event.name in MESSAGES])
    view = abi.view(_ask(rpc, federation.address, last, "snapshot", 0))
    closed = range(1, view.round + 1)
    outcomes = [abi.outcome(_ask(rpc, federation.address, last, "outcome", number)) for number in closed]
    court = federation.court
    accounts = abi.answer("accounts", _ask(rpc, court, last, "accounts"))
    books = Books(**abi.answer("books", _ask(rpc, court, last, "books")))
    again = rpc.call("eth_getBlockByNumber", hex(last), False)
    if not isinstance(again, dict) or again["hash"] != head["hash"]:
        raise LedgerError("the chain was reorganised while it was being read: try again")
    return ChainRecord(
        chain_id=rpc.chain_id,
        federation=federation.address,
        terms=federation.terms(),
        founded=times[born] if born is not None else 0,
        entries=tuple(
            Entry(
                event.name,
                _values(event.name, event.values),
                times[event.block],
                event.block,
                event.position,
                event.tx_hash,
            )
            for event in events
        ),
        outcomes=tuple(outcome for outcome in outcomes if outcome is not None),
        view=view,
        block=last,
        block_hash=str(head["hash"]),
        charter=charter,
        transactions=raw,
        accounts=tuple(Account(**account) for account in accounts),
        books=books,
    )


def _ask(rpc: Rpc, address: str, block: int, name: str, *arguments: Any) -> bytes:
    call = {"to": address, "data": "0x" + abi.call(name, *arguments).hex()}
    return bytes.fromhex(rpc.call("eth_call", call, hex(block))[2:])


def _transactions(rpc: Rpc, hashes: list[str]) -> dict[str, str]:
    """Return the signed transactions with these hashes, as far as the node hands them out (not all do)."""
    wanted = list(dict.fromkeys(hashes))
    answers = rpc.batch([("eth_getRawTransactionByHash", [tx_hash]) for tx_hash in wanted])
    return {tx_hash: raw for tx_hash, raw in zip(wanted, answers, strict=True) if isinstance(raw, str) and raw != "0x"}


def _values(name: str, values: dict[str, Any]) -> dict[str, Any]:
    addresses = [key for key, kind in EVENTS[name].items() if kind == "address"]
    return {**values, **{key: str(abi.checksum(values[key])) for key in addresses}}


def _by_code(rpc: Rpc, address: str, last: int) -> int | None:
    """Return the first block after which there was code at the address; None if the node has forgotten its past."""
    low, high = 0, last
    try:
        while low < high:
            middle = (low + high) // 2
            if rpc.call("eth_getCode", address, hex(middle)) == "0x":
                low = middle + 1
            else:
                high = middle
    except RpcError:
        return None
    return low


def _by_receipts(rpc: Rpc, address: str, last: int) -> int | None:
    """Return the block whose receipts tell of the founding, not long before the first event; None if none does.

    Nodes that forget old states, as most do, keep receipts for longer.
    """
    for stop in range(last, max(-1, last - LOOK_BACK), -BATCH):
        blocks = range(stop, max(-1, stop - BATCH), -1)
        answers = rpc.batch([("eth_getBlockReceipts", [hex(number)]) for number in blocks])
        for number, receipts in zip(blocks, answers, strict=True):
            if isinstance(receipts, list) and any(
                str(receipt.get("contractAddress")).lower() == address.lower() for receipt in receipts
            ):
                return number
    return None

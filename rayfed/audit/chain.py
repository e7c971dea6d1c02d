"""The record out of a chain. Needs no key and no stake: it only asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rayfed.audit.events import EVENTS, MESSAGES, RecordEntry
from rayfed.audit.record import ChainRecord
from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError
from rayfed.ledger.backend import Event, Federation
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.connection import EthereumFederation
from rayfed.ledger.ethereum.contract_state import held, view_of
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.ledger.ethereum.told import HEARD, Past
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.messages import NATIVE, Outcome, Status


def read(federation: Federation, charter: str = "", first: int | None = None) -> ChainRecord:
    """Return what the contract has said and holds as of the newest block.

    Args:
        federation: an open connection.
        charter: the charter's canonical JSON, to be kept with the record.
        first: the block to read events from; None: the one in which it was founded, which the contract knows.

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
    asking = _Asking(rpc, federation.address, last)
    born = int(asking.one("position")["founded"])
    events = list(federation.events(born if first is None else first, last))
    blocks = sorted({event.block for event in events} | {born})
    headers = rpc.lasting([("eth_getBlockByNumber", [hex(number), False]) for number in blocks])
    times: dict[int, int] = {}
    for number, header in zip(blocks, headers, strict=True):
        if not isinstance(header, dict):
            raise header if isinstance(header, RpcError) else LedgerError(f"{rpc.name} lacks block {number}")
        times[number] = int(header["timestamp"], 16)
    told = Past()
    for event in events:
        if event.name in HEARD:
            told.hear(event)
    entries = tuple(_entry(event, times[event.block]) for event in events)
    raw = _transactions(rpc, [event.tx_hash for event in events if event.name in MESSAGES])
    view = view_of(asking.one("overview", 0))
    outcomes = asking.outcomes(told, view.round)
    accounts, books = asking.accounts(told, _addresses(entries)), Books(**asking.one("books"))
    (again,) = rpc.lasting([("eth_getBlockByNumber", [hex(last), False])])
    if not isinstance(again, dict) or again["hash"] != head["hash"]:
        raise LedgerError("the chain was reorganised while it was being read: try again")
    return ChainRecord(
        chain_id=rpc.chain_id,
        federation=federation.address,
        terms=federation.terms(),
        founded=times[born],
        entries=entries,
        outcomes=outcomes,
        view=view,
        block=last,
        block_hash=str(head["hash"]),
        charter=charter,
        transactions=raw,
        accounts=accounts,
        books=books,
    )


class _Asking:
    """Asks a contract as it stood in one block."""

    def __init__(self, rpc: Rpc, address: Address, block: int) -> None:
        self._rpc = rpc
        self._address = address
        self._block = block

    def one(self, name: str, *arguments: Any) -> Any:
        return self.all([(name, arguments)])[0]

    def all(self, questions: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        calls = []
        for name, arguments in questions:
            call = {"to": self._address, "data": "0x" + abi.call(name, *arguments).hex()}
            calls.append(("eth_call", [call, hex(self._block)]))
        answers = self._rpc.lasting(calls)
        for one in answers:
            if isinstance(one, RpcError):
                raise one
        return [abi.answer(name, bytes.fromhex(one[2:])) for (name, _), one in zip(questions, answers, strict=True)]

    def outcomes(self, told: Past, last: int) -> tuple[Outcome, ...]:
        """Return what became of each closed round: by its slot, or where that is another's by what was said of it."""
        found = []
        for number, answer in enumerate(self.all([("roundOf", (number,)) for number in range(1, last + 1)]), 1):
            there, said = held(answer), told.outcome(number)
            if there is not None and there.status is not Status.OPEN:
                included = said.included if said is not None else there.included
                said = Outcome(number, there.status, there.root, included, there.attesters, there.deadline)
            if said is not None:
                found.append(said)
        return tuple(found)

    def accounts(self, told: Past, addresses: Sequence[Address]) -> dict[Address, Account]:
        """Return what each of these has."""
        answers = self.all([(name, (address,)) for address in addresses for name in ("account", "seatOf")])
        found = {}
        for number, address in enumerate(addresses):
            account, seat = answers[2 * number : 2 * number + 2]
            del seat["seat"]
            found[address] = Account(**account, **seat, **told.of(address))
        return found


def _entry(event: Event, time: int) -> RecordEntry:
    addresses = [key for key, kind in EVENTS[event.name].items() if kind == "address"]
    values = {**event.values, **{key: str(abi.checksum(event.values[key])) for key in addresses}}
    return RecordEntry(event.name, values, time, event.block, event.position, event.tx_hash)


def _addresses(entries: Sequence[RecordEntry]) -> list[Address]:
    """Return all addresses that events name."""
    named = {
        entry.values[key]
        for entry in entries
        for key, kind in EVENTS[entry.name].items()
        if kind == "address" and entry.values[key] != NATIVE
    }
    return sorted(named)


def _transactions(rpc: Rpc, hashes: list[str]) -> dict[str, str]:
    """Return the signed transactions with these hashes, as far as the node hands them out (not all do)."""
    wanted = list(dict.fromkeys(hashes))
    answers = rpc.batch([("eth_getRawTransactionByHash", [tx_hash]) for tx_hash in wanted])
    return {tx_hash: raw for tx_hash, raw in zip(wanted, answers, strict=True) if isinstance(raw, str) and raw != "0x"}

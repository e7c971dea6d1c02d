"""Ethereum behind the seam for ledgers, and one account's handles in several threads."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rayfed.config.groups.machines import LedgerSettings
from rayfed.errors import ConfigError, LedgerError
from rayfed.ledger import registry
from rayfed.ledger.backend import Backend
from rayfed.ledger.ethereum.devchain import find_anvil
from rayfed.ledger.memory.backend import MemorySigner
from rayfed.protocol.commands import Command, Fund
from rayfed.protocol.messages import Receipt
from tests.federation_on_any_ledger import NODES, REWARD, ROUNDS, lived
from tests.unit.ledger.test_backend import later_in_memory
from tests.unit.node.test_edge_node import charter

try:
    find_anvil()
except ConfigError as error:
    pytest.skip(str(error), allow_module_level=True)


def tick(backend: Backend) -> None:
    time.sleep(0.01)


def later(backend: Any, seconds: int) -> None:
    backend.rpc.call("evm_increaseTime", seconds)
    backend.rpc.call("evm_mine")


def test_a_federation_lives_on_ethereum_as_in_memory(tmp_path: Path) -> None:
    for name in ("chain", "memory"):
        (tmp_path / name).mkdir()
    on_chain = lived("devchain", tmp_path / "chain", tick, later)
    in_memory = lived("memory", tmp_path / "memory", lambda backend: None, later_in_memory)
    assert on_chain.final == in_memory.final
    assert sum(on_chain.claimed.values()) == NODES * ROUNDS * (REWARD // NODES)


def test_an_account_of_another_ledger_cannot_sign(tmp_path: Path) -> None:
    with registry.open(LedgerSettings(kind="devchain"), tmp_path) as backend:
        stranger = MemorySigner("0x" + "11" * 20)
        with pytest.raises(LedgerError, match="is no account on Ethereum"):
            backend.found(stranger, charter())


def test_handles_of_one_account_are_used_from_several_threads(tmp_path: Path) -> None:
    """Nonces come from one place, and a receipt comes to the handle that submitted, once."""
    threads, each = 4, 8
    with registry.open(LedgerSettings(kind="devchain"), tmp_path) as backend:
        payer = backend.purse()
        assert payer is not None
        federation = backend.connect(backend.found(payer, charter()).federation)
        first = federation.ledger(payer)
        handles = [first, *(first.handle() for _ in range(threads - 1))]
        told: dict[int, list[Receipt]] = {}
        submitted: dict[int, list[Command]] = {}

        def live(number: int) -> None:
            handle = handles[number]
            submitted[number] = [Fund(1000 ** (number + 1) + count) for count in range(each)]
            found: list[Receipt] = []
            for command in submitted[number]:
                handle.submit(command)
                found += handle.receipts()
            end = time.monotonic() + 400
            while handle.is_sending and time.monotonic() < end:
                found += handle.receipts()
                time.sleep(0.002)
            told[number] = found + handle.receipts()

        lives = [threading.Thread(target=live, args=(number,)) for number in range(threads)]
        for thread in lives:
            thread.start()
        for thread in lives:
            thread.join()
        assert [sorted(told)] == [list(range(threads))]
        for number, receipts in told.items():
            assert [receipt.error for receipt in receipts] == [None] * each
            assert {id(one.command) for one in receipts} == {id(command) for command in submitted[number]}
        assert len({one.tx_hash for receipts in told.values() for one in receipts}) == threads * each
        assert federation.books().pool == sum(
            command.amount for commands in submitted.values() for command in commands if isinstance(command, Fund)
        )
        federation.close()

"""A geth of one's own, by the rules that one names: today's (osaka) or the next ones (amsterdam)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from rayfed.errors import LedgerUnreachable
from rayfed.ledger.ethereum.rpc import Rpc
from tests.integration.genesis import genesis

VERSION = "1.17.10"
MISSING = "no geth: `make geth` builds one from its Go module, or let RAYFED_GETH name what that makes"
KEY = "0xb71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"
"""Of geth's published developer account: it owns play money on chains of one's own and nothing else."""

SOURCE = "protocol_params.go"

START_SECONDS = 200.0


def geth() -> Path:
    """Return the program, which has its source's parameters beside it; skip the test where there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = Path(os.environ.get("RAYFED_GETH") or cache / f"rayfed/geth-{VERSION}/geth")
    if not program.exists() or not program.with_name(SOURCE).exists():
        pytest.skip(MISSING)
    return program


def begun(rules: str, folder: Path, host: str, port: int, owners: Sequence[str] = ()) -> list[str]:
    """Begin a chain with blocks of one second; return the words that start its node.

    Args:
        rules: osaka or amsterdam.
        folder: for what it keeps.
        host, port: where its RPC is to be.
        owners: addresses that have a hundred ether from the beginning.
    """
    program, start = geth(), folder / f"{rules}.json"
    made = genesis(rules, program.with_name(SOURCE))
    made["alloc"] |= {owner.removeprefix("0x").lower(): {"balance": hex(10**20)} for owner in owners}
    start.write_text(json.dumps(made))
    data = ["--datadir", str(folder / rules)]
    subprocess.run([program, *data, "init", start], check=True, capture_output=True, timeout=120)
    options = ["--dev", "--dev.period", "1", "--http", "--http.addr", host, "--http.port", str(port)]
    options += ["--http.api", "eth,net,web3", "--port", "0", "--authrpc.port", "0", "--ipcdisable", "--nodiscover"]
    return [str(program), *data, *options, "--maxpeers", "0"]


class Geth:
    """Runs geth for as long as the ``with`` block lasts, with blocks of one second.

    Args:
        rules: osaka or amsterdam.
        folder: for what it keeps.

    Attributes:
        rpc_url: where it answers, once started.
        funder: an account with money.
    """

    def __init__(self, rules: str, folder: Path) -> None:
        self.rpc_url = ""
        self.funder: LocalAccount = Account.from_key(KEY)
        self._rules, self._folder = rules, folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = begun(self._rules, self._folder, "127.0.0.1", port)
        with (self._folder / f"{self._rules}.log").open("wb") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
        self.rpc_url = f"http://127.0.0.1:{port}"
        self._await()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def _await(self) -> None:
        give_up, rpc = time.monotonic() + START_SECONDS, Rpc(self.rpc_url, tries=1)
        while True:
            try:
                rpc.call("eth_blockNumber")
                return
            except LedgerUnreachable:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)

"""`python -m rayfed chain`: a chain that answers, an account that can pay, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from eth_account import Account

ROOT = Path(__file__).parents[2]

PATIENCE = 400.0
"""Seconds for what must happen; only a test that fails ever waits so long."""


def ask(url: str, method: str, *params: str) -> int:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=30) as answer:
        return int(json.load(answer)["result"], 16)


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_answers_and_goes(stop: signal.Signals, code: int, tmp_path: Path) -> None:
    anvil = ROOT / "contracts/node_modules/.bin/anvil"
    options = ["--anvil", str(anvil)] if anvil.exists() else []
    process = subprocess.Popen(
        [sys.executable, "-m", "rayfed", "chain", "--chain-id", "4242", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = process.stdout.readline() + process.stdout.readline()
        found = re.search(r"ledger\.rpc_url=(\S+) ledger\.key_file=(\S+)", printed)
        assert found, printed
        url, key_file = found[1], tmp_path / found[2]
        assert ask(url, "eth_chainId") == 4242
        assert key_file.stat().st_mode & 0o777 == 0o600, "or the printed command refuses it"
        payer = Account.from_key(key_file.read_text().strip()).address
        assert ask(url, "eth_getBalance", payer, "latest") > 10**18
        process.send_signal(stop)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
        assert "Traceback" not in errors
        with pytest.raises(URLError):
            ask(url, "eth_chainId")
    finally:
        process.kill()
        process.communicate()


def test_a_key_file_that_cannot_be_written(tmp_path: Path) -> None:
    anvil = ROOT / "contracts/node_modules/.bin/anvil"
    options = ["--anvil", str(anvil)] if anvil.exists() else []
    done = subprocess.run(
        [sys.executable, "-m", "rayfed", "chain", "--key-file", "no/such/folder/key", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert done.stderr == "rayfed: --key-file: cannot be written: No such file or directory (no/such/folder/key)\n"


@pytest.fixture
def port() -> Iterator[int]:
    """A port of 127.0.0.1 at which nobody answers meanwhile, whoever else looks for a free one."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_it_listens_where_it_is_told_to_and_nowhere_else(port: int, tmp_path: Path) -> None:
    anvil = ROOT / "contracts/node_modules/.bin/anvil"
    options = ["--anvil", str(anvil)] if anvil.exists() else []
    words = [sys.executable, "-m", "rayfed", "chain", "--host", "127.0.0.2", "--port", str(port), *options]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert f"http://127.0.0.2:{port}" in process.stdout.readline()
        assert ask(f"http://127.0.0.2:{port}", "eth_chainId") == 31337
        with pytest.raises(URLError):
            ask(f"http://127.0.0.1:{port}", "eth_chainId")
        again = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE)
        assert again.returncode == 2
        assert again.stderr.startswith("rayfed: ")
        assert again.stderr.count("\n") == 1
        assert "ddress already in use" in again.stderr
    finally:
        process.kill()
        process.communicate()

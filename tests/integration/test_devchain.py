"""Anvil as a child that never outlives its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import rayfed
from rayfed.errors import ConfigError, LedgerError
from rayfed.ledger.ethereum.chain_state import SUFFIX
from rayfed.ledger.ethereum.deployment import balance, fund
from rayfed.ledger.ethereum.devchain import DevChain, find_anvil
from rayfed.ledger.ethereum.rpc import Rpc

SOMEBODY = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"

try:
    find_anvil()
    MISSING = ""
except ConfigError as error:
    MISSING = str(error)

needs_anvil = pytest.mark.skipif(bool(MISSING), reason=MISSING)


PATIENCE = 200.0
"""Seconds for what must happen; only a test that fails ever waits so long."""


def eventually(condition: Callable[[], bool]) -> bool:
    """Say whether it comes true."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def gone(pid: int) -> bool:
    """Say whether a process has ended; one that waits for its parent's notice has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@needs_anvil
def test_a_chain_lives_as_long_as_the_block() -> None:
    with DevChain(chain_id=77) as chain:
        pid = chain.pid
        assert pid is not None
        assert Rpc(chain.rpc_url).chain_id == 77
        assert balance(Rpc(chain.rpc_url), chain.funder.address) == 10**24
        assert chain.ws_url == chain.rpc_url.replace("http", "ws")
    assert chain.pid is None
    assert gone(pid)
    chain.stop()


@needs_anvil
def test_it_is_one_process_without_a_launcher_in_between() -> None:
    with DevChain() as chain:
        assert chain.pid is not None
        assert Path(f"/proc/{chain.pid}/exe").resolve() == find_anvil()
        assert Path(f"/proc/{chain.pid}/task/{chain.pid}/children").read_text() == ""


@needs_anvil
def test_two_chains_do_not_meet() -> None:
    with DevChain() as one, DevChain() as other:
        fund(Rpc(one.rpc_url), one.funder, [SOMEBODY], 1)
        assert balance(Rpc(one.rpc_url), SOMEBODY) == 10**18
        assert balance(Rpc(other.rpc_url), SOMEBODY) == 0


@needs_anvil
def test_a_chain_can_be_started_again() -> None:
    chain = DevChain()
    for _ in range(2):
        with chain:
            assert Rpc(chain.rpc_url).call("eth_blockNumber") == "0x0"


@needs_anvil
def test_an_error_inside_the_block_ends_it_too() -> None:
    pid = None

    def fail() -> None:
        nonlocal pid
        with DevChain() as chain:
            pid = chain.pid
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert pid is not None
    assert gone(pid)


PARENT = """
import sys
from rayfed.ledger.ethereum.devchain import DevChain
chain = DevChain()
chain.start()
print(chain.pid, flush=True)
{last}
"""


@needs_anvil
@pytest.mark.parametrize("last", ["sys.stdin.read()", "sys.exit(3)", "raise RuntimeError", ""])
def test_it_dies_with_its_parent(last: str) -> None:
    """However the parent ends: killed while it waits, by exit, by an error, or at its last line."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(last=last)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(rayfed.__path__[0]).parent)},
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if "stdin" in last:
            assert not gone(pid)
            parent.kill()
        parent.wait(PATIENCE)
        assert eventually(lambda: gone(pid))


@needs_anvil
def test_it_survives_the_thread_that_started_it() -> None:
    chain = DevChain()
    thread = threading.Thread(target=chain.start)
    thread.start()
    thread.join()
    try:
        time.sleep(0.2)  # the kernel's notice of the thread's end would have come by now
        assert Rpc(chain.rpc_url).chain_id == 31337
    finally:
        chain.stop()


@needs_anvil
def test_ctrl_c_at_the_terminal_does_not_reach_it() -> None:
    with DevChain() as chain:
        assert chain.pid is not None
        assert os.getpgid(chain.pid) != os.getpgid(0)


@needs_anvil
def test_the_state_is_kept_and_loaded(tmp_path: Path) -> None:
    state = tmp_path / "chain.json"
    with DevChain(state=state) as chain:
        fund(Rpc(chain.rpc_url), chain.funder, [SOMEBODY], 2)
    with DevChain(state=state) as chain:
        assert balance(Rpc(chain.rpc_url), SOMEBODY) == 2 * 10**18
        assert Rpc(chain.rpc_url).call("eth_blockNumber") == "0x1"


@needs_anvil
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "half written"])
def test_the_state_of_a_killed_chain_is_kept_up_to_the_last_writing(tmp_path: Path, cut: bool) -> None:
    state = tmp_path / "chain.json"
    with DevChain(state=state, state_seconds=1) as chain:
        fund(Rpc(chain.rpc_url), chain.funder, [SOMEBODY], 2)
        assert chain.pid is not None
        # Not the state itself: it may be killed while it writes that.
        copy = state.with_name(state.name + SUFFIX)
        assert eventually(lambda: copy.exists() and SOMEBODY.lower() in copy.read_text())
        os.kill(chain.pid, signal.SIGKILL)
        assert eventually(lambda: chain.pid is None)
        if cut:
            os.truncate(state, state.stat().st_size // 2)
    with DevChain(state=state) as chain:
        assert balance(Rpc(chain.rpc_url), SOMEBODY) == 2 * 10**18
    assert [file.name for file in tmp_path.iterdir()] == [state.name]


@needs_anvil
def test_a_broken_state_is_reported_in_anvils_words(tmp_path: Path) -> None:
    state = tmp_path / "chain.json"
    state.write_text("{")
    chain = DevChain(state=state)
    with pytest.raises(LedgerError, match=r"Anvil ended at once: error: .*chain\.json"):
        chain.start()
    assert chain.pid is None


@needs_anvil
def test_a_port_in_use_is_reported() -> None:
    with DevChain() as chain, pytest.raises(LedgerError, match="in use"):
        DevChain(port=int(chain.rpc_url.rpartition(":")[2])).start()


@needs_anvil
def test_the_log_stays_where_it_was_asked_for_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with DevChain(log=tmp_path / "logs" / "anvil.log"):
        pass
    assert "Listening on" in (tmp_path / "logs" / "anvil.log").read_text()
    with DevChain():
        assert len(list(tmp_path.iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


@needs_anvil
def test_blocks_come_by_themselves_when_asked_for() -> None:
    with DevChain(block_time=0.1) as chain:
        rpc = Rpc(chain.rpc_url)
        assert eventually(lambda: int(rpc.call("eth_blockNumber"), 16) >= 2)


# -- finding the binary, which needs none ---------------------------------------------------------------------------


def program(path: Path) -> Path:
    """Make a file that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexit 7\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Anvil; returns the working folder."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(rayfed, "__path__", [str(tmp_path / "site" / "rayfed")])
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.mark.usefixtures("bare")
def test_no_anvil_anywhere_tells_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match=r"^ledger.anvil: no Anvil .*npm install.*getfoundry.sh") as caught:
        DevChain().start()
    assert caught.value.setting == "ledger.anvil"


def test_a_setting_that_points_nowhere_is_named(bare: Path) -> None:
    (bare / "text").write_text("no program")
    for setting in (bare / "nowhere", bare / "text", bare):
        with pytest.raises(ConfigError, match=r"^ledger.anvil: .* is not a program"):
            find_anvil(setting)


def test_the_setting_comes_before_the_path_before_npm(bare: Path) -> None:
    installed = program(bare / "contracts" / "node_modules" / ".bin" / "anvil")
    assert find_anvil() == installed
    on_path = program(bare.parent / "bin" / "anvil")
    assert find_anvil() == on_path
    mine = program(bare / "mine")
    assert find_anvil(mine) == mine


def test_the_package_of_the_repository_is_found_from_any_folder(bare: Path) -> None:
    installed = program(bare.parent / "site" / "contracts" / "node_modules" / ".bin" / "anvil")
    assert find_anvil() == installed


@pytest.mark.parametrize("nested", [False, True])
def test_npms_launcher_is_left_out(bare: Path, nested: bool) -> None:
    scope = bare / "contracts" / "node_modules" / "@foundry-rs"
    launcher = program(scope / "anvil" / "bin.mjs")
    link = bare / "contracts" / "node_modules" / ".bin" / "anvil"
    link.parent.mkdir()
    link.symlink_to(launcher)
    with pytest.raises(ConfigError, match="without its binary"):
        find_anvil()
    inner = scope / "anvil" / "node_modules" / "@foundry-rs" if nested else scope
    binary = program(inner / "anvil-linux-amd64" / "bin" / "anvil")
    assert find_anvil() == binary


def test_a_program_that_is_no_anvil_is_reported(bare: Path) -> None:
    with pytest.raises(LedgerError, match="Anvil ended at once"):
        DevChain(program(bare / "mine")).start()


def test_a_file_that_the_system_cannot_run_is_reported(bare: Path) -> None:
    broken = program(bare / "mine")
    broken.write_bytes(b"\0\1\2")
    with pytest.raises((LedgerError, ConfigError), match="Anvil"):
        DevChain(broken).start()

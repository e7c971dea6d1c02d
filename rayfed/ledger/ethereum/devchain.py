"""A development chain of one's own: an Anvil process on a free loopback port that never outlives its owner."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from eth_account import Account
from eth_account.signers.local import LocalAccount

import rayfed
from rayfed.errors import ConfigError, LedgerError
from rayfed.ledger.ethereum.chain_state import ChainState

LOOPBACK = "127.0.0.1"

HERE = {"0.0.0.0": LOOPBACK, "[::]": "[::1]"}
"""By which address this machine reaches what listens on all of its addresses."""

SETTING = "ledger.anvil"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
"""How long it may take to end, and to write its state, on a machine that has other work too."""

FUNDER_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""Anvil's first test account, published in its manual: it owns play money on loopback chains and nothing else."""

_LISTENING = re.compile(r"^Listening on (\S+)$", re.MULTILINE)

# Linux delivers the signal when the *thread* that started the process ends; see DevChain._guard. A parent that died
# before prctl was called is noticed by its number. `preexec_fn` would do the same, but is not safe beside threads.
_DIE_WITH_PARENT = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"  # PR_SET_PDEATHSIG
    "if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[2:])\n"
)


def find_anvil(setting: str | Path | None = None) -> Path:
    """Return the Anvil binary: from the setting, else from PATH, else from ``contracts/node_modules``.

    npm puts a Node script in front of the binary, which would be a second process to look after; what is returned is
    always the native one.

    Raises:
        ConfigError: there is none.
    """
    if setting is not None:
        chosen = Path(setting).expanduser()
        if not (chosen.is_file() and os.access(chosen, os.X_OK)):
            raise ConfigError(SETTING, f"{chosen} is not a program that can be run")
        return _native(chosen)
    on_path = shutil.which("anvil")
    if on_path is not None:
        return _native(Path(on_path))
    for folder in (Path.cwd(), Path(rayfed.__path__[0]).resolve().parent):
        installed = folder / "contracts" / "node_modules" / ".bin" / "anvil"
        if installed.exists():
            return _native(installed)
    raise ConfigError(
        SETTING,
        "no Anvil on PATH or in contracts/node_modules; run `npm install` in contracts/, install Foundry "
        "(https://getfoundry.sh), or set ledger.anvil to its path",
    )


def _native(program: Path) -> Path:
    """Return the binary that npm's launcher script would start, or the program itself if it is no such script."""
    resolved = program.resolve()
    if resolved.suffix != ".mjs":
        return resolved
    package = resolved.parent  # .../@foundry-rs/anvil
    for scope in (package.parent, package / "node_modules" / "@foundry-rs"):
        for binary in sorted(scope.glob("anvil-*/bin/anvil")):
            if os.access(binary, os.X_OK):
                return binary
    raise ConfigError(SETTING, f"{program} was installed without its binary for this platform; run npm install again")


class DevChain:
    """Runs Anvil for as long as the ``with`` block lasts.

    The process ends with the block, at the interpreter's exit, and on Linux also when this process is killed. It is
    kept out of the terminal's process group, so that Ctrl-C reaches the owner alone, who then stops it in order.

    Args:
        anvil: path of the binary (``ledger.anvil``); None looks for it, see ``find_anvil``.
        chain_id: what the chain calls itself.
        block_time: seconds between blocks; None mines a block for every transaction.
        state: file from which the chain is loaded if it exists, and to which it is written when it ends and every
            ``state_seconds``; None keeps nothing. Beside it is a copy, until it ends: see ``ChainState``.
        log: file for what Anvil prints; None uses a temporary one.
        port: where it listens; 0 takes a free one.
        host: address that it listens on. Whoever reaches it controls the chain.

    Attributes:
        rpc_url, ws_url: where it answers, once started.
        funder: an account with a million ether.
    """

    def __init__(
        self,
        anvil: str | Path | None = None,
        *,
        chain_id: int = 31337,
        block_time: float | None = None,
        state: Path | None = None,
        state_seconds: int = 60,
        log: Path | None = None,
        port: int = 0,
        host: str = LOOPBACK,
    ) -> None:
        self.chain_id = chain_id
        self.funder: LocalAccount = Account.from_key(FUNDER_KEY)
        self.rpc_url = ""
        self.ws_url = ""
        self._anvil = anvil
        self._options = ["--host", host, "--port", str(port), "--chain-id", str(chain_id)]
        self._options += ["--accounts", "1", "--balance", "1000000", "--color", "never"]
        # Old states are of no use to a federation (logs and receipts are kept), and Anvil would write them to disk.
        self._options += ["--prune-history", "64"]
        if block_time is not None:
            self._options += ["--block-time", f"{block_time:g}"]
        if state is not None:
            self._options += ["--state", str(state), "--state-interval", str(state_seconds)]
        self._state = ChainState(state, state_seconds) if state is not None else None
        self._log_path = log
        self._temporary_log: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: threading.Thread | None = None
        self._owner = os.getpid()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the running Anvil, or None."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the chain and return once it answers.

        Raises:
            ConfigError: there is no Anvil, or it cannot be run.
            LedgerError: it ended at once; the message is its own last word.
        """
        binary = find_anvil(self._anvil)
        self._owner = os.getpid()
        if self._log_path is None:
            descriptor, name = tempfile.mkstemp(prefix="rayfed-anvil-", suffix=".log")
            log_path, log = Path(name), os.fdopen(descriptor, "wb")
            self._temporary_log = log_path
        else:
            log_path = self._log_path
            log_path.parent.mkdir(parents=True, exist_ok=True)
            log = log_path.open("wb")
        atexit.register(self.stop)
        try:
            if self._state is not None:
                self._state.start()
            with log:
                self._launch([str(binary), *self._options], log)
            address = self._await_address(log_path)
        except BaseException:
            self.stop()
            raise
        host, _, port = address.rpartition(":")
        self.rpc_url, self.ws_url = (f"{kind}://{HERE.get(host, host)}:{port}" for kind in ("http", "ws"))

    def stop(self) -> None:
        """End the chain, writing its state if it keeps one; harmless when it does not run."""
        if os.getpid() != self._owner:
            return  # a fork of the owner
        atexit.unregister(self.stop)
        process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._guardian is not None:
            self._guardian.join()
        self._process = self._guardian = None
        if self._state is not None:
            self._state.stop()
        if self._temporary_log is not None:
            self._temporary_log.unlink(missing_ok=True)
            self._temporary_log = None

    def _launch(self, command: list[str], log: IO[bytes]) -> None:
        """Start the process from a thread that lives as long as it does."""
        if sys.platform == "linux" and sys.executable:
            command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
        launched = threading.Event()
        failures: list[OSError] = []
        self._guardian = threading.Thread(
            target=self._guard, args=(command, log, launched, failures), name="rayfed-anvil", daemon=True
        )
        self._guardian.start()
        launched.wait()
        if failures:
            raise ConfigError(SETTING, f"cannot run Anvil: {failures[0]}") from failures[0]

    def _guard(self, command: list[str], log: IO[bytes], launched: threading.Event, failures: list[OSError]) -> None:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            failures.append(error)
            launched.set()
            return
        self._process = process
        launched.set()
        process.wait()

    def _await_address(self, log_path: Path) -> str:
        """Return ``host:port`` as soon as Anvil has printed that it listens there."""
        process = self._process
        if process is None:
            raise LedgerError("Anvil was stopped before it had started")
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            ended = process.poll() is not None
            text = log_path.read_text(errors="replace")
            listening = _LISTENING.search(text)
            if listening is not None and not ended:
                return listening[1]
            if ended:
                raise LedgerError(f"Anvil ended at once: {_complaint(text)}")
            time.sleep(0.005)
        raise LedgerError(f"Anvil did not start within {START_SECONDS:g} seconds; its log is {log_path}")


def _complaint(text: str) -> str:
    """Return the line of Anvil's output that says what was wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "it said nothing")

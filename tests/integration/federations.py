"""Whole federations through the real command line, and ways to see what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

import rayfed
from rayfed.ledger.ethereum.abi import checksum
from rayfed.ledger.ethereum.devchain import find_anvil
from rayfed.testing.chaos.real.processes import AFTERWARDS_SECONDS, marked

T = TypeVar("T")

TREE = Path(rayfed.__path__[0]).resolve().parent
MARK = "RAYFED_TEST_MARK"
"""An environment variable that everything started by a command inherits, so that nothing of it can hide."""

PATIENCE = 480.0
"""Seconds for what must happen; only a test that fails ever waits so long."""

SMALL = (
    "model.width=4",
    "model.hidden=16",
    "federation.nodes=3",
    "federation.alone=false",
    "federation.commit_seconds=120",
    "federation.vote_seconds=120",
    "federation.attest_seconds=120",
    "cluster.nodes_per_actor=3",
    "cluster.linger_seconds=30",
    "cluster.num_cpus=0",
    "track=none",
)
"""A federation that is over in seconds once its processes stand."""


STANDS = ("final", "settled")
"""What a summary says of a round whose merge counts: whether it is settled by then depends on the machine."""


def eventually(what: str, ask: Callable[[], T | None], pause: float = 0.1) -> T:
    """Return what ``ask`` finds, once it finds something; fail only when all patience is used up."""
    end = time.monotonic() + PATIENCE
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(pause)


@dataclass
class Ended:
    """What a command said and did. ``left`` are the processes that outlived it."""

    code: int
    out: str
    err: str
    left: list[str] = field(default_factory=list)

    @property
    def complaint(self) -> str:
        """The one line that bad input gets; fails if there is more than that, or less."""
        lines = self.err.splitlines()
        assert self.code == 2, self
        assert len(lines) == 1, self.err
        assert self.left == []
        return lines[0].removeprefix("rayfed: ")


class Command:
    """A ``python -m rayfed`` of its own process group, as a terminal would start it."""

    def __init__(self, words: Sequence[str], folder: Path, env: Mapping[str, str | None] | None = None) -> None:
        self.mark = uuid.uuid4().hex
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # A shell says where it is; by that a command tells paths as its user would write them. Each folder is a party
        # of its own, with a home of its own for its keys.
        own = {"PWD": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
        wanted = {**environment(), **own, MARK: self.mark, **(env or {})}
        self._out, self._err = (folder / name for name in ("stdout.txt", "stderr.txt"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                words,
                cwd=folder,
                env={name: value for name, value in wanted.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._out.read_text()

    def says(self, words: str) -> None:
        """Wait until it has printed these words; fail if it ends before."""

        def said() -> bool:
            ended = self.process.poll() is not None  # looked at first: its last words may be these
            out = self.out
            assert words in out or not ended, out + self._err.read_text()
            return words in out

        eventually(f"it says {words!r}", said)

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal to the whole group, as Ctrl-C in a terminal does."""
        os.killpg(self.process.pid, number)

    def wait(self, timeout: float = PATIENCE) -> Ended:
        """Wait for the end, give what it started time to follow, and tell."""
        code = self.process.wait(timeout)
        end = time.monotonic() + AFTERWARDS_SECONDS
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.1)
        return Ended(code, self.out, self._err.read_text(), list(left.values()))

    def processes(self) -> dict[int, str]:
        """Return the command lines of all that lives of it, by process id; also once it has ended itself."""
        return marked(MARK, self.mark, self.process.pid)

    def end(self) -> None:
        """Kill it and all that it started, whatever state they are in."""
        # What has ended has no process id any more: somebody else may have it.
        for pid in [*self.processes(), *([self.process.pid] if self.process.poll() is None else [])]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def rayfed_words(*words: str, folder: Path) -> list[str]:
    """Return the command line whose results go to ``folder/run``."""
    verb = [words[0]] if words and words[0] in ("join", "run", "watch") else []
    rest = words[len(verb) :]
    return [sys.executable, "-m", "rayfed", *verb, f"hydra.run.dir={folder / 'run'}", *rest]


def start(*words: str, folder: Path, env: Mapping[str, str | None] | None = None) -> Command:
    """Start ``python -m rayfed``."""
    return Command(rayfed_words(*words, folder=folder), folder, env)


def run(*words: str, folder: Path, env: Mapping[str, str | None] | None = None) -> Ended:
    """Run ``python -m rayfed`` to its end."""
    command = start(*words, folder=folder, env=env)
    try:
        return command.wait()
    finally:
        command.end()


def on_a_disk(folder: Path, size: str) -> list[str]:
    """Return the words in front of a command for which ``folder`` is a small disk of its own; or skip the test.

    Args:
        folder: made; others see it empty.
        size: as ``mount`` takes it.
    """
    folder.mkdir()
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder)]
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    return words


def federation_of(folder: Path) -> str:
    """Return the address of the federation that a run has founded, once its nodes have folders."""

    def found() -> str | None:
        places = list((folder / "run" / "nodes").glob("0x*"))
        return str(checksum(places[0].name)) if places else None

    return eventually("its nodes make their folders", found)


def summary(folder: Path) -> dict[str, Any]:
    """Return what a run told of itself."""
    told: dict[str, Any] = json.loads((folder / "run" / "summary.json").read_text())
    return told


def environment() -> dict[str, str]:
    """Return this process's environment without what would change how a command behaves, and with this tree."""
    drop = ("RAYFED_TRACE", "HYDRA_FULL_ERROR", "RAY_ADDRESS", MARK)
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    anvil = str(find_anvil().parent)  # the commands run elsewhere, where contracts/node_modules is not
    # Ray finds a token in the home folder for a cluster on this machine, but not for one given by its address.
    path = f"{anvil}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(TREE), "PATH": path}

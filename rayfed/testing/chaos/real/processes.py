"""Processes that a scenario starts, all that they start in turn, and ways to fault them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

MARK = "RAYFED_CHAOS_MARK"
"""An environment variable that everything started by a command inherits, so that nothing of it can hide."""

AFTERWARDS_SECONDS = 120.0
"""How long what a command started may take to follow it; Ray's own agents are the slowest to notice."""


class Command:
    """A program of its own process group.

    Args:
        words: its command line.
        folder: where it runs, and where its output goes.
        env: what its environment has besides this one's.
    """

    def __init__(self, words: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        folder.mkdir(parents=True, exist_ok=True)
        self._out = folder / f"out-{self._mark[:8]}.txt"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                list(words),
                cwd=folder,
                env={**os.environ, **env, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        """What it has printed so far, on both channels."""
        return self._out.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def processes(self, *words: str) -> dict[int, str]:
        """Return the command lines of all that lives of it and holds all these words, by process id."""
        found = marked(MARK, self._mark, self.process.pid)
        return {pid: line for pid, line in found.items() if all(word in line for word in words)}

    def left(self) -> dict[int, str]:
        """Return what outlives it, after it has had time to end."""
        end = time.monotonic() + AFTERWARDS_SECONDS
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.2)
        return left

    def kill_all(self) -> None:
        """Kill it and all that it started in the same moment, as a power cut would."""
        for number in (signal.SIGSTOP, signal.SIGKILL):
            # What has ended has no process id any more: somebody else may have it.
            for pid in [*self.processes(), *([self.process.pid] if self.running else [])]:
                send(pid, number)
        while self.processes():  # what was being born while it was listed
            for pid in self.processes():
                send(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.process.wait()


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return whether there was anybody to get it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def marked(variable: str, mark: str, founder: int) -> dict[int, str]:
    """Return the command lines of all living processes of a command, by process id.

    Args:
        variable, mark: what the environment of all that it started says, as far as it can still be read.
        founder: the command's own process id.

    A Ray worker writes its title over the environment that the mark is in; such a one is known by its ancestors, and
    by the log of the session that it writes to, whose name ends with the process id of the session's founder.
    """
    wanted = f"{variable}={mark}".encode()
    parents: dict[int, int] = {}
    lines: dict[int, str] = {}
    logs: dict[int, str] = {}
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        pid = int(folder.name)
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            if not line:  # a zombie: dead already
                continue
            lines[pid] = line
            parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.add(pid)
            logs[pid] = os.readlink(folder / "fd" / "1")
        except OSError:
            continue  # gone in the meantime
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        more |= {pid for pid, log in logs.items() if f"_{founder}/logs/" in log} - found
        if not more:
            return {pid: lines[pid] for pid in sorted(found)}
        found |= more

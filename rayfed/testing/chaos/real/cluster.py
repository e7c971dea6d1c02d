"""A Ray cluster that several runs use one after the other: to start one costs as much as half a run."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import rayfed
from rayfed.runtime.ray_start import WAITS
from rayfed.testing.chaos.real import processes
from rayfed.testing.chaos.real.servers import ANSWER_SECONDS, credentials

READY = "This command will now block"
ACTORS = ("ray::Host", "ray::Recorder")
STOP_SECONDS = 30.0
ATTEMPTS = 3
"""Of Ray's processes one or the other may still give up on a busy machine."""


class Cluster:
    """Started by ``ray start``, with patience (``runtime.ray_start``); a context manager.

    It lies in a folder of its own, which is gone afterwards.

    Raises:
        RuntimeError: it does not start.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rayfed-chaos-ray-")
        self.scratch = Path(self._folder.name) / "tmp"
        self.scratch.mkdir()
        tree = Path(rayfed.__path__[0]).resolve().parent
        env = {
            "PYTHONPATH": str(tree),
            "RAY_AUTH_MODE": "disabled",
            "TMPDIR": str(self.scratch),
            **WAITS,
            **credentials(),
        }
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        words = [sys.executable, "-m", "rayfed.runtime.ray_start", "start", "--head", "--block", "--port=0"]
        words += ["--num-cpus=1"]
        words += ["--disable-usage-stats", "--include-dashboard=false", f"--object-store-memory={256 << 20}"]
        words += [f"--ray-client-server-port={port}", f"--temp-dir={self.scratch / 'ray'}"]
        for attempt in range(1, ATTEMPTS + 1):
            self._command = processes.Command(words, Path(self._folder.name), env)
            if self._is_up():
                break
            told = self._command.out[-800:]
            self._command.kill_all()
            if attempt == ATTEMPTS:
                self._folder.cleanup()
                raise RuntimeError(f"Ray does not start: {told}")
        self.address = self._command.out.split("--address='")[1].split("'")[0]

    def _is_up(self) -> bool:
        """Wait until it is up; return whether it is."""
        end = time.monotonic() + ANSWER_SECONDS
        while READY not in self._command.out:
            if time.monotonic() > end or not self._command.running:
                return False
            time.sleep(0.2)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def processes(self, *words: str) -> dict[int, str]:
        """Return the command lines of its processes that hold all these words, by process id."""
        return self._command.processes(*words)

    def left(self) -> dict[int, str]:
        """Return the actors that outlive their run, after they have had time to end."""
        end = time.monotonic() + processes.AFTERWARDS_SECONDS
        while left := {pid: line for word in ACTORS for pid, line in self.processes(word).items()}:
            if time.monotonic() > end:
                break
            time.sleep(0.2)
        return left

    def clear(self) -> None:
        """Kill the actors that are left."""
        for pid in {pid for word in ACTORS for pid in self.processes(word)}:
            processes.send(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Let it end in order, kill what stays, and remove its folder."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._command.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._command.process.wait(STOP_SECONDS)
        self._command.kill_all()
        self._folder.cleanup()

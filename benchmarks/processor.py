"""Processor seconds of a command and of all that it starts, also of what outlives it or is started by a daemon."""

from __future__ import annotations

import os
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

VARIABLE = "RAYFED_METERED"
"""What the command gets in its environment, and hands on to all that it starts."""

LOOK_SECONDS = 0.1


class Meter:
    """Looks at ``/proc`` (Linux) again and again, from entering to leaving.

    Attributes:
        environment: for the command, beside its own.
    """

    def __init__(self) -> None:
        self.environment = {VARIABLE: uuid.uuid4().hex}
        self._mark = f"{VARIABLE}={self.environment[VARIABLE]}".encode()
        self._mine: dict[int, bool] = {}
        self._spent: dict[int, float] = {}
        self._looks: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def at(self, moment: float) -> float:
        """Return the seconds that all of them had taken by then, in seconds since the epoch."""
        return max((spent for when, spent in self._looks if when <= moment), default=0.0)

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            for name in os.listdir("/proc"):
                if name.isdigit() and self._is_mine(int(name)):
                    self._look(int(name))
            self._looks.append((time.time(), sum(self._spent.values())))

    def _is_mine(self, process: int) -> bool:
        if process not in self._mine:
            try:
                self._mine[process] = self._mark in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
            except OSError:  # gone, or somebody else's
                return False
        return self._mine[process]

    def _look(self, process: int) -> None:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # gone since: what it had taken counts
            return
        self._spent[process] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

"""Processor seconds and memory of a command and all that it starts, also of what outlives it or a daemon starts."""

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

WEIGH_SECONDS = 2.0
"""How often memory is looked at: the system walks through all of a process's pages for it."""


class Meter:
    """Looks at ``/proc`` (Linux) again and again, from entering to leaving.

    Args:
        weighs: whether memory is looked at, too.

    Attributes:
        environment: for the command, beside its own.
        peak: bytes of all its processes together, at most, what they share counted once (PSS).
    """

    def __init__(self, weighs: bool = False) -> None:
        self.peak = 0
        self._weighs = weighs
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
        weighed = 0.0
        while not self._over.wait(LOOK_SECONDS):
            for name in os.listdir("/proc"):
                if name.isdigit() and self._is_mine(int(name)):
                    self._look(int(name))
            self._looks.append((time.time(), sum(self._spent.values())))
            if self._weighs and time.monotonic() - weighed > WEIGH_SECONDS:
                self.peak = max(self.peak, sum(map(_weight, [number for number, mine in self._mine.items() if mine])))
                weighed = time.monotonic()

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


def _weight(process: int) -> int:
    """Return a process's bytes, its part of what it shares with others; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))

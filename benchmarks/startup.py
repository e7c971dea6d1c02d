"""How long until round 1, and where does it go? ``python -m benchmarks startup``

``python -m rayfed`` as it comes (four nodes on the digits), several times; each phase from the line of its log that
begins it. ``RAYFED_BENCH_FORMER=PATH`` names another checkout, which then runs in turn with this one: seconds of a
machine that does other things besides are only good for comparing. Processor seconds are those of all processes of the
run, Ray's own included, and less a matter of what else the machine does.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.machine import Figure, Unavailable, report

HERE = Path(__file__).resolve().parent.parent
FORMER = "RAYFED_BENCH_FORMER"
REPEATS = int(os.environ.get("RAYFED_BENCH_REPEATS", "3"))
STAMP = "%Y-%m-%d %H:%M:%S,%f"
PHASES = {
    "starting a chain": "Ray up, charter drafted",
    "starting 4 nodes": "founded",
    "round 1/5: commit": "round 1",
    "done after": "last round over",
    "told: root ": "all told",
}
"""What the log says when a phase begins, and what has been reached by then."""
BECOME_REAPER = 36
"""Of ``prctl``: whose parent has ended comes below this process, where it is counted."""


@dataclass(frozen=True)
class Start:
    """One run.

    Attributes:
        reached: seconds from the command to each of ``PHASES``.
        wall: seconds of the whole command.
        processor: seconds of all its processes.
        root: the final one.
    """

    reached: dict[str, float]
    wall: float
    processor: float
    root: str


def run(tree: Path, settings: Sequence[str] = ()) -> Start:
    """Run a checkout's ``python -m rayfed`` to its end.

    Raises:
        RuntimeError: it failed; the message is what it printed.
    """
    with tempfile.TemporaryDirectory(prefix="rayfed-bench-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "rayfed", f"hydra.run.dir={folder / 'run'}", *settings]
        began = time.time()
        with Processes() as processes:
            done = subprocess.run(
                command, cwd=folder, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True
            )
            wall = time.time() - began
        _reap()
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        lines = (folder / "run" / "rayfed.log").read_text().splitlines()
        root = json.loads((folder / "run" / "summary.json").read_text())["final_root"]
    return Start({what: _at(lines, word) - began for word, what in PHASES.items()}, wall, processes.seconds, root)


def _at(lines: Sequence[str], word: str) -> float:
    """Return when a log said this first, seconds since the epoch."""
    line = next(line for line in lines if word in line)
    return datetime.strptime(line[:23], STAMP).timestamp()


class Processes:
    """Adds up what all processes below this one use of the processors, for as long as it is entered.

    They are looked at five times a second, since nobody is told what Ray's workers used: Ray ignores their end.
    """

    def __init__(self) -> None:
        self._used: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @property
    def seconds(self) -> float:
        """So far."""
        return sum(self._used.values()) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            self._look()

    def _look(self) -> None:
        parents, used = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                pid = int(folder.name)
                parents[pid], used[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
        below = {os.getpid()}
        while more := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= more
        self._used |= {pid: used[pid] for pid in below - {os.getpid()} if pid in used}


def _reap() -> None:
    """Wait for all that the run has left: Ray's processes end after the command."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def main() -> None:
    """Measure, print, write."""
    if not sys.platform.startswith("linux"):
        raise Unavailable("only Linux tells what processes use in /proc")
    ctypes.CDLL(None).prctl(BECOME_REAPER, 1, 0, 0, 0)
    trees = {"this": HERE} | ({"former": Path(os.environ[FORMER])} if FORMER in os.environ else {})
    runs: dict[str, list[Start]] = {name: [] for name in trees}
    for _ in range(REPEATS):
        for name, tree in reversed(trees.items()):
            runs[name].append(run(tree))
    if len(roots := {one.root for many in runs.values() for one in many}) != 1:
        raise RuntimeError(f"not all runs end in one root: {sorted(roots)}")
    figures = []
    for name, many in runs.items():
        figures += [Figure(f"{name}: {what}", "s", [one.reached[what] for one in many]) for what in many[0].reached]
        figures.append(Figure(f"{name}: whole command", "s", [one.wall for one in many]))
        figures.append(Figure(f"{name}: processor", "s", [one.processor for one in many], "all processes, Ray's too"))
    report(
        "startup",
        "seconds from the command to what has been reached; four nodes on the digits",
        figures,
        packages=("torch", "ray", "mlflow"),
        details={"root": roots.pop()},
    )


if __name__ == "__main__":
    main()

"""Runs a federation just as a user does, ``python -m rayfed`` with settings, and reads off when what happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.processor import Meter

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """One federation.

    Attributes:
        rounds: seconds from the moment at which the first node begins to train to the same moment of the next round;
            of the last round, to the end of the last evaluation.
        training: seconds of each round from the first node's training to the end of the last one's.
        steps: by name, each round's seconds, mean over the nodes.
        start: seconds from the command to round 1's first training.
        end: seconds from the last evaluation to the end of the command.
        wall: seconds of the whole command.
        summary: ``summary.json``.
        processor: seconds that all processors have worked on each round, of all its processes together; Ray's and the
            chain's count, too.
        memory: bytes (PSS) of all these processes at most; 0 where nobody looked.
    """

    rounds: tuple[float, ...]
    training: tuple[float, ...]
    steps: dict[str, tuple[float, ...]]
    start: float
    end: float
    wall: float
    summary: dict[str, Any]
    processor: tuple[float, ...] = ()
    memory: int = 0

    @property
    def learning(self) -> float:
        """Seconds of all rounds together."""
        return sum(self.rounds)


def run(
    *settings: str,
    learner: str = "benchmarks.stamped.Stamped",
    limit: float | None = None,
    code: Path = ROOT,
    weighs: bool = False,
) -> Run:
    """Run a federation in a process of its own and in a folder that is gone afterwards.

    Args:
        settings: of the command line.
        learner: notes when it is called.
        limit: seconds after which it is stopped.
        code: the checkout that is run.
        weighs: whether its memory is looked at, every two seconds.

    Raises:
        subprocess.TimeoutExpired: it was.
        RuntimeError: it failed; the message is what it printed.
    """
    with tempfile.TemporaryDirectory(prefix="rayfed-bench-") as name:
        folder = Path(name)
        (folder / "stamps").mkdir()
        command = [
            *(sys.executable, "-m", "rayfed", "track=none", "federation.alone=false"),
            *(f"learner._target_={learner}", f"+learner.stamps={folder / 'stamps'}", f"hydra.run.dir={folder}"),
            *settings,
        ]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(code), os.environ.get("PYTHONPATH", "")])}
        with Meter(weighs) as meter:
            began = time.time()
            environment |= meter.environment
            done = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, timeout=limit)
            ended = time.time()
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        lines = [line for file in (folder / "stamps").iterdir() for line in file.read_text().splitlines()]
        summary = json.loads((folder / "summary.json").read_text())
    return _read([json.loads(line) for line in lines], summary, began, ended, meter)


def _read(stamps: list[dict[str, Any]], summary: dict[str, Any], began: float, ended: float, meter: Meter) -> Run:
    rounds = [told["round"] for told in summary["rounds"]]
    void = [told["round"] for told in summary["rounds"] if told["status"] != "final"]
    if void:
        raise RuntimeError(f"rounds {void} are void: nothing to measure")
    starts = [min(s["begin"] for s in stamps if s["what"] == "train" and s["round"] == r) for r in rounds]
    ends = [max(s["end"] for s in stamps if s["what"] == "train" and s["round"] == r) for r in rounds]
    last = max(s["end"] for s in stamps)
    steps = {
        step: tuple(told["seconds"].get(step, 0.0) for told in summary["rounds"])
        for step in summary["rounds"][0]["seconds"]
    }
    borders = [*starts, last]
    return Run(
        tuple(after - before for before, after in pairwise(borders)),
        tuple(end - start for start, end in zip(starts, ends, strict=True)),
        steps,
        starts[0] - began,
        ended - last,
        ended - began,
        summary,
        tuple(meter.at(after) - meter.at(before) for before, after in pairwise(borders)),
        meter.peak,
    )

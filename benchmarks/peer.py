"""How does that compare with Flower's simulation? ``RAYFED_FLOWER=PYTHON python -m benchmarks peer``

The work of ``round`` and of ``train`` on both, one after the other in the same run: the same models, pictures and
number of processes. ``RAYFED_CELLS=0.6 M:8,0.6 M:32`` chooses models and numbers of nodes, ``train`` the training.
Flower's pins of common packages are old, so it lives in an environment of its own (``pip install "flwr[simulation]"
torch numpy``), whose Python the variable names. Its server is trusted by all and checks nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cifar, train
from benchmarks import round as untrained
from benchmarks.federated import Run
from benchmarks.machine import Figure, report
from benchmarks.processor import Meter

VARIABLE = "RAYFED_FLOWER"
CHOICE, CELLS = "RAYFED_CELLS", "0.6 M:8,0.6 M:32,11.2 M:8,11.2 M:32,train"
ROUNDS = 6
KINDS = {"0.6 M": "cnn", "11.2 M": "flat"}
"""What ``flower_app`` calls them."""
ALIKE = {8: 1.0, 32: 1.6}, {8: 0.6, 32: 1.0}
"""Targets by nodes: as it comes, and without the screens that look at images."""
APP = Path(__file__).with_name("flower_app.py")


def flower(python: str, kind: str, rounds: int, clients: int) -> dict[str, Any]:
    """Run Flower's simulation once; see ``flower_app``.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="rayfed-flower-") as name:
        job, result = Path(name) / "job.npz", Path(name) / "result.json"
        content: dict[str, Any] = {"kind": kind, "rounds": rounds, "clients": clients}
        if kind == "train":
            work = cifar.work()
            pairs = {**{str(i): pair for i, pair in enumerate(work.nodes)}, "test": work.test}
            content |= {f"x_{which}": x for which, (x, _) in pairs.items()}
            content |= {f"y_{which}": y for which, (_, y) in pairs.items()}
            content |= {"mean": work.mean, "std": work.std}
        np.savez(job, **content)
        environment = {**os.environ, "FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "FLWR_HOME": name}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(APP.parent)}
        command = [python, str(APP), str(job), str(result)]
        with Meter(weighs=kind == "train") as meter:
            environment |= meter.environment
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
        if not result.exists():
            raise RuntimeError(f"Flower failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        told: dict[str, Any] = {**json.loads(result.read_text()), "memory": meter.peak}
    return told


def compare(name: str, ours: Run, theirs: dict[str, Any], skip: int, target: float | None) -> list[Figure]:
    """Return the lines of one piece of work; ``skip`` rounds at the start do not count."""
    mine, other = ours.rounds[skip:], theirs["rounds"][skip:]
    return [
        Figure(f"{name}: rayfed, a round", "s", mine),
        Figure(f"{name}: Flower, a round", "s", other),
        Figure("  all these rounds, rayfed / Flower", "", [sum(mine) / sum(other)], "", target),
        Figure("  whole run, rayfed / Flower", "", [ours.wall / theirs["wall"]]),
    ]


def training(ours: Run, theirs: dict[str, Any]) -> list[Figure]:
    """Return the lines of the training."""
    figures = compare("training", ours, theirs, 0, 1.0)
    for name, accuracy, memory in (
        ("rayfed", [ours.summary["final_accuracy"]], ours.memory),
        ("Flower", theirs["accuracy"], theirs["memory"]),
    ):
        figures.append(Figure(f"  final accuracy, {name}", "", accuracy))
        figures.append(Figure(f"  peak memory, {name}", "GB", [memory / 1e9], "PSS of all processes"))
    return figures


def main() -> None:
    """Measure, print, write, cell by cell; or say why not."""
    python = os.environ.get(VARIABLE)
    if not python:
        print(f"\npeer: skipped: set {VARIABLE} to the python of an environment with flwr[simulation] and torch")
        return
    figures: list[Figure] = []
    cells = os.environ.get(CHOICE, CELLS).split(",")
    for cell in (one for one in cells if one != "train"):
        model, _, number = cell.partition(":")
        nodes = int(number)
        theirs = flower(python, KINDS[model], ROUNDS, nodes)
        name = f"untrained, {model}, {nodes} nodes"
        # What Flower has no counterpart for: every node looks at every update with its own pictures, too.
        judged = untrained.measured(model, nodes, rounds=ROUNDS)
        checked = untrained.measured(model, nodes, rounds=ROUNDS, settings=untrained.UNJUDGED)
        untrained.check(cell, [judged, checked])
        figures += compare(f"{name}, judged on pictures", judged, theirs, 1, ALIKE[0].get(nodes))
        figures += compare(name, checked, theirs, 1, ALIKE[1].get(nodes))
        _report(figures, theirs["version"])
    if "train" in cells:
        try:
            theirs = flower(python, "train", train.ROUNDS, train.NODES)
        except cifar.NoPictures as reason:
            print(f"\npeer: training is left out: {reason}")
        else:
            _report([*figures, *training(train.measured(), theirs)], theirs["version"])


def _report(figures: list[Figure], version: str) -> None:
    report(
        "peer",
        f"rayfed beside the simulation of Flower {version}, the same work in the same run, two processes each",
        figures,
        packages=("torch", "ray", "numpy"),
        details={"rounds": ROUNDS, "flower": version},
    )


if __name__ == "__main__":
    main()

"""How does that compare with Flower's simulation? ``RAYFED_FLOWER=PYTHON python -m benchmarks peer``

The work of ``round`` and of ``train`` on both, one after the other in the same run: the same models, pictures and
number of processes. Flower's pins of common packages are old, so it lives in an environment of its own (``pip install
"flwr[simulation]" torch numpy``), whose Python the variable names. Its server is trusted by all and checks nothing.
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

VARIABLE = "RAYFED_FLOWER"
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
        done = subprocess.run(
            [python, str(APP), str(job), str(result)], env=environment, capture_output=True, text=True, timeout=900
        )
        if not result.exists():
            raise RuntimeError(f"Flower failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        told: dict[str, Any] = json.loads(result.read_text())
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


def main() -> None:
    """Measure, print, write; or say why not."""
    python = os.environ.get(VARIABLE)
    if not python:
        print(f"\npeer: skipped: set {VARIABLE} to the python of an environment with flwr[simulation] and torch")
        return
    figures: list[Figure] = []
    version = ""
    for model, kind in (("0.6 M", "cnn"), ("11.2 M", "flat")):
        theirs = flower(python, kind, untrained.ROUNDS, untrained.NODES)
        checked = untrained.measured(model, 4, *untrained.UNJUDGED)
        figures += compare(f"untrained, {model}", checked, theirs, 1, 1.0)
        # What Flower has no counterpart for: every node looks at every update with its own pictures, too.
        figures += compare(f"untrained, {model}, judged on pictures", untrained.measured(model, 4), theirs, 1, None)
        version = theirs["version"]
    try:
        theirs = flower(python, "train", train.ROUNDS, train.NODES)
    except cifar.NoPictures as reason:
        print(f"\npeer: training is left out: {reason}")
    else:
        figures += compare("training", train.measured(), theirs, 0, 1.0)
        figures.append(Figure("  final accuracy, rayfed", "", [train.measured().summary["final_accuracy"]]))
        figures.append(Figure("  final accuracy, Flower", "", theirs["accuracy"]))
    report(
        "peer",
        f"rayfed beside the simulation of Flower {version}, the same work in the same run, two processes each",
        figures,
        packages=("torch", "ray", "numpy"),
        details={"nodes": untrained.NODES, "flower": version},
    )


if __name__ == "__main__":
    main()

"""The work of ``round`` and ``train`` in Flower's simulation. Run by Flower's own Python: imports nothing of rayfed.

``python flower_app.py JOB RESULT``: JOB is an .npz with ``kind`` (train, cnn or flat), ``rounds``, ``clients`` and,
for train, the pictures; RESULT is a JSON file with ``rounds`` (seconds each), ``start``, ``wall`` and ``accuracy``. A
round begins when the strategy sends it out, and ends when the next one does, the last when it is aggregated or scored.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

BEGAN = time.time()
sys.path.insert(0, str(Path(__file__).resolve().parent))

import bare_loop  # noqa: E402
import flower_client  # noqa: E402
import flwr  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from flwr.app import ArrayRecord, Context, MetricRecord  # noqa: E402
from flwr.serverapp import Grid, ServerApp  # noqa: E402
from flwr.serverapp.strategy import FedAvg  # noqa: E402
from flwr.simulation import run_simulation  # noqa: E402

JOB, RESULT = sys.argv[1:3]
FLAT = 11_200_000


class Stamped(FedAvg):
    """FedAvg that notes when rounds begin and end."""

    begins: list[float]
    end: float

    def configure_train(self, *arguments: Any, **named: Any) -> Any:
        """Note the beginning."""
        self.begins.append(time.time())
        return super().configure_train(*arguments, **named)

    def aggregate_train(self, *arguments: Any, **named: Any) -> Any:
        """Note the end so far."""
        merged = super().aggregate_train(*arguments, **named)
        self.end = time.time()
        return merged


def main() -> None:
    """Run the simulation; write the result."""
    torch.set_num_threads(1)
    job = np.load(JOB)
    kind, rounds, clients = str(job["kind"]), int(job["rounds"]), int(job["clients"])
    accuracy: list[float] = []
    strategy = Stamped(fraction_evaluate=0.0, min_available_nodes=clients, min_train_nodes=clients)
    strategy.begins = []
    server = ServerApp()

    def evaluate(round: int, arrays: ArrayRecord) -> MetricRecord:
        net = bare_loop.network()
        net.load_state_dict(arrays.to_torch_state_dict())
        x, y = flower_client.pictures(JOB, "test")
        accuracy.append(bare_loop.correct(net, x, y) / len(y))
        strategy.end = time.time()
        return MetricRecord({"accuracy": accuracy[-1]})

    @server.main()
    def serve(grid: Grid, context: Context) -> None:
        state = {"w": torch.randn(FLAT)} if kind == "flat" else bare_loop.network().state_dict()
        test = {"evaluate_fn": evaluate} if kind == "train" else {}
        strategy.start(grid=grid, initial_arrays=ArrayRecord(state), num_rounds=rounds, **test)

    resources = {"client_resources": {"num_cpus": 1, "num_gpus": 0}}
    cluster = {"init_args": {"address": "local", "num_cpus": bare_loop.PROCESSES, "log_to_driver": False}}
    run_simulation(server, flower_client.app(JOB), num_supernodes=clients, backend_config={**resources, **cluster})
    borders = [*strategy.begins, strategy.end]
    told = {
        "rounds": [after - before for before, after in pairwise(borders)],
        "start": borders[0] - BEGAN,
        "wall": time.time() - BEGAN,
        "accuracy": accuracy[-1:],
        "version": flwr.__version__,
    }
    Path(RESULT).write_text(json.dumps(told))


if __name__ == "__main__":
    main()

"""What does judging a round's updates cost a node, under the default screens and under those that they replaced?

``python -m benchmarks judging``: 0.6 M weights, 64 images, updates that do no harm. Processor seconds of one
thread, without the inner products and distances that the nodes of a process share.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.former import SETTINGS
from benchmarks.former import make as made
from benchmarks.machine import Figure, report
from rayfed.aggregation import screens
from rayfed.aggregation.gram import gram
from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.norm import distance
from rayfed.aggregation.screens.progress import alignment
from rayfed.config import load
from rayfed.learning import data
from rayfed.learning.learner import genesis

NODES, REPEATS, JUDGED, FRACTION = (8, 32, 128), 5, 64, 1 << 24
Values = NDArray[np.int32]


class Network:
    """The network as a function of its values."""

    def __init__(self) -> None:
        settings, images = load(["data=digits", "model=small_cnn"]), data.load("digits")
        self._model, _ = genesis(settings, images)
        self._model.eval()
        self._x = torch.from_numpy(images.train_x[:JUDGED].astype(np.float32) / 255)
        self._y = torch.from_numpy(np.array(images.train_y[:JUDGED]))
        flat = torch.nn.utils.parameters_to_vector(self._model.parameters()).detach().double().numpy()
        self.values: Values = np.rint(flat * FRACTION).astype(np.int32)
        self.passes = 0

    def loss(self, values: Values) -> float:
        """Return the mean loss on the images of the network with these values, (n_values,) int32."""
        self.passes += 1
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(
                torch.from_numpy(values.astype(np.float32) / FRACTION), self._model.parameters()
            )
            return float(torch.nn.functional.cross_entropy(self._model(self._x), self._y))


def evidence(network: Network, nodes: int) -> Evidence:
    """Return a round's evidence: updates a little apart, none of which does harm."""
    drawn = np.random.default_rng(nodes)
    start = network.values
    shared = drawn.normal(0, 2000, start.size)
    base = (start + shared).astype(np.int32)
    updates = {i: (base + shared + drawn.normal(0, 2000, start.size)).astype(np.int32) for i in range(nodes)}
    products = list(updates), gram([updates[i] for i in updates], base)
    apart = {i: distance(update, base) for i, update in updates.items()}
    along = {i: alignment(update, base, start) for i, update in updates.items()}
    return Evidence(
        base, updates, dict.fromkeys(updates, 100), 0, apart.__getitem__, lambda: products, network.loss,
        2, lambda: start, along.__getitem__,
    )  # fmt: skip


def main() -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    network = Network()
    figures, passes = [], {}
    for nodes in NODES:
        sets: dict[str, dict[str, Any]] = {"former default": SETTINGS, "default": load().screens}
        for name, settings in sets.items():
            taken = []
            given = evidence(network, nodes)
            for _ in range(REPEATS):
                given._losses.clear()
                chosen = [made(screen, dict(options)) for screen, options in settings.items()]
                network.passes, begin = 0, time.process_time()
                screens.ballot(chosen, given)
                taken.append(time.process_time() - begin)
            figures.append(Figure(f"{nodes} nodes, {name}", "s", taken, f"{network.passes} passes over the images"))
            passes[f"{nodes}, {name}"] = network.passes
    report(
        "judging",
        "processor seconds of one node's judging in a round without harm",
        figures,
        packages=("torch", "numpy"),
        details={"weights": int(network.values.size), "images": JUDGED, "passes": passes},
    )


if __name__ == "__main__":
    main()

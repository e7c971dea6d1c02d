"""What does judging a round's updates cost, under the default screens and under those that they replaced?

``python -m benchmarks judging``: 0.6 M weights, 64 images, updates that do no harm; for one node by itself, and for
each of sixteen that live in one process, as a party's or a simulation's do, and share what rests on nothing private.
Processor seconds of one thread, without the inner products and distances, which they shared before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.former import SETTINGS
from benchmarks.former import make as made
from benchmarks.machine import Figure, report
from rayfed.aggregation import screens
from rayfed.aggregation.gram import gram
from rayfed.aggregation.screens import Evidence, Screen
from rayfed.aggregation.screens.norm import distance
from rayfed.aggregation.screens.progress import Progress, alignment
from rayfed.config import load
from rayfed.encoding import blocks
from rayfed.learning import data
from rayfed.learning.learner import genesis

NODES, TOGETHER, REPEATS, JUDGED, FRACTION = (8, 32, 128), 16, 5, 64, 1 << 24
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


def judged(given: Evidence, settings: dict[str, dict[str, Any]], together: int) -> float:
    """Return the processor seconds of a node that judges a round beside others in its process."""
    kept: dict[Hashable, Values] = {}

    def shared(key: Hashable, make: Callable[[], Values]) -> Values:
        if key not in kept:
            kept[key] = make()
        return kept[key]

    nodes: list[list[Screen]] = [[made(name, dict(one)) for name, one in settings.items()] for _ in range(together)]
    for chosen in nodes:  # what genesis's loss was is asked in the first round alone
        for screen in (getattr(one, "_screen", one) for one in chosen):
            if isinstance(screen, Progress):
                screen._start = 2.3
    begin = time.process_time()
    for own, chosen in enumerate(nodes):
        screens.ballot(chosen, replace(given, own=own, shared=shared, _losses={}))
    return (time.process_time() - begin) / together


def main() -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    blocks.set_threads(1)
    network = Network()
    figures, passes = [], {}
    for nodes in NODES:
        given = evidence(network, nodes)
        sets: dict[str, dict[str, Any]] = {"former default": SETTINGS, "default": load().screens}
        for name, settings in sets.items():
            for together in (1, min(TOGETHER, nodes // 2)):
                if name != "default" and together > 1:
                    continue
                network.passes = 0
                taken = [judged(given, settings, together) for _ in range(REPEATS)]
                count = network.passes // REPEATS // together
                beside = f", {together} in a process" if together > 1 else ""
                figures.append(Figure(f"{nodes} nodes, {name}{beside}", "s", taken, f"{count} passes over the images"))
                passes[f"{nodes}, {name}{beside}"] = count
    report(
        "judging",
        "processor seconds of one node's judging in a round without harm",
        figures,
        packages=("torch", "numpy"),
        details={"weights": int(network.values.size), "images": JUDGED, "passes": passes},
    )


if __name__ == "__main__":
    main()

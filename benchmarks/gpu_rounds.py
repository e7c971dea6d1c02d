"""What closes the gap between the merged model and central training? ``python -m benchmarks.gpu_rounds`` (one GPU)

The papers' CIFAR experiment (ten nodes, equal parts, 15 rounds) in one process: each node trains by rayfed's
``Trainer``, and the merge is the mean in floats, with a server's momentum if asked. No chain, no blobs, no votes. Every
cell is a set of rules; ``one`` means that a single node has all images. Cells are measured in order until the time is
over.

Environment: RAYFED_PICTURES, a folder of train/CLASS/*, test/CLASS/*; RAYFED_EPOCHS (local epochs a round, 3);
RAYFED_ROUNDS (15; schedules are for 15, so that fewer are their beginning); RAYFED_SECONDS (no cell is begun that may
not end within so many, 200); RAYFED_CELLS (names, separated by semicolons); RAYFED_SEED (0).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cifar import VARIABLE
from benchmarks.gpu import BF16, PAPER, device
from benchmarks.machine import Figure, Unavailable, report
from rayfed.learning import data, models, partition
from rayfed.learning.captured import CapturedLoop, Job
from rayfed.learning.images import Normalise
from rayfed.learning.train import Trainer

ADAM = {"_target_": "torch.optim.Adam", "lr": 1e-3}
SGD = {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
NODES, ROUNDS = 10, 15
COSINE = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": ROUNDS}

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Rules:
    """One cell.

    Attributes:
        settings: of the group ``train``, beside those of the experiment.
        nodes: how many share the images.
        server: momentum of the server's step (FedAvgM); 0 is plain FedAvg.
        keep: a node's optimizer goes on where it stopped in the round before.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    nodes: int = NODES
    server: float = 0.0
    keep: bool = False


COS: Mapping[str, Any] = {"schedule": COSINE}
FASTER = {**ADAM, "lr": 3e-3}
CELLS = {
    "adam": Rules(),
    "adam, batches of 64": Rules({"batch_size": 64}),
    "adam, server momentum 0.8": Rules(server=0.8),
    "sgd": Rules({"optimizer": SGD}),
    "adam, server momentum 0.5": Rules(server=0.5),
    "adam 3e-3": Rules({"optimizer": FASTER}),
    "sgd, server momentum 0.5": Rules({"optimizer": SGD}, server=0.5),
    "adam, batches of 64, server momentum 0.5": Rules({"batch_size": 64}, server=0.5),
    "adam, kept": Rules(keep=True),
    "adam, cosine": Rules(COS),
    "adam, cosine, kept": Rules(COS, keep=True),
    "one: adam": Rules(nodes=1),
    "one: adam, cosine": Rules(COS, nodes=1),
    "one: sgd, cosine": Rules({**COS, "optimizer": SGD}, nodes=1),
}


class Keeping(CapturedLoop):
    """Steps whose optimizer begins with what ``kept`` holds instead of with zeros."""

    kept: Sequence[torch.Tensor] | None = None
    trying = True

    def prepare(self, job: Job) -> bool:
        """See ``CapturedLoop``."""
        self.trying = True
        ready = super().prepare(job)
        self.trying = False
        return ready

    def _start(self, course: Any, job: Job) -> None:
        super()._start(course, job)
        if self.kept is not None and not self.trying:
            for mine, kept in zip(self.memory(), self.kept, strict=True):
                mine.copy_(kept)

    def memory(self) -> list[torch.Tensor]:
        """Return the tensors that the optimizer remembers."""
        assert self._course is not None
        return [value for state in self._course.optimizer.state.values() for value in state.values()]


class Simulation:
    """Ten nodes in turn on one GPU."""

    def __init__(self, pictures: data.Dataset, rules: Rules, epochs: int, seed: int = 0) -> None:
        self.pictures, self.rules, self.seed = pictures, rules, seed
        net = models.build(PAPER, pictures.shape, len(pictures.classes), seed)
        self.state: State = {name: value.clone() for name, value in net.state_dict().items()}
        common = {"optimizer": ADAM, "batch_size": 256, "epochs": epochs, "augment": {"flip": True, "shift": 0.1}}
        self.trainer = Trainer(net, {**common, **BF16, **rules.settings})
        if rules.keep:
            loop = self.trainer.captured
            assert loop is not None
            self.trainer.captured = Keeping(loop._model, loop._optimizers, loop._recipe)
        parts = partition.split("iid", pictures.train_y, rules.nodes, seed)
        self.parts = [(np.ascontiguousarray(pictures.train_x[part]), pictures.train_y[part]) for part in parts]
        self.kept: dict[int, list[torch.Tensor]] = {}
        self.momentum: State = {}
        self.last: list[State] = []

    def accuracy(self, state: State) -> float:
        """Return the part of the test images that a state gets right."""
        p = self.pictures
        return self.trainer.evaluate(state, p.test_x, p.test_y, p.mean, p.std).accuracy

    def round(self, number: int) -> float:
        """Play one round; return the accuracy after it."""
        updates = [self._update(node, number) for node in range(self.rules.nodes)]
        merged = {name: _mean([update[name] for update in updates]) for name in self.state}
        for name in dict(self.trainer.model.named_parameters()):
            step = merged[name] - self.state[name]
            if self.rules.server:
                step += self.rules.server * self.momentum.get(name, torch.zeros_like(step))
                self.momentum[name] = step
            merged[name] = self.state[name] + step
        self.state = merged
        self.last = [*self.last[-4:], merged]
        return self.accuracy(merged)

    def with_own_statistics(self) -> float:
        """Return the accuracy with batch norm's statistics taken anew from a node's images: what their mean costs."""
        model, (x, _) = self.trainer.model, self.parts[0]
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        model.load_state_dict(self.state)
        normalise = Normalise(self.pictures.mean, self.pictures.std, self.trainer.device, self.trainer.channels_last)
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
        model.train()
        with torch.no_grad():
            for start in range(0, min(len(x), 4096), 512):
                some = torch.from_numpy(x[start : start + 512])
                model(normalise(some.to(self.trainer.device)))
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        return self.accuracy({name: value.cpu().clone() for name, value in model.state_dict().items()})

    def averaged(self, count: int) -> float:
        """Return the accuracy of the mean of the last models."""
        return self.accuracy({name: _mean([state[name] for state in self.last[-count:]]) for name in self.state})

    def _update(self, node: int, number: int) -> State:
        x, y = self.parts[node]
        loop = self.trainer.captured
        if isinstance(loop, Keeping):
            loop.kept = self.kept.get(node)
        p = self.pictures
        done = self.trainer.fit(self.state, x, y, p.mean, p.std, 1000 * self.seed + node + 1, number)
        if isinstance(loop, Keeping):
            self.kept[node] = [value.clone() for value in loop.memory()]
        return done.state


def _mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
    mean = torch.stack([value.double() for value in values]).mean(0)
    return mean.to(values[0].dtype) if values[0].is_floating_point() else values[0]


def play(pictures: data.Dataset, rules: Rules, epochs: int, rounds: int = ROUNDS, seed: int = 0) -> dict[str, Any]:
    """Play all rounds; return accuracies by round, of the mean of the last three and five models, and seconds."""
    start = time.perf_counter()
    simulation = Simulation(pictures, rules, epochs, seed)
    curve, own = [], []
    for number in range(1, rounds + 1):
        curve.append(round(simulation.round(number), 4))
        own.append(round(simulation.with_own_statistics(), 4))
    captured = simulation.trainer.captured
    return {
        "accuracy": curve,
        "with own statistics": own,
        "mean of last 3": simulation.averaged(3),
        "mean of last 5": simulation.averaged(5),
        "seconds": round(time.perf_counter() - start, 1),
        "not recorded": captured.unfit if captured else "no GPU",
    }


def lines(name: str, cell: Mapping[str, Any]) -> list[Figure]:
    """Return what one cell has to say."""
    curve, note = cell["accuracy"], f"after {len(cell['accuracy'])} rounds"
    return [
        Figure(name, "%", [100 * curve[-1]], note),
        Figure("  mean of the last 3 models", "%", [100 * cell["mean of last 3"]], note),
    ]


def cells() -> Iterator[tuple[str, Rules]]:
    """Yield the cells that were asked for."""
    for name in filter(None, os.environ.get("RAYFED_CELLS", ";".join(CELLS)).split(";")):
        yield name, CELLS[name.strip()]


def main() -> None:
    """Measure, print, write."""
    device()
    place = os.environ.get(VARIABLE)
    if not place:
        raise Unavailable(f"no images: set {VARIABLE} to a folder of train/CLASS/*, test/CLASS/*")
    begin, most = time.perf_counter(), float(os.environ.get("RAYFED_SECONDS", "200"))
    epochs, seed = int(os.environ.get("RAYFED_EPOCHS", "3")), int(os.environ.get("RAYFED_SEED", "0"))
    rounds = int(os.environ.get("RAYFED_ROUNDS", str(ROUNDS)))
    pictures = data.load("image_folder", place, cache_dir=Path(place).parent / "cache")
    print(f"images loaded in {time.perf_counter() - begin:.1f} s", flush=True)
    found: dict[str, Any] = {}
    longest = 0.0
    for name, rules in cells():
        if time.perf_counter() - begin + 1.1 * longest > most:
            break
        found[name] = play(pictures, rules, epochs, rounds, seed)
        longest = max(longest, found[name]["seconds"])
        print(f"{name:40s} {found[name]}", flush=True)
    figures = [figure for name, cell in found.items() for figure in lines(name, cell)]
    report(
        "gpu_rounds",
        f"the papers' CIFAR experiment in one process, {epochs} epochs a round, bf16: accuracy by rules, one seed",
        figures,
        packages=("torch", "numpy"),
        details={
            "gpu": torch.cuda.get_device_name(),
            "nodes": NODES,
            "epochs": epochs,
            "seed": seed,
            "cells": found,
        },
    )


if __name__ == "__main__":
    main()

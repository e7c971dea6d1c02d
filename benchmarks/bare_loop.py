"""Federated averaging without a framework: what the benchmark ``train`` is measured against.

Two processes of one thread each train four nodes in turn, every round from the same shared weights, then each averages
half of the values and evaluates half of the test pictures. Nothing is signed, hashed, checked or recovered here, and
nothing of rayfed is imported: it is the least that the arithmetic costs in PyTorch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

import numpy as np
import torch
from numpy.typing import NDArray
from torch import multiprocessing, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

PROCESSES, NODES, BATCH, RATE, MOMENTUM = 2, 8, 64, 0.05, 0.9


@dataclass(frozen=True)
class Work:
    """Pictures as (n, 3, 32, 32) uint8 with labels: one pair a node, and one to test on."""

    nodes: Sequence[tuple[NDArray[np.uint8], NDArray[np.int64]]]
    test: tuple[NDArray[np.uint8], NDArray[np.int64]]
    mean: Sequence[float]
    std: Sequence[float]


@dataclass(frozen=True)
class Timing:
    """Wall seconds and accuracy of each round; starting the processes and preparing the data are not in it."""

    seconds: tuple[float, ...]
    accuracy: tuple[float, ...]


def network(seed: int = 0) -> nn.Module:
    """Return the 586,250 parameters of ``SmallCNN`` for 3x32x32 pictures, written out."""
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 10)),
    )


def prepare(
    pictures: tuple[NDArray[np.uint8], NDArray[np.int64]], mean: Sequence[float], std: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return normalised float32 pictures and their labels."""
    by_channel = (torch.tensor(values).view(1, 3, 1, 1) for values in (mean, std))
    x = torch.from_numpy(pictures[0]).float().div_(255).sub_(next(by_channel)).div_(next(by_channel))
    return x, torch.from_numpy(pictures[1])


def epoch(net: nn.Module, x: torch.Tensor, y: torch.Tensor, seed: int) -> float:
    """Train for one epoch with a fresh optimiser; return the mean loss."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    net.train()
    total = 0.0
    for chosen in order.split(BATCH):
        optimizer.zero_grad()
        loss = cross_entropy(net(x[chosen]), y[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(x)


@torch.inference_mode()
def correct(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    """Return how many pictures are classified right."""
    net.eval()
    parts = zip(x.split(500), y.split(500), strict=True)
    return sum(int((net(pictures).argmax(1) == labels).sum()) for pictures, labels in parts)


def _process(
    rank: int, work: Work, rounds: int, weights: torch.Tensor, updates: torch.Tensor, hits: torch.Tensor, step: Barrier
) -> None:
    torch.set_num_threads(1)
    net = network()
    mine = {node: prepare(work.nodes[node], work.mean, work.std) for node in range(rank, NODES, PROCESSES)}
    test_x, test_y = (part[rank::PROCESSES] for part in prepare(work.test, work.mean, work.std))
    step.wait()
    for round in range(1, rounds + 1):
        step.wait()
        base = weights.clone()
        for node, (x, y) in mine.items():
            vector_to_parameters(base.clone(), net.parameters())
            epoch(net, x, y, 1000 * round + node)
            with torch.no_grad():
                updates[node].copy_(parameters_to_vector(net.parameters()))
        step.wait()
        half = slice(rank * len(weights) // PROCESSES, (rank + 1) * len(weights) // PROCESSES)
        weights[half] = updates[:, half].mean(0)
        step.wait()
        vector_to_parameters(weights.clone(), net.parameters())
        hits[rank] = correct(net, test_x, test_y)
        step.wait()


def run(work: Work, rounds: int) -> Timing:
    """Run all rounds and time each."""
    context = multiprocessing.get_context("spawn")
    weights = parameters_to_vector(network().parameters()).detach().clone().share_memory_()
    updates = torch.zeros(NODES, len(weights)).share_memory_()
    hits = torch.zeros(PROCESSES).share_memory_()
    step = context.Barrier(PROCESSES + 1)
    arguments = (work, rounds, weights, updates, hits, step)
    children = [context.Process(target=_process, args=(rank, *arguments)) for rank in range(PROCESSES)]
    for child in children:
        child.start()
    step.wait()
    seconds, accuracy = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(4):
            step.wait()
        seconds.append(time.perf_counter() - start)
        accuracy.append(float(hits.sum()) / len(work.test[1]))
    for child in children:
        child.join()
    return Timing(tuple(seconds), tuple(accuracy))

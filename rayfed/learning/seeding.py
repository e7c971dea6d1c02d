"""Draws that depend on a seed alone, although torch has one generator for the whole process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def seeded(seed: int, cuda: Sequence[int] = ()) -> Iterator[None]:
    """Seed torch's own generators within the context and put them back after it.

    Weights and dropout are drawn from them, so threads that use this wait for each other.

    Args:
        seed: 0..2**64 - 1.
        cuda: indices of the GPUs whose generators are to be put back.
    """
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield

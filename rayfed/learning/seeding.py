"""Draws that depend on a seed alone, although torch has one generator for the whole process."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
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


@contextmanager
def seeded_everywhere(seed: int) -> Iterator[None]:
    """As ``seeded``, with NumPy's and Python's own generators too: some models draw their weights from those.

    Args:
        seed: 0..2**64 - 1.
    """
    with seeded(seed):
        before = random.getstate(), np.random.get_state(legacy=True)
        random.seed(seed)
        np.random.seed(np.random.SeedSequence(seed).generate_state(4))
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])

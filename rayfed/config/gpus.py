"""How much of a GPU each actor of a run on this machine may ask for."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

PARTS = 10_000
"""Ray counts shares in these parts of a GPU."""


def share(nodes: int, nodes_per_actor: int | None, gpus: int | None = None) -> float:
    """Return the share of a GPU with which all actors of a run find room: 1 or less, since none needs two.

    Args:
        nodes: edge nodes of the run.
        nodes_per_actor: how many of them share an actor; None: each has its own.
        gpus: how many GPUs there are; None: those of this machine, or one if none is found (Ray then says so).
    """
    actors = math.ceil(nodes / (nodes_per_actor or 1))
    together = math.ceil(actors / max(1, count() if gpus is None else gpus))  # a share lies on one GPU
    return PARTS // together / PARTS


def count(devices: Path = Path("/dev")) -> int:
    """Return how many GPUs of NVIDIA's this process may use, without loading what talks to them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return sum(bool(word.strip()) and word.strip() != "-1" for word in visible.split(","))
    try:
        return sum(re.fullmatch(r"nvidia\d+", name) is not None for name in os.listdir(devices))
    except OSError:
        return 0

"""What shows that a training step can be recorded: it must decide and draw nothing on the processor."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

ATTEMPTS = 3
"""Times that a step is watched: other threads of the process may draw random numbers or wait for the GPU meanwhile."""


class Unfit(Exception):
    """A model, or its optimizer, cannot be trained by recorded steps; the message says why."""


def stays_on_device(model: nn.Module, step: Callable[[], None]) -> None:
    """Take a few steps and see that none of them waits for the GPU, draws on the processor or counts there.

    Raises:
        Unfit: each of them did.
    """
    reasons: list[str] = []
    for _ in range(ATTEMPTS):
        before = _on_processor(model)
        with _waits(next(model.parameters()).device) as waited:
            step()
        after = _on_processor(model)
        reasons = [name for name in before if before[name] != after[name]]
        if waited:
            reasons.append("waits for the GPU")
        if not reasons:
            return
    raise Unfit(f"a step {' and '.join(reasons)}")


def _on_processor(model: nn.Module) -> dict[str, Any]:
    """Return what a step would change if it did more than launch kernels, by what would be said of it."""
    kind, keys, place, *gauss = np.random.get_state(legacy=True)
    plain = (bool, int, float, str, type(None))
    on_gpu = next(model.parameters()).is_cuda  # elsewhere this generator is the model's own
    return {
        "draws from Python's random": random.getstate(),
        "draws from NumPy's random": (kind, np.asarray(keys).tobytes(), place, *gauss),
        "draws from torch's generator on the processor": torch.get_rng_state().numpy().tobytes() if on_gpu else b"",
        "changes attributes of the model": [
            (name, key, value)
            for name, module in model.named_modules()
            for key, value in vars(module).items()
            if isinstance(value, plain)
        ],
    }


@contextmanager
def _waits(device: torch.device) -> Iterator[list[str]]:
    """Yield a list that is not empty, after it, if something waited for the GPU meanwhile."""
    found: list[str] = []
    if device.type != "cuda":
        yield found
        return
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    found += [str(one.message) for one in said if "synchronizing CUDA operation" in str(one.message)]

"""How much slower is local training than a bare PyTorch loop? ``python -m benchmarks epoch``

One node's epoch over 2,000 pictures of 3x32x32, batch 64, SGD 0.05 / 0.9, a CNN of 586,250 parameters, one thread. The
bare loop and the trainer take turns, so that a busy machine slows both. The pictures are noise, which costs the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import bare_loop
from benchmarks.machine import Figure, report
from rayfed.learning.models import SmallCNN
from rayfed.learning.train import Trainer

PICTURES, REPEATS = 2000, 5
MEAN, STD = (491_400, 482_200, 446_500), (247_000, 243_500, 261_600)


def contestants() -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name; each starts from the same weights."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (PICTURES, 3, 32, 32), dtype=np.uint8), rng.integers(0, 10, PICTURES)
    bare_x, bare_y = bare_loop.prepare((x, y), [m / 1e6 for m in MEAN], [s / 1e6 for s in STD])
    net = bare_loop.network()
    plain = {name: value.clone() for name, value in net.state_dict().items()}

    def bare() -> dict[str, torch.Tensor]:
        net.load_state_dict(plain)
        bare_loop.epoch(net, bare_x, bare_y, 1)
        return {name: value.clone() for name, value in net.state_dict().items()}

    def trainer(**settings: Any) -> Callable[[], Any]:
        model = SmallCNN((3, 32, 32), 10)
        base = dict(zip(model.state_dict(), plain.values(), strict=True))
        optimizer = {"_target_": "torch.optim.SGD", "lr": bare_loop.RATE, "momentum": bare_loop.MOMENTUM}
        made = Trainer(model, {"optimizer": optimizer, "batch_size": bare_loop.BATCH, "threads": 1, **settings})
        return lambda: made.fit(base, x, y, MEAN, STD, 0, 1)

    fast = {"precision": "bf16", "channels_last": True}
    return {
        "bare loop, fp32": bare,
        "trainer, fp32": trainer(),
        "trainer, fp32, channels last": trainer(channels_last=True),
        "trainer, bf16, channels last": trainer(**fast),
        "  and flips and shifts": trainer(**fast, augment={"flip": True, "shift": 0.1}),
    }


def main() -> None:
    """Measure, print, write."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    candidates = contestants()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(REPEATS + 1):
        for name, candidate in candidates.items():
            start = time.perf_counter()
            candidate()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    torch.set_num_threads(before)
    bare = seconds["bare loop, fp32"]
    figures = []
    for name, taken in seconds.items():
        figures.append(Figure(name, "pict/s", [PICTURES / second for second in taken], "one thread's arithmetic"))
        if taken is not bare:
            ratios = [second / other for second, other in zip(taken, bare, strict=True)]
            note = "time beside the bare loop's in the same turn"
            figures.append(Figure("  ratio", "", ratios, note, 1.1 if name == "trainer, fp32" else None))
    report(
        "epoch",
        f"one epoch of {PICTURES} pictures on one thread, beside a bare loop of the same arithmetic",
        figures,
        packages=("torch", "numpy"),
        details={"pictures": PICTURES, "batch": bare_loop.BATCH},
    )


if __name__ == "__main__":
    main()

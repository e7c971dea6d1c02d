"""How fast is training on one GPU, and how near to the bare step? ``python -m benchmarks gpu`` (one GPU, 2 minutes)

The papers' CIFAR network, 25,600 random images of 3x32x32, batches of 256, Adam; on a GPU rayfed trains in
channels-last. The bare step is the same arithmetic without rayfed, kernel by kernel and as a CUDA graph, on one batch
again and again. Beside it ResNet-18, training under DP-SGD, and whether the same seed gives the same bits in this
process and in another one.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch

from benchmarks.machine import Figure, Unavailable, report
from rayfed.learning import models
from rayfed.learning.noise import SecretStream
from rayfed.learning.private import PrivateTrainer
from rayfed.learning.train import Trainer

IMAGES, BATCH, REPEATS, BARE_STEPS = 25_600, 256, 5, 100
MEAN, STD = (491_000, 482_000, 446_000), (247_000, 243_000, 261_000)
ADAM = {"_target_": "torch.optim.Adam", "lr": 1e-3}
COMMON = {"optimizer": ADAM, "batch_size": BATCH, "augment": {"flip": True, "shift": 0.1}}
PAPER = {"_target_": "rayfed.learning.models.PaperCNN", "dropout": 0.5}
RESNET = {"_target_": "torchvision.models.resnet18"}
SMALL = {"_target_": "rayfed.learning.models.SmallCNN"}
BF16: dict[str, Any] = {"precision": "bf16"}


def device() -> torch.device:
    """Return the GPU.

    Raises:
        Unavailable: there is none.
    """
    if not torch.cuda.is_available():
        raise Unavailable("torch finds no GPU")
    return torch.device("cuda")


@cache
def images(n: int) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Return ``n`` random (3, 32, 32) images and classes, the same every time."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8), rng.integers(0, 10, n)


class Fit:
    """Trains a model for one epoch after the other, by rayfed."""

    def __init__(self, model: Mapping[str, Any], n: int = IMAGES, **settings: Any) -> None:
        net = models.build(model, (3, 32, 32), 10, seed=0)
        self.base = {name: value.clone() for name, value in net.state_dict().items()}
        self.x, self.y = images(n)
        self.trainer = Trainer(net, {**COMMON, **settings})

    def epoch(self, round: int = 1) -> dict[str, torch.Tensor]:
        """Train one epoch; return the state."""
        return self.trainer.fit(self.base, self.x, self.y, MEAN, STD, 1, round).state

    def rates(self) -> list[float]:
        """Return thousand images a second of each of ``REPEATS`` epochs, after one that warms up."""
        return [len(self.x) / second / 1e3 for second in _seconds(self.epoch, REPEATS)]


def _seconds(work: Callable[[], object], repeats: int) -> list[float]:
    taken = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return taken[1:]


def bare(*, bf16: bool = False, last: bool = False, graph: bool = True, deterministic: bool = True) -> list[float]:
    """Return thousand images a second of a step on one batch, without rayfed."""
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, not deterministic
    kind = torch.channels_last if bf16 or last else torch.contiguous_format
    net = models.PaperCNN((3, 32, 32), 10).cuda().to(memory_format=kind)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True, capturable=graph)
    x = torch.rand(BATCH, 3, 32, 32, device="cuda").to(memory_format=kind)
    y = torch.randint(0, 10, (BATCH,), device="cuda")

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
            loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        optimizer.step()

    work = step
    if graph:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        recorded = torch.cuda.CUDAGraph()
        optimizer.zero_grad()
        with torch.cuda.graph(recorded):
            step()
        work = recorded.replay
    taken = _seconds(lambda: [work() for _ in range(BARE_STEPS)], REPEATS)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return [BATCH * BARE_STEPS / second / 1e3 for second in taken]


def private(n: int = 5_000) -> list[float]:
    """Return thousand images a second under DP-SGD, which is never recorded."""
    net = models.build(SMALL, (3, 32, 32), 10, seed=0)
    base = {name: value.clone() for name, value in net.state_dict().items()}
    trainer = PrivateTrainer(net, COMMON, max_grad_norm=1.0)
    x, y = images(n)
    work = lambda: trainer.fit_privately(base, x, y, MEAN, STD, SecretStream(bytes(32)), 1.0, 1)  # noqa: E731
    return [n / second / 1e3 for second in _seconds(work, 3)]


def digest(name: str) -> str:
    """Train the model two rounds by ``SAME[name]`` and return what its bits hash to."""
    model, settings = SAME[name]
    fit = Fit(model, 5_000, **settings)
    fit.base = fit.epoch(1)
    state = fit.epoch(2)
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest()


SAME: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "fp32": (PAPER, {}),
    "bf16": (PAPER, BF16),
    "bf16, not recorded": (PAPER, {**BF16, "capture": False}),
    "ResNet-18, fp32": (RESNET, {}),
    "ResNet-18, bf16": (RESNET, BF16),
}


def same_bits() -> dict[str, bool]:
    """Return, for each of ``SAME``, whether two runs in this process and one in another give the same bits."""
    command = "from benchmarks.gpu import SAME, digest; print(*map(digest, SAME), sep='\\n')"
    other = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    elsewhere = dict(zip(SAME, other.stdout.split(), strict=True))
    return {name: len({digest(name), digest(name), elsewhere[name]}) == 1 for name in SAME}


def figures() -> tuple[list[Figure], dict[str, str]]:
    """Measure; return the lines, and for each of rayfed's why it was not recorded, if it was not."""
    unit, found, unfit = "k/s", [], {}

    def line(name: str, values: list[float], note: str = "", target: float | None = None) -> None:
        found.append(Figure(name, unit, values, note, target))
        print(f"{name:48s} {found[-1].median:8.1f}", flush=True)

    def fit(name: str, model: Mapping[str, Any], target: float | None = None, **settings: Any) -> None:
        made = Fit(model, **settings)
        line(name, made.rates(), "", target)
        if made.trainer.captured is not None and made.trainer.captured.unfit:
            unfit[name] = made.trainer.captured.unfit

    line("bare step, fp32", bare(graph=False), "kernel by kernel; baseline")
    line("bare step, fp32, graph", bare())
    line("bare step, fp32, graph, channels last", bare(last=True))
    line("bare step, fp32, graph, any algorithm", bare(deterministic=False), "other bits from run to run")
    line("bare step, bf16", bare(bf16=True, graph=False), "kernel by kernel; baseline")
    line("bare step, bf16, graph", bare(bf16=True))
    line("bare step, bf16, graph, any algorithm", bare(bf16=True, deterministic=False), "other bits from run to run")
    fit("fit, fp32, as it was", PAPER, capture=False, channels_last=False)
    fit("fit, fp32, not recorded", PAPER, capture=False)
    fit("fit, fp32", PAPER, 50)
    fit("fit, bf16, not recorded", PAPER, **BF16, capture=False)
    fit("fit, bf16", PAPER, 95, **BF16)
    fit("fit, bf16, no augmentation", PAPER, **BF16, augment=None)
    fit("fit, bf16, 5,000 images", PAPER, **BF16, n=5_000)
    fit("ResNet-18, bf16, not recorded", RESNET, **BF16, capture=False, n=10_000)
    fit("ResNet-18, bf16", RESNET, **BF16, n=10_000)
    fit("ResNet-18, fp32", RESNET, n=10_000)
    line("DP-SGD, fp32, SmallCNN", private(), "never recorded; bounded by noise that is drawn on the processor")
    return found, unfit


def main() -> None:
    """Measure, print, write."""
    device()
    found, unfit = figures()
    same = same_bits()
    print(*(f"same bits twice, and in another process: {name}: {yes}" for name, yes in same.items()), sep="\n")
    print(*(f"not recorded: {name}: {why}" for name, why in unfit.items()), sep="\n")
    report(
        "gpu",
        "training on one GPU, thousand images a second, beside a bare step of the same arithmetic",
        found,
        packages=("torch", "numpy"),
        details={
            "gpu": torch.cuda.get_device_name(),
            "images": IMAGES,
            "batch": BATCH,
            "same_bits": same,
            "not_recorded": unfit,
        },
    )


if __name__ == "__main__":
    main()

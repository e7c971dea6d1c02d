"""Local training: from a base model and a node's own examples to that node's update.

FedAvg's client step (McMahan et al. 2017, algorithm 1), with FedProx's proximal term (Li et al. 2020, equation 2) if
asked. The loop touches examples in whole batches only and never waits for the device within an epoch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning.augment import Augment
from rayfed.learning.captured import CapturedLoop, Job
from rayfed.learning.evaluate import Evaluation, evaluate
from rayfed.learning.feeds import ArrayFeed, Feed, ImageFeed, targets_on
from rayfed.learning.images import Kept, Normalise, autocast
from rayfed.learning.judging_model import JudgingModel
from rayfed.learning.optimizers import Optimizers
from rayfed.learning.seeding import seeded
from rayfed.learning.step import Recipe
from rayfed.learning.stopping import check, never
from rayfed.learning.task import Task, forward
from rayfed.learning.tasks import Classification, smoothed
from rayfed.learning.uncompiled import step_of

State = dict[str, torch.Tensor]

KEPT_BYTES = 2 << 30
"""Images that a trainer keeps on a GPU, of all nodes that share it."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of local training.

    Attributes:
        state: the model's state dict, on the CPU, the caller's to keep.
        loss: mean training loss over the last epoch, with classes in nats.
        accuracy: mean score while training in the last epoch; with classes the part that is classified right, 0..1.
        examples: examples in an epoch: this node's weight in the merge.
        steps: optimiser steps over all epochs.
    """

    state: State
    loss: float
    accuracy: float
    examples: int
    steps: int


class Trainer:
    """Trains one model again and again from whatever base it is given. Threads that share it wait for each other.

    Keeps the module, its buffers and the examples' tensors between calls, and nothing that a result depends on: ``fit``
    is a function of its arguments, bit for bit on one machine with one number of threads (on a GPU as far as torch's
    own operations are). On a GPU steps are recorded as CUDA graphs, unless ``captured.unfit`` says why not.

    Args:
        model: from ``models.build``; the trainer moves it to its device and owns it from now on.
        settings: the config group ``train``. All keys but ``optimizer`` may be left out:
            ``optimizer`` (``_target_`` and parameters, built anew each round), ``schedule`` (None, or a
            ``torch.optim.lr_scheduler`` that is stepped once a round), ``epochs`` (1), ``batch_size`` (64), ``mu``
            (0, FedProx), ``label_smoothing`` (0), ``weight_decay_on`` (patterns of parameter names that the
            optimiser's ``weight_decay`` is for; all if empty), ``device`` (auto), ``threads`` (None: torch's own),
            ``precision`` (fp32 or bf16), ``channels_last`` (None: on a GPU), ``capture`` (true: CUDA graphs where there
            can be any), ``augment`` (None; the group ``data.augment``).
        task: what is learned; None: ``Classification``. Only that is recorded.

    Raises:
        ConfigError: names the key under ``train``.
    """

    def __init__(self, model: nn.Module, settings: Mapping[str, Any], task: Task | None = None) -> None:
        self.task: Task = task or Classification()
        self.epochs = _at_least(1, settings, "epochs", 1)
        self.batch_size = _at_least(1, settings, "batch_size", 64)
        self.threads = _at_least(1, settings, "threads", None)
        self.mu = float(settings.get("mu") or 0.0)
        self.label_smoothing = float(settings.get("label_smoothing") or 0.0)
        self._trained_task = smoothed(self.task, self.label_smoothing)
        self.precision = str(settings.get("precision") or "fp32")
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError("train.precision", f"{self.precision!r} is unknown; choose fp32 or bf16")
        if self.mu < 0:
            raise ConfigError("train.mu", f"must not be negative, is {self.mu}")
        self.augment = Augment.of(settings.get("augment"))
        self.device = _device(str(settings.get("device") or "auto"))
        layout = settings.get("channels_last")
        self.channels_last = self.device.type == "cuda" if layout is None else bool(layout)
        self.model = model.to(self.device)
        if self.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        get = settings.get
        self._optimizers = Optimizers(self.model, get("optimizer") or {}, get("schedule"), get("weight_decay_on") or ())
        self.captured = self._captured_loop() if settings.get("capture", True) else None
        self._busy = threading.Lock()
        self._judge: JudgingModel | None = None
        self._resident = Kept(self.device, KEPT_BYTES if self.device.type == "cuda" else 0)
        self._build_optimizer(1)  # a wrong setting is told now, not in round 1

    def fit(
        self,
        base: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8] | tuple[NDArray[Any], ...],
        y: NDArray[Any],
        mean: Sequence[int],
        std: Sequence[int],
        seed: int,
        round: int,
        should_stop: Callable[[], bool] = never,
    ) -> Fit:
        """Train from ``base`` for this trainer's epochs and return the update.

        Args:
            base: state dict that the round starts from; not changed.
            x: (n, c, h, w) uint8, this node's images; or a tuple of inputs, (n, ...) each, that are used as they are.
            y: (n, ...) their targets; classes are from 0.
            mean, std: by channel of images, in millionths of the 0..1 range.
            seed: this node's; order, augmentation and dropout follow from it and ``round``.
            round: from 1; the schedule's position.
            should_stop: asked between batches.

        Raises:
            TrainingStopped: ``should_stop`` said so.
        """
        n = len(y)
        if n == 0:
            raise ConfigError("partition.min_examples", "a node without a single training example cannot train")
        draw, dropout = (int(word >> 1) for word in np.random.SeedSequence([seed, round]).generate_state(2, np.uint64))
        with self._busy, seeded(dropout, self._cuda()), _threads(self.threads):
            generator = torch.Generator().manual_seed(draw)
            targets, batches = targets_on(y, self.device), list(_batches(n, self.batch_size))
            if self.captured is not None and not isinstance(x, tuple):
                job = Job(base, self._resident(x), targets, mean, std, batches, self.epochs, round)
                ready = self.captured.prepare(job)
                torch.manual_seed(dropout)  # whatever a trial has drawn
                if ready:
                    sums = self.captured.run(job, generator, should_stop)
                    return self._outcome(sums.loss, sums.correct, n, len(batches))
            return self._fit(base, self._feed(x, mean, std), targets, batches, generator, round, should_stop)

    def _feed(self, x: NDArray[np.uint8] | tuple[NDArray[Any], ...], mean: Sequence[int], std: Sequence[int]) -> Feed:
        """Return what gives batches of these examples."""
        if isinstance(x, tuple):
            return ArrayFeed([self._resident(one) for one in x])
        return ImageFeed(self._resident(x), Normalise(mean, std, self.device, self.channels_last), self.augment)

    def evaluate(
        self,
        state: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8] | tuple[NDArray[Any], ...],
        y: NDArray[Any],
        mean: Sequence[int],
        std: Sequence[int],
        batch: int | None = None,
    ) -> Evaluation:
        """Evaluate a state in this trainer's model, on its device, in its precision and memory format."""
        with self.undisturbed():
            self.model.load_state_dict(state)
            there: Any = x
            if self.device.type != "cpu":
                there = tuple(map(self._resident, x)) if isinstance(x, tuple) else self._resident(x)
            return evaluate(
                self.model, there, y, mean, std,
                batch=batch, precision=self.precision, channels_last=self.channels_last, task=self.task,
            )  # fmt: skip

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Keep the trainer's models to the calling thread for a while, with the number of threads that it was told."""
        with self._busy, _threads(self.threads):
            yield

    def judge(self) -> JudgingModel:
        """Return the model's copy that judges, made when it is first asked for: who never judges needs no memory."""
        if self._judge is None:
            self._judge = JudgingModel(self.model)
        return self._judge

    def _fit(
        self,
        base: Mapping[str, torch.Tensor],
        feed: Feed,
        targets: torch.Tensor,
        batches: Sequence[tuple[int, int]],
        generator: torch.Generator,
        round: int,
        should_stop: Callable[[], bool],
    ) -> Fit:
        model, device, n = self.model, self.device, len(targets)
        model.load_state_dict(base)
        model.train()
        optimizer = self._build_optimizer(round)
        step = step_of(optimizer)
        parameters = [p for p in model.parameters() if p.requires_grad]
        anchors = [p.detach().clone() for p in parameters] if self.mu else []
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.float64, device=device)
        for epoch in range(1, self.epochs + 1):
            order = torch.randperm(n, generator=generator).to(device)
            feed.begin(n, generator)
            for start, end in batches:
                check(should_stop)
                chosen = order[start:end]
                wanted = targets[chosen]
                inputs = feed.batch(chosen, start)
                for parameter in parameters:
                    parameter.grad = None
                with autocast(device, self.precision):
                    loss, outputs = forward(self._trained_task, model, inputs, wanted)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
                if anchors:  # gradient of mu/2 * |w - base|^2
                    with torch.no_grad():
                        for parameter, anchor in zip(parameters, anchors, strict=True):
                            if parameter.grad is not None:
                                parameter.grad.add_(parameter - anchor, alpha=self.mu)
                step()
                if epoch == self.epochs:
                    loss_sum += loss.detach() * len(chosen)
                    with torch.no_grad():
                        correct += self.task.score(outputs, wanted).sum()
        return self._outcome(loss_sum, correct, n, len(batches))

    def _outcome(self, loss_sum: torch.Tensor, correct: torch.Tensor, n: int, batches: int) -> Fit:
        """Return the model as it is now, with what its last epoch added up to."""
        state = {name: value.detach().to("cpu", copy=True) for name, value in self.model.state_dict().items()}
        return Fit(state, float(loss_sum) / n, float(correct) / n, n, self.epochs * batches)

    def _captured_loop(self) -> CapturedLoop | None:
        """Return what trains by recorded steps, where there can be any."""
        if self.device.type != "cuda" or not isinstance(self.task, Classification):
            return None
        recipe = Recipe(self.precision, self.channels_last, self.label_smoothing, self.mu, self.augment)
        return CapturedLoop(self.model, self._optimizers, recipe)

    def _build_optimizer(self, round: int) -> torch.optim.Optimizer:
        """Return a fresh optimiser with the learning rate of this round."""
        return self._optimizers.build(round)

    def _cuda(self) -> list[int]:
        return [self.device.index or 0] if self.device.type == "cuda" else []


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Set torch's number of threads for a while; the bits that come out depend on it."""
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batches(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each batch; a single example left over joins the last one, for batch norm's sake."""
    start = 0
    while start < n:
        end = n if n - start <= size + (size > 1) else start + size
        yield start, end
        start = end


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        if not torch.cuda.is_available():
            raise ConfigError("train.device", f"is {name!r}, but torch finds no CUDA device; choose cpu or auto")
        torch.backends.cudnn.deterministic = True  # the same seed, the same update
        torch.backends.cudnn.benchmark = False
    elif name != "cpu":
        raise ConfigError("train.device", f"{name!r} is unknown; choose auto, cpu or cuda")
    return torch.device(name)


def _at_least(least: int, settings: Mapping[str, Any], key: str, default: Any) -> Any:
    value = settings.get(key)
    value = default if value is None else value
    if value is not None and (not isinstance(value, int) or value < least):
        raise ConfigError(f"train.{key}", f"must be a whole number of at least {least}, is {value}")
    return value

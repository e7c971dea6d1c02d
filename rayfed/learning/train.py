"""Local training: from a base model and a node's own pictures to that node's update.

FedAvg's client step (McMahan et al. 2017, algorithm 1), with FedProx's proximal term (Li et al. 2020, equation 2) if
asked. The loop touches pictures in whole batches only and never waits for the device within an epoch.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from rayfed.errors import ConfigError
from rayfed.learning import TrainingStopped
from rayfed.learning.augment import Augment
from rayfed.learning.evaluate import Evaluation, evaluate
from rayfed.learning.images import Normalise, autocast, resident
from rayfed.learning.seeding import seeded
from rayfed.learning.targets import call

State = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of local training.

    Attributes:
        state: the model's state dict, on the CPU, the caller's to keep.
        loss: mean training loss over the last epoch, in nats.
        accuracy: part of the pictures classified right while training in the last epoch, 0..1.
        examples: pictures in an epoch: this node's weight in the merge.
        steps: optimiser steps over all epochs.
    """

    state: State
    loss: float
    accuracy: float
    examples: int
    steps: int


def never() -> bool:
    """Say that training should not stop."""
    return False


def check(should_stop: Callable[[], bool]) -> None:
    """End training here if it should stop.

    Raises:
        TrainingStopped: it should.
    """
    if should_stop():
        raise TrainingStopped("training was stopped: its round has gone on without it")


class Trainer:
    """Trains one model again and again from whatever base it is given. Threads that share it wait for each other.

    Keeps the module, its buffers and the pictures' tensors between calls, and nothing that a result depends on: ``fit``
    is a function of its arguments, bit for bit on one machine with one number of threads (on a GPU as far as torch's
    own operations are).

    Args:
        model: from ``models.build``; the trainer moves it to its device and owns it from now on.
        settings: the config group ``train``. All keys but ``optimizer`` may be left out:
            ``optimizer`` (``_target_`` and parameters, built anew each round), ``schedule`` (None, or a
            ``torch.optim.lr_scheduler`` that is stepped once a round), ``epochs`` (1), ``batch_size`` (64), ``mu``
            (0, FedProx), ``label_smoothing`` (0), ``weight_decay_on`` (patterns of parameter names that the
            optimiser's ``weight_decay`` is for; all if empty), ``device`` (auto), ``threads`` (None: torch's own),
            ``precision`` (fp32 or bf16), ``channels_last`` (false), ``augment`` (None; the group ``data.augment``).

    Raises:
        ConfigError: names the key under ``train``.
    """

    def __init__(self, model: nn.Module, settings: Mapping[str, Any]) -> None:
        self.epochs = _at_least(1, settings, "epochs", 1)
        self.batch_size = _at_least(1, settings, "batch_size", 64)
        self.threads = _at_least(1, settings, "threads", None)
        self.mu = float(settings.get("mu") or 0.0)
        self.label_smoothing = float(settings.get("label_smoothing") or 0.0)
        self.precision = str(settings.get("precision") or "fp32")
        if self.precision not in ("fp32", "bf16"):
            raise ConfigError("train.precision", f"{self.precision!r} is unknown; choose fp32 or bf16")
        if self.mu < 0:
            raise ConfigError("train.mu", f"must not be negative, is {self.mu}")
        self.channels_last = bool(settings.get("channels_last", False))
        self.augment = Augment.of(settings.get("augment"))
        self.device = _device(str(settings.get("device") or "auto"))
        self._optimizer: Mapping[str, Any] = settings.get("optimizer") or {}
        self._schedule: Mapping[str, Any] | None = settings.get("schedule")
        self._decay_on: Sequence[str] = settings.get("weight_decay_on") or ()
        self.model = model.to(self.device)
        if self.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        self._busy = threading.Lock()
        self._kept: list[tuple[NDArray[np.uint8], torch.Tensor]] = []
        self._build_optimizer(1)  # a wrong setting is told now, not in round 1

    def fit(
        self,
        base: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8],
        y: NDArray[np.integer[Any]],
        mean: Sequence[int],
        std: Sequence[int],
        seed: int,
        round: int,
        should_stop: Callable[[], bool] = never,
    ) -> Fit:
        """Train from ``base`` for this trainer's epochs and return the update.

        Args:
            base: state dict that the round starts from; not changed.
            x: (n, c, h, w) this node's pictures.
            y: (n,) their classes, from 0.
            mean, std: by channel, in millionths of the 0..1 range.
            seed: this node's; order, augmentation and dropout follow from it and ``round``.
            round: from 1; the schedule's position.
            should_stop: asked between batches.

        Raises:
            TrainingStopped: ``should_stop`` said so.
        """
        if len(x) == 0:
            raise ConfigError("partition.min_examples", "a node without a single training picture cannot train")
        draw, dropout = (int(word >> 1) for word in np.random.SeedSequence([seed, round]).generate_state(2, np.uint64))
        with self._busy, seeded(dropout, self._cuda()), _threads(self.threads):
            generator = torch.Generator().manual_seed(draw)
            normalise = Normalise(mean, std, self.device, self.channels_last)
            return self._fit(base, x, y, normalise, generator, round, should_stop)

    def evaluate(
        self,
        state: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8],
        y: NDArray[np.integer[Any]],
        mean: Sequence[int],
        std: Sequence[int],
        batch: int | None = None,
        quick: bool = False,
    ) -> Evaluation:
        """Evaluate a state in this trainer's model, on its device, in its precision and memory format.

        Args:
            quick: in channels-last whatever the format: up to three times as fast, and other last bits.
        """
        with self._busy, _threads(self.threads), self._format(quick or self.channels_last):
            self.model.load_state_dict(state)
            pictures: NDArray[np.uint8] | torch.Tensor = x if self.device.type == "cpu" else self._resident(x)
            return evaluate(
                self.model, pictures, y, mean, std,
                batch=batch, precision=self.precision, channels_last=quick or self.channels_last,
            )  # fmt: skip

    @contextmanager
    def _format(self, channels_last: bool) -> Iterator[None]:
        """Have the model in this memory format for a while."""
        if channels_last == self.channels_last:
            yield
            return
        self.model.to(memory_format=torch.channels_last)
        try:
            yield
        finally:
            self.model.to(memory_format=torch.contiguous_format)

    def _fit(
        self,
        base: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8],
        y: NDArray[np.integer[Any]],
        normalise: Normalise,
        generator: torch.Generator,
        round: int,
        should_stop: Callable[[], bool],
    ) -> Fit:
        model, device, n = self.model, self.device, len(x)
        model.load_state_dict(base)
        model.train()
        pictures, labels = self._resident(x), torch.from_numpy(np.array(y, dtype=np.int64)).to(device)
        optimizer = self._build_optimizer(round)
        parameters = [p for p in model.parameters() if p.requires_grad]
        anchors = [p.detach().clone() for p in parameters] if self.mu else []
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        batches = list(_batches(n, self.batch_size))
        for epoch in range(1, self.epochs + 1):
            order = torch.randperm(n, generator=generator).to(device)
            draws = self.augment.draw(n, pictures.shape[2:], generator, device)
            for start, end in batches:
                check(should_stop)
                chosen = order[start:end]
                wanted = labels[chosen]
                images = normalise(draws.apply(pictures[chosen], start))
                optimizer.zero_grad()
                with autocast(device, self.precision):
                    scores = model(images)
                    loss = cross_entropy(scores, wanted, label_smoothing=self.label_smoothing)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
                if anchors:  # gradient of mu/2 * |w - base|^2
                    with torch.no_grad():
                        for parameter, anchor in zip(parameters, anchors, strict=True):
                            if parameter.grad is not None:
                                parameter.grad.add_(parameter - anchor, alpha=self.mu)
                optimizer.step()
                if epoch == self.epochs:
                    loss_sum += loss.detach() * len(chosen)
                    correct += (scores.detach().argmax(1) == wanted).sum()
        state = {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}
        return Fit(state, float(loss_sum) / n, int(correct) / n, n, self.epochs * len(batches))

    def _build_optimizer(self, round: int) -> torch.optim.Optimizer:
        """Return a fresh optimiser with the learning rate of this round."""
        groups = self._groups()
        optimizer = call(self._optimizer, "train.optimizer", groups)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise ConfigError("train.optimizer._target_", f"{type(optimizer).__name__} is no torch optimiser")
        if len(groups) > 1 and "weight_decay" not in optimizer.defaults:
            raise ConfigError("train.optimizer._target_", f"{type(optimizer).__name__} has no weight_decay to be given")
        if self._schedule:
            _advance(call(self._schedule, "train.schedule", optimizer), round)
        return optimizer

    def _groups(self) -> list[dict[str, Any]]:
        """Return the parameter groups: those with the optimiser's own decay, those with none, those with their own L2.

        A model may carry ``l2``, a dict from parameter name to the coefficient of its squared norm in the loss; the
        gradient of that is a weight decay of twice the coefficient (for optimisers that couple it, as SGD and Adam).
        """
        own: Mapping[str, float] = getattr(self.model, "l2", {})
        groups: dict[float | None, list[nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad:
                continue
            decay: float | None = None
            if name in own:
                decay = 2 * own[name]
            elif self._decay_on and not any(fnmatch(name, pattern) for pattern in self._decay_on):
                decay = 0.0
            groups.setdefault(decay, []).append(parameter)
        if not groups:
            raise ConfigError("model", "has no parameter that could be trained")
        return [
            {"params": members} if decay is None else {"params": members, "weight_decay": decay}
            for decay, members in groups.items()
        ]

    def _resident(self, x: NDArray[np.uint8]) -> torch.Tensor:
        """Return the pictures on the device; those used last are kept there (few: nodes may share a trainer)."""
        for array, tensor in self._kept:
            if array is x:
                return tensor
        self._kept = [(x, resident(x, self.device)), *self._kept[:3]]
        return self._kept[0][1]

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
    """Yield (start, end) of each batch; a single picture left over joins the last one, for batch norm's sake."""
    start = 0
    while start < n:
        end = n if n - start <= size + (size > 1) else start + size
        yield start, end
        start = end


def _advance(scheduler: Any, round: int) -> None:
    """Step a fresh scheduler to where it stands in this round."""
    if not isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler) or isinstance(
        scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau
    ):
        raise ConfigError("train.schedule._target_", f"{type(scheduler).__name__} does not follow the round alone")
    with warnings.catch_warnings():
        # torch warns that the optimiser has not stepped yet. It has not: it is fresh each round, only its rate ages.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        for _ in range(round - 1):
            scheduler.step()


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

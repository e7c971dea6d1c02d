"""Training by CUDA graphs: a whole step is recorded once, then launched as one, so that the GPU never waits for Python.

A small network's step is a few hundred short kernels, and launching them one by one takes longer than running them. A
recorded step repeats what was recorded, at the same addresses; what a model does on the processor in its forward pass
(branches that depend on data, random numbers, counters) would be frozen. So a recording is tried before it is used: its
steps must give the very bits that the same steps give without it. Otherwise the caller trains as if there were no
graphs.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning.images import Normalise
from rayfed.learning.optimizers import Optimizers, parameters_of, set_rates, start_anew
from rayfed.learning.raised import first_line
from rayfed.learning.step import Course, Recipe, Step
from rayfed.learning.stopping import check, never
from rayfed.learning.trial import Unfit, stays_on_device

log = logging.getLogger(__name__)

TRIED = 3
"""Steps that a recording is compared on: enough for what depends on the step before, and on the one before that."""

AT_ONCE = 2**24
"""Values of the images that are prepared together: a few kernels for many steps, 64 MiB of memory."""


@dataclass(frozen=True, slots=True)
class Job:
    """One round's training.

    Attributes:
        base: state dict that the round starts from.
        images: (n, c, h, w) uint8, on the device.
        labels: (n,) int64, on the device.
        mean, std: by channel, in millionths of the 0..1 range.
        batches: first image and past the last of each batch of an epoch.
        epochs: at least one.
        round: the schedule's position.
    """

    base: Mapping[str, torch.Tensor]
    images: torch.Tensor
    labels: torch.Tensor
    mean: Sequence[int]
    std: Sequence[int]
    batches: Sequence[tuple[int, int]]
    epochs: int
    round: int


class CapturedLoop:
    """Trains one model by recorded steps, one recording for each batch size.

    Attributes:
        unfit: why this model is not trained so; None as long as it is.

    Args:
        model: on its device, in its memory format. Its tensors should stay where they are, or it is recorded again.
        optimizers: for ``model``.
        recipe: what a step does.
    """

    def __init__(self, model: nn.Module, optimizers: Optimizers, recipe: Recipe) -> None:
        self.unfit: str | None = None
        self._model, self._optimizers, self._recipe = model, optimizers, recipe
        self._device = next(model.parameters()).device
        self._course: Course | None = None
        self._key: object = None
        self._steps: dict[int, Step] = {}
        self._pool: Any = None

    def prepare(self, job: Job) -> bool:
        """Record and try what is not recorded yet; return whether ``run`` may be called.

        The model's state and torch's generators are left as they fall out. What was found unfit is not tried again.
        """
        if self.unfit is not None:
            return False
        wanted = self._optimizers.build(job.round)
        key = (job.images.shape[1:], tuple(job.mean), tuple(job.std), parameters_of(wanted), _places(self._model))
        try:
            if self._course is None or key != self._key:
                self._forget()
                self._course, self._key = self._new_course(wanted, job), key
            set_rates(self._course.optimizer, wanted)
            for size in sorted({end - start for start, end in job.batches} - self._steps.keys()):
                self._steps[size] = self._tried(self._course, job, size, wanted)
        except (Unfit, RuntimeError, ConfigError) as error:  # CUDA's errors and a full memory are RuntimeErrors
            self._forget()
            self.unfit = first_line(error)
            log.info("trains without CUDA graphs: %s", self.unfit)
        return self.unfit is None

    def run(self, job: Job, generator: torch.Generator, should_stop: Callable[[], bool] = never) -> Course:
        """Train the model; ``prepare`` was called with the same job. Return the sums over the last epoch.

        Args:
            generator: on the CPU; order and augmentation are drawn from it.
            should_stop: asked between groups of batches.

        Raises:
            TrainingStopped: ``should_stop`` said so.
        """
        if self._course is None:
            raise RuntimeError("nothing was recorded: call prepare first")
        course, n = self._course, len(job.images)
        self._start(course, job)
        for _ in range(job.epochs):
            order = torch.randperm(n, generator=generator).to(self._device)
            draws = self._recipe.augment.draw(n, job.images.shape[2:], generator, self._device)
            course.clear_sums()
            for group in _groups(job.batches, max(1, AT_ONCE // job.images[0].numel())):
                check(should_stop)
                first, last = group[0][0], group[-1][1]
                chosen = order[first:last]
                images, labels = course.prepared(job.images[chosen], draws, first), job.labels[chosen]
                for start, end in group:
                    here = slice(start - first, end - first)
                    self._steps[end - start].take(images[here], labels[here])
        course.end()
        return course

    def _new_course(self, wanted: torch.optim.Optimizer, job: Job) -> Course:
        optimizer = self._optimizers.on_device(wanted, self._device)
        if optimizer is None:
            raise Unfit(f"{type(wanted).__name__}, as it is set, has no step that stays on the GPU")
        normalise = Normalise(job.mean, job.std, self._device, self._recipe.channels_last)
        return Course(self._model, optimizer, self._recipe, normalise)

    def _start(self, course: Course, job: Job) -> None:
        """Put everything where a round begins."""
        self._model.load_state_dict(job.base)
        self._model.train()
        start_anew(course.optimizer)
        course.begin()

    def _tried(self, course: Course, job: Job, size: int, wanted: torch.optim.Optimizer) -> Step:
        """Return a recorded step of ``size`` images that does what the same step does that is not recorded."""
        fresh, n = self._new_course(wanted, job), len(job.images)
        draws = self._recipe.augment.draw(size, job.images.shape[2:], torch.Generator().manual_seed(0), self._device)
        chosen = [torch.arange(k, k + size, device=self._device) % n for k in range(TRIED)]
        batches = [(course.prepared(job.images[some], draws, 0), job.labels[some]) for some in chosen]
        step, plain = Step(course, batches[0][0]), Step(fresh, batches[0][0])

        def outcome(step: Step, course: Course) -> list[torch.Tensor]:
            self._start(course, job)
            course.clear_sums()
            torch.manual_seed(0)
            for images, labels in batches:
                step.take(images, labels)
            return [value.clone() for value in (*self._model.state_dict().values(), course.loss, course.correct)]

        with warnings.catch_warnings(), _beside(self._device):
            # torch warns that an optimizer made for recording is run without: the comparison does just that.
            warnings.filterwarnings("ignore", message="This instance was constructed with capturable=True")
            self._start(course, job)
            stays_on_device(self._model, lambda: step.take(*batches[0]))  # and makes what only a first step makes
            expected = outcome(plain, fresh)
            if self._device.type == "cuda":
                self._pool = step.record(self._pool)
            found = outcome(step, course)
        if not all(torch.equal(a, b) for a, b in zip(expected, found, strict=True)):
            raise Unfit("recorded steps do not give what the same steps give one by one")
        return step

    def _forget(self) -> None:
        self._steps, self._course, self._key, self._pool = {}, None, None, None


def _groups(batches: Sequence[tuple[int, int]], most: int) -> Iterator[list[tuple[int, int]]]:
    """Yield runs of batches that together have ``most`` images, or a single one that has more."""
    group: list[tuple[int, int]] = []
    for start, end in batches:
        if group and end - group[0][0] > most:
            yield group
            group = []
        group.append((start, end))
    if group:
        yield group


@contextmanager
def _beside(device: torch.device) -> Iterator[None]:
    """Work on a stream of one's own, and put torch's generator right if recording fails half-way.

    A generator that a failed recording used believes for ever that it is still being recorded.
    """
    if device.type != "cuda":
        yield
        return
    generator = torch.cuda.default_generators[device.index or 0]
    spare = generator.clone_state()
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    stream.wait_stream(torch.cuda.current_stream(device))
    try:
        with torch.cuda.stream(stream):
            yield
    except BaseException:
        generator.graphsafe_set_state(spare)
        raise
    finally:
        torch.cuda.current_stream(device).wait_stream(stream)


def _places(model: nn.Module) -> list[tuple[str, int, tuple[int, ...], bool]]:
    """Return where each of the model's tensors lies, how it is laid out and whether it is trained."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return [(name, value.data_ptr(), value.stride(), value.requires_grad) for name, value in tensors]

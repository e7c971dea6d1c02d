"""The tasks that come with rayfed; ``rayfed.learning.task.Task`` says what one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rayfed.errors import CodecError, ConfigError
from rayfed.learning.raised import first_line
from rayfed.learning.scores import scores_of
from rayfed.learning.targets import call, locate, takes
from rayfed.learning.task import Steps, Task, forward
from rayfed.protocol.metric import ACCURACY, Metric

CLASSIFICATION = "rayfed.learning.tasks.Classification"
"""The task of images, and of whatever says nothing else."""

LABELS = Metric("label_accuracy")
BITS = Metric("bits_per_token", False, "mean", False)
LOSS = Metric("loss", False, "mean", False)


@dataclass(frozen=True)
class Classification:
    """One class an example: cross-entropy in nats, and the part of the examples that are put into their own class.

    Args:
        label_smoothing: part of the target that is spread over all classes while training.
    """

    label_smoothing: float = 0.0
    metric: Metric = ACCURACY

    def loss(self, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``. (b, classes) scores and (b,) classes give (b,)."""
        return self.reduced(outputs, targets, "none")

    def reduced(self, outputs: Any, targets: torch.Tensor, how: str) -> torch.Tensor:
        """See ``Reduces``."""
        scores = scores_of(outputs)
        return functional.cross_entropy(scores, targets, label_smoothing=self.label_smoothing, reduction=how)

    def score(self, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``."""
        return scores_of(outputs).argmax(1) == targets


@dataclass(frozen=True)
class Regression:
    """Numbers: half the squared error of standardised targets, which is a Gaussian's negative log-likelihood in nats.

    The metric is ``rmse``, the root of the mean squared error, of a single target in its own unit and of several in
    their standard deviations; or ``r2``, the part of the variance that is explained. Mean and variance for that are the
    charter's, not the test set's, so that the figures of several nodes add up.

    Args:
        measure: ``rmse`` or ``r2``.
        scale: standard deviation of the target, filled in from the data.
    """

    measure: str = "rmse"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.measure not in ("rmse", "r2"):
            raise ConfigError("task.measure", f"{self.measure!r} is neither rmse nor r2")

    @property
    def metric(self) -> Metric:
        """See ``Task``."""
        return Metric("r2", percent=False) if self.measure == "r2" else Metric("rmse", False, "rms", False)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``. (b, targets) twice give (b,)."""
        return (_like(outputs, targets) - targets).square().flatten(1).mean(1) / 2

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``."""
        squared = (_like(outputs, targets) - targets).square().flatten(1).mean(1)
        return 1 - squared if self.measure == "r2" else squared * self.scale**2


@dataclass(frozen=True)
class MultiLabel:
    """Any number of labels an example: binary cross-entropy in nats a label, and the part of the labels got right."""

    metric: Metric = LABELS

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``. (b, labels) logits and (b, labels) zeros and ones give (b,)."""
        outputs = _like(outputs, targets)
        return functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(1)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``."""
        return ((_like(outputs, targets) > 0) == (targets > 0.5)).float().mean(1)


@dataclass(frozen=True)
class NextToken:
    """The token after each token: cross-entropy in nats a token, and ``bits_per_token``, the same in bits.

    Tokens are bytes in ``data=text``, so there it is what each byte would take in a file that this model compresses.
    """

    metric: Metric = BITS

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``. (b, length, vocabulary) scores and (b, length) tokens give (b,)."""
        return functional.cross_entropy(outputs.transpose(1, 2), targets, reduction="none").mean(1)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``."""
        return self.loss(outputs, targets) / torch.log(torch.tensor(2.0))


@dataclass(frozen=True)
class OwnStep:
    """A model that knows its own loss, as a LightningModule does: ``training_step((inputs, targets), batch_index)``.

    What it returns, a tensor or a mapping with ``loss``, is one loss for the batch. It is the metric as well, measured
    by ``validation_step`` where that returns one. Optimizer and schedule are those of ``train``. A subclass may give
    another ``metric`` and ``score``; the latter gets what ``step`` returns second.
    """

    metric: Metric = LOSS

    def step(self, model: nn.Module, inputs: tuple[torch.Tensor, ...], targets: torch.Tensor) -> tuple[Any, Any]:
        """See ``Steps``."""
        batch = (inputs[0] if len(inputs) == 1 else inputs, targets)
        found = None
        if not model.training and hasattr(model, "validation_step"):
            validation_step: Any = model.validation_step
            found = _loss_in(validation_step(batch, 0))
        if found is None:
            training_step: Any = model.training_step
            found = _loss_in(training_step(batch, 0))
        if found is None:
            raise ConfigError("task", f"training_step of {type(model).__name__} returns no loss")
        return found, found

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``."""
        return outputs

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Task``."""
        return outputs.expand(len(targets))


def build(task: Mapping[str, Any], scale: float = 1.0) -> Task:
    """Return the task that the settings name.

    Args:
        task: ``_target_`` and parameters.
        scale: standard deviation of a single number to learn, for tasks that take it.

    Raises:
        ConfigError: names ``task._target_`` or ``task``.
    """
    target = task.get("_target_")
    if not isinstance(target, str):
        raise ConfigError("task._target_", "is missing; name a class, for instance " + CLASSIFICATION)
    scaled = "scale" not in task and takes(locate(target, "task._target_"), "scale")
    made = call(task, "task", **({"scale": scale} if scaled else {}))
    missing = [name for name in ("metric", "loss", "score") if not hasattr(made, name)]
    if missing or not isinstance(made.metric, Metric):
        what = missing[0] if missing else "metric, which is to be a rayfed.protocol.metric.Metric"
        raise ConfigError("task._target_", f"{target} has no {what}; a task has metric, loss and score")
    return made  # type: ignore[no-any-return]  # it has all that a Task has


def smoothed(task: Task, label_smoothing: float) -> Task:
    """Return the task as it is trained.

    Raises:
        ConfigError: names ``train.label_smoothing`` where there are no labels to smooth.
    """
    if not label_smoothing:
        return task
    if not isinstance(task, Classification):
        raise ConfigError("train.label_smoothing", f"is for classes, and {type(task).__name__} has none")
    return replace(task, label_smoothing=label_smoothing)


def described(task: Mapping[str, Any], plain: Mapping[str, Any], metric: Metric) -> dict[str, Any]:
    """Return a task as a charter holds it, given its settings as a charter may hold them; nothing for the usual one."""
    if dict(task) == {"_target_": CLASSIFICATION}:
        return {}
    try:
        Metric.from_dict(metric.to_dict())
    except CodecError as error:
        raise ConfigError("task", str(error)) from error
    return {**plain, "metric": metric.to_dict()}


def check(
    model: nn.Module, task: Task, inputs: tuple[torch.Tensor, ...], targets: torch.Tensor, privately: bool = False
) -> None:
    """Try the task on a few examples: what fits neither the model nor the data is found here, not in a node.

    Raises:
        ConfigError: names ``task`` or ``model``, or ``privacy`` where DP-SGD cannot train it.
    """
    name, training = type(task).__name__, model.training
    model.eval()
    try:
        with torch.no_grad():  # not inference mode: a model may train with what it keeps from here
            loss, outputs = forward(task, model, inputs, targets, "sum")
            single = None if isinstance(task, Steps) else task.loss(outputs, targets)
            scores = task.score(outputs, targets)
    except ConfigError:
        raise
    except Exception as error:  # whatever a user's task or model raises, these are the settings to change
        words = f"{name} and {type(model).__name__} do not fit the data: {first_line(error)}"
        raise ConfigError("task", words + _hint(str(error), task, inputs, targets)) from error
    finally:
        model.train(training)
    if not loss.is_floating_point():
        raise ConfigError("task", f"the loss of {name} is {loss.dtype}, which has no gradient")
    if not torch.isfinite(loss):
        raise ConfigError("task", f"the loss of {name} is {float(loss)} before anything is learned")
    shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else None
    if shape != (len(targets),):
        got = type(scores).__name__ if shape is None else "x".join(map(str, shape)) or "one number"
        words = f"{name}.score gives {got} for {len(targets)} examples, not one each"
        raise ConfigError("task", words + _hint("", task, inputs, targets))
    if privately and (single is None or tuple(single.shape) != (len(targets),)):
        raise ConfigError("privacy", f"dp needs the loss of each example, and {name} gives one for a whole batch")


def _hint(said: str, task: Task, inputs: tuple[torch.Tensor, ...], targets: torch.Tensor) -> str:
    """Return what is likely meant, where torch's own words do not say it."""
    if isinstance(task, Classification) and (targets.ndim != 1 or targets.is_floating_point()):
        kind = str(targets.dtype).removeprefix("torch.")
        return f"; a class is one whole number an example, and the targets are {kind} {tuple(targets.shape[1:])}"
    whole = [one for one in (*inputs, targets) if one.numel() and not one.is_floating_point()]
    if whole and ("out of range" in said or "out of bounds" in said):
        ends = ", ".join(f"{int(one.min())} to {int(one.max())}" for one in whole)
        return f"; the whole numbers in the data are {ends}"
    if "dtype" in said and any(not one.is_floating_point() for one in inputs):
        return "; whole numbers are looked up in a table: what is to be calculated with are floats"
    return ""


def _like(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return outputs (b,) or (b, 1) in the shape of the targets; nothing else is broadcast in silence."""
    if outputs.shape != targets.shape and outputs.numel() != targets.numel():
        raise ValueError(f"outputs are {tuple(outputs.shape)}, targets {tuple(targets.shape)}")
    return outputs.reshape(targets.shape)


def _loss_in(found: Any) -> torch.Tensor | None:
    found = found.get("loss") if isinstance(found, Mapping) else found
    return found if isinstance(found, torch.Tensor) else None

"""What is learned, whatever the data are: how wrong a model's outputs are, and how good.

Training, evaluation, the screens and the trial of a model know nothing else of it. Classes, numbers, several labels
and the next token come with rayfed (``rayfed.learning.tasks``); one of your own is a class with these three names,
which the setting ``task._target_`` points to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import nn

    from rayfed.protocol.metric import Metric


class Task(Protocol):
    """Outputs and targets in, loss and score out. The model was called with a batch of inputs: ``model(*inputs)``."""

    @property
    def metric(self) -> Metric:
        """What the mean of the scores is called, whether more of it is better, and how it is shown."""

    def loss(self, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        """Return how wrong each example's outputs are, (b,), to be made small; DP-SGD needs it example by example.

        Where a model gives one loss for a whole batch, that may be returned instead, ().

        Args:
            outputs: what the model gave, mostly (b, outputs).
            targets: (b, ...) as the data set has them: int64, or float32.
        """

    def score(self, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        """Return what each example contributes to the metric, (b,): 1 or 0 for accuracy, a squared error for RMSE."""


@runtime_checkable
class Reduces(Protocol):
    """A task that adds its losses up by itself, in one kernel."""

    def reduced(self, outputs: Any, targets: torch.Tensor, how: str) -> torch.Tensor:
        """Return the ``mean`` or the ``sum`` of the examples' losses, ()."""


@runtime_checkable
class Steps(Protocol):
    """A task that calls the model by itself, for models that know their own loss."""

    def step(self, model: nn.Module, inputs: tuple[torch.Tensor, ...], targets: torch.Tensor) -> tuple[Any, Any]:
        """Return the loss of a batch, as ``Task.loss`` does, and what ``Task.score`` is to get as outputs."""


def forward(
    task: Task, model: nn.Module, inputs: tuple[torch.Tensor, ...], targets: torch.Tensor, how: str = "mean"
) -> tuple[torch.Tensor, Any]:
    """Call the model; return the ``mean`` or ``sum`` of the batch's losses, (), and the outputs for ``Task.score``.

    Outputs of less than single precision are made single before anything is calculated from them.
    """
    if isinstance(task, Steps):
        loss, outputs = task.step(model, inputs, targets)
        return _whole(loss, len(targets), how), outputs
    outputs = model(*inputs)
    if hasattr(outputs, "float"):
        outputs = outputs.float()
    if isinstance(task, Reduces):
        return task.reduced(outputs, targets, how), outputs
    return _whole(task.loss(outputs, targets), len(targets), how), outputs


def _whole(loss: torch.Tensor, examples: int, how: str) -> torch.Tensor:
    """Return the ``mean`` or the ``sum`` of losses that came one by one, or as their mean."""
    if not hasattr(loss, "ndim"):
        raise TypeError(f"the loss is a {type(loss).__name__}, not a tensor")
    if loss.ndim == 0:
        return loss * examples if how == "sum" else loss
    return loss.sum() if how == "sum" else loss.mean()

"""One training step with fixed places for what goes in and comes out, so that a CUDA graph can repeat it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from rayfed.learning.augment import Augment, Draws
from rayfed.learning.idle import IdleBiases
from rayfed.learning.images import Normalise, autocast
from rayfed.learning.scores import scores_of
from rayfed.learning.uncompiled import step_of


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a step does, as the group ``train`` says.

    Attributes:
        precision: fp32 or bf16.
        channels_last: memory format of the images.
        label_smoothing: part of the target that is spread over all classes.
        mu: weight of FedProx's proximal term; 0 is none.
        augment: how images are varied.
    """

    precision: str
    channels_last: bool
    label_smoothing: float
    mu: float
    augment: Augment


class Course:
    """What the steps of one model share: the model, its optimizer, what FedProx pulls it to, and the running sums.

    Attributes:
        loss: () sum of the loss over images, in nats, on the device.
        correct: () how many images were classified right, int64, on the device.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, normalise: Normalise
    ) -> None:
        self.model, self.optimizer, self.recipe, self.normalise = model, optimizer, recipe, normalise
        self.device = next(model.parameters()).device
        self._step = step_of(optimizer)
        self._idle = IdleBiases(model)
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._anchors = [p.detach().clone() for p in self._trained] if recipe.mu else []
        self.loss = torch.zeros((), device=self.device)
        self.correct = torch.zeros((), dtype=torch.int64, device=self.device)

    def begin(self) -> None:
        """Begin at the model as it is now, in training mode: FedProx pulls there."""
        self._idle.take_from_means()
        with torch.no_grad():
            for anchor, parameter in zip(self._anchors, self._trained, strict=False):
                anchor.copy_(parameter)

    def end(self) -> None:
        """Make the model whole again after the last step."""
        self._idle.add_to_means()

    def prepared(self, images: torch.Tensor, draws: Draws, start: int) -> torch.Tensor:
        """Return (b, c, h, w) uint8 images varied, as the epoch's draws from ``start`` on say, and normalised."""
        return self.normalise(draws.apply(images, start))

    def clear_sums(self) -> None:
        """Begin to count anew."""
        self.loss.zero_()
        self.correct.zero_()

    def clear_gradients(self) -> None:
        """Let go of all gradients: backward then writes new ones instead of adding to old ones."""
        for parameter in self.model.parameters():
            parameter.grad = None

    def train(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Take one step on normalised (b, c, h, w) images and (b,) classes; gradients must have been cleared."""
        with autocast(self.device, self.recipe.precision), self._idle.left_out():
            scores = scores_of(self.model(images))
            loss = cross_entropy(scores, labels, label_smoothing=self.recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        with torch.no_grad():
            for parameter, anchor in zip(self._trained, self._anchors, strict=False):
                if parameter.grad is not None:  # gradient of mu/2 * |w - base|^2
                    parameter.grad.add_(parameter - anchor, alpha=self.recipe.mu)
        self._step()
        self.loss.add_(loss.detach() * len(labels))
        self.correct.add_((scores.detach().argmax(1) == labels).sum())


class Step:
    """A step on batches of one size, recorded or not.

    Args:
        course: what it shares with the steps of other sizes.
        images: (size, c, h, w) normalised; only shape and layout matter here.
    """

    def __init__(self, course: Course, images: torch.Tensor) -> None:
        self._course = course
        self._images = torch.empty_like(images)
        self._labels = torch.empty(len(images), dtype=torch.int64, device=images.device)
        self._graph: torch.cuda.CUDAGraph | None = None

    def take(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Take the step on normalised images and their classes, as it was recorded or kernel by kernel."""
        self._images.copy_(images)
        self._labels.copy_(labels)
        if self._graph is not None:
            self._graph.replay()
            return
        self._course.clear_gradients()
        self._course.train(self._images, self._labels)

    def record(self, pool: Any = None) -> Any:
        """Record the step on the current stream, which is not the default one, and return the memory pool it uses.

        Nothing is trained by it. Everything that a first step makes (the optimizer's state, say) must be there.

        Args:
            pool: what this gave for another step of the same course, which never runs at the same time.
        """
        graph = torch.cuda.CUDAGraph()
        self._course.clear_gradients()
        # Other threads of this process may call CUDA meanwhile.
        with torch.cuda.graph(graph, pool=pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"):
            self._course.train(self._images, self._labels)
        self._course.clear_gradients()
        self._graph = graph
        return graph.pool()

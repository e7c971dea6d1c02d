"""DP-SGD (Abadi et al. 2016, arXiv:1607.00133, algorithm 1): updates that tell little of any single image.

Per-image gradients and clipping are Opacus'. Steps draw their images by Poisson sampling, as the accountants
assume, and everything drawn comes from the node's own secret (``rayfed.learning.noise``).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning import frozen
from rayfed.learning.feeds import Feed, targets_on
from rayfed.learning.images import autocast
from rayfed.learning.judging_model import JudgingModel
from rayfed.learning.noise import SecretStream
from rayfed.learning.seeding import seeded
from rayfed.learning.stopping import check, never
from rayfed.learning.task import Steps, Task, forward
from rayfed.learning.train import Fit, Trainer, _threads

GRADIENT_BYTES = 512 << 20
"""Memory for the gradients of single images; a step of more images is done in parts, with the same result."""


def require(model: nn.Module, task: Task | None = None) -> None:
    """Check that Opacus is there and can train this model, and that the task tells the loss of each example.

    Raises:
        ConfigError: names ``privacy`` or ``model``.
    """
    try:
        from opacus.grad_sample import GradSampleHooks
        from opacus.validators import ModuleValidator
    except ImportError as error:
        raise ConfigError("privacy", "dp needs the package opacus: pip install 'rayfed[privacy]'") from error
    if isinstance(task, Steps):
        name = type(task).__name__
        raise ConfigError("privacy", f"dp needs the loss of each example, and {name} gives one for a whole batch")
    training = model.training
    model.train()
    try:
        errors: list[object] = [
            *ModuleValidator.validate(model, strict=False),
            *GradSampleHooks.validate(model, strict=False),
        ]
    finally:
        model.train(training)
    # Opacus looks at layers with weights only; statistics of others would leave the node as they are. Those of frozen
    # layers stand still.
    still = {id(buffer) for name in frozen.held(model) for buffer in model.get_submodule(name).buffers()}
    moving = [name for name, buffer in model.named_buffers() if "running_" in name and id(buffer) not in still]
    errors += [f"{name} keeps running statistics" for name in moving]
    if errors:
        first = " ".join(str(errors[0]).split())
        if any(isinstance(one, nn.modules.batchnorm._BatchNorm) for one in model.modules() if one.training):
            raise ConfigError(
                "privacy",
                "dp cannot train batch norm, and this federation was founded with it: found it with privacy=dp",
            )
        raise ConfigError("model", f"dp cannot train it: {first}")


class PrivateTrainer(Trainer):
    """A ``Trainer`` whose steps are those of DP-SGD; see ``fit_privately``. Needs Opacus.

    Args:
        model, settings, task: as for ``Trainer``.
        max_grad_norm: C, the L2 norm to which the gradient of each example is clipped.

    Raises:
        ConfigError: names the key under ``train``, ``privacy`` or ``model``.
    """

    def __init__(
        self, model: nn.Module, settings: Mapping[str, Any], max_grad_norm: float, task: Task | None = None
    ) -> None:
        require(model, task)
        from opacus.grad_sample import GradSampleHooks

        # Matters of speed alone: steps of random size are not recorded, and Opacus 1.6 gets the gradients of
        # channels_last convolutions wrong, silently.
        super().__init__(model, {**settings, "channels_last": False, "capture": False}, task)
        if self.device.type == "cpu" and JudgingModel.suits(self.model):
            self.judge()  # before the hooks that keep gradients: a copy must not have them
        self.max_grad_norm = max_grad_norm
        for module in self.model.modules():
            if hasattr(module, "inplace"):
                module.inplace = False  # type: ignore[assignment]  # backward hooks see what the module gave, so it must stay as it was
        self._hooks = GradSampleHooks(self.model, loss_reduction="sum")
        self._hooks.disable_hooks()
        size = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        self._part = max(1, GRADIENT_BYTES // (4 * size))  # images whose gradients are held at once

    def schedule(self, n: int) -> tuple[float, int]:
        """Return the sampling rate and the steps of one round on ``n`` images."""
        return schedule(n, self.batch_size, self.epochs)

    def fit_privately(
        self,
        base: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8] | tuple[NDArray[Any], ...],
        y: NDArray[Any],
        mean: Sequence[int],
        std: Sequence[int],
        stream: SecretStream,
        noise_multiplier: float,
        round: int,
        should_stop: Callable[[], bool] = never,
    ) -> Fit:
        """Train from ``base`` with clipped gradients and noise; arguments and result as in ``Trainer.fit``.

        Args:
            stream: where sampling, noise, augmentation and dropout come from.
            noise_multiplier: sigma; the noise on a step's sum of gradients has the standard deviation sigma * C.
        """
        with self._busy, seeded(_seed(stream), self._cuda()), _threads(self.threads):
            generator = torch.Generator().manual_seed(_seed(stream))
            feed, targets = self._feed(x, mean, std), targets_on(y, self.device)
            self._hooks.enable_hooks()
            try:
                return self._fit_privately(base, feed, targets, generator, stream, noise_multiplier, round, should_stop)
            finally:
                self._hooks.disable_hooks()

    def _fit_privately(
        self,
        base: Mapping[str, torch.Tensor],
        feed: Feed,
        targets: torch.Tensor,
        generator: torch.Generator,
        stream: SecretStream,
        noise_multiplier: float,
        round: int,
        should_stop: Callable[[], bool],
    ) -> Fit:
        model, device, n = self.model, self.device, len(targets)
        rate, steps = self.schedule(n)
        model.load_state_dict(base)
        model.train()
        optimizer = self._private_optimizer(round)
        parameters = optimizer.params
        anchors = [p.detach().clone() for p in parameters] if self.mu else []
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.float64, device=device)
        seen = 0
        for step in range(steps):
            check(should_stop)
            drawn = torch.from_numpy(np.flatnonzero(stream.uniform(n) < rate)).to(device)
            parts = torch.split(drawn, self._part) if len(drawn) else (drawn,)
            for number, chosen in enumerate(parts):
                wanted = targets[chosen]
                optimizer.zero_grad()
                if len(chosen):
                    feed.begin(len(chosen), generator)
                    with autocast(device, self.precision):
                        loss, outputs = forward(self._trained_task, model, feed.batch(chosen, 0), wanted, "sum")
                    with warnings.catch_warnings():
                        # The first layer's hook fires although the images need no gradient: that is meant.
                        warnings.filterwarnings("ignore", message="Full backward hook is firing")
                        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
                    _forget_unused(model)
                    if step >= steps - steps // self.epochs:
                        loss_sum += loss.detach()
                        with torch.no_grad():
                            correct += self.task.score(outputs, wanted).sum()
                        seen += len(chosen)
                _complete(parameters, len(chosen))
                optimizer.signal_skip_step(do_skip=number + 1 < len(parts))
                if optimizer.pre_step():
                    _add_noise(optimizer.params, stream, noise_multiplier * self.max_grad_norm, rate * n)
            if anchors:  # FedProx's pull to the base tells nothing of the images, so it needs no noise
                with torch.no_grad():
                    for parameter, anchor in zip(parameters, anchors, strict=True):
                        if parameter.grad is not None:
                            parameter.grad.add_(parameter - anchor, alpha=self.mu)
            optimizer.original_optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state = {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}
        trained = {name for name, _ in model.named_parameters()}
        for name in state.keys() - trained:
            if not torch.equal(state[name], base[name].cpu()):
                raise ConfigError("model", f"{name} changes while it trains, and dp adds no noise to it")
        return Fit(state, float(loss_sum) / max(1, seen), float(correct) / max(1, seen), n, steps)

    def _private_optimizer(self, round: int) -> Any:
        """Return Opacus' optimiser around a fresh one; it clips and sums, the noise is ours."""
        from opacus.optimizers import DPOptimizer

        return DPOptimizer(
            self._build_optimizer(round),
            noise_multiplier=0.0,
            max_grad_norm=self.max_grad_norm,
            expected_batch_size=None,
            loss_reduction="sum",
        )


def schedule(n: int, batch_size: int, epochs: int) -> tuple[float, int]:
    """Return the sampling rate and the steps of one round on ``n`` images."""
    return min(1.0, batch_size / n), epochs * math.ceil(n / batch_size)


def _seed(stream: SecretStream) -> int:
    return int(stream.whole(1)[0]) >> 1


def _forget_unused(model: nn.Module) -> None:
    """Let go of what Opacus would keep for ever: that of layers which the loss did not reach (auxiliary outputs)."""
    for module in model.modules():
        if getattr(module, "activations", None):
            module.activations = []  # type: ignore[assignment]  # a list, which nn.Module does not know of
            for p in module.parameters(recurse=False):
                p._forward_counter = 0  # type: ignore[attr-defined]  # Opacus' count of what is to come back


def _complete(parameters: Sequence[nn.Parameter], n: int) -> None:
    """Give every parameter gradients of ``n`` single images, in full precision.

    What the loss did not reach has none, and neither has a step for which no image was drawn: both are zeros, on
    which noise goes as on any other. Norms of bfloat16 gradients would be wrong in their third digit, and what is
    clipped to C by them could be longer than C.
    """
    for p in parameters:
        given: Any = getattr(p, "grad_sample", None)
        p.grad_sample = (  # type: ignore[attr-defined]
            torch.zeros((n, *p.shape), dtype=p.dtype, device=p.device) if given is None else given.to(p.dtype)
        )


def _add_noise(parameters: Sequence[Any], stream: SecretStream, std: float, expected: float) -> None:
    """Add the noise to each summed gradient, then divide by the expected number of images in a step.

    Summed in double precision and rounded once, so that the low bits of a float, by which noise made in single
    precision can be told apart (Mironov 2012), are not there to be seen.
    """
    for p in parameters:
        noise = torch.from_numpy(stream.normal(p.numel()).reshape(p.shape)).to(p.device)
        p.grad = ((p.summed_grad.double() + std * noise) / expected).to(p.dtype)

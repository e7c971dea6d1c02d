"""DP-SGD (Abadi et al. 2016, arXiv:1607.00133, algorithm 1): updates that tell little of any single picture.

Per-picture gradients and clipping are Opacus'. Steps draw their pictures by Poisson sampling, as the accountants
assume, and everything drawn comes from the node's own secret (``rayfed.learning.noise``).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from rayfed.errors import ConfigError, RayfedError
from rayfed.learning.budget import Budget, Spent, noise_for
from rayfed.learning.noise import SecretStream
from rayfed.learning.pictures import Normalise, autocast
from rayfed.learning.seeding import seeded
from rayfed.learning.train import Fit, Trainer, _threads

if TYPE_CHECKING:
    from rayfed.config.schema import Privacy

GRADIENT_BYTES = 512 << 20
"""Memory for the gradients of single pictures; a step of more pictures is done in parts, with the same result."""


class BudgetSpent(RayfedError):
    """Another round would cost more privacy than the node's owner allows."""


def require(model: nn.Module) -> None:
    """Check that Opacus is there and can train this model.

    Raises:
        ConfigError: names ``privacy`` or ``model``.
    """
    try:
        from opacus.grad_sample import GradSampleHooks
        from opacus.validators import ModuleValidator
    except ImportError as error:
        raise ConfigError("privacy", "dp needs the package opacus: pip install 'rayfed[privacy]'") from error
    training = model.training
    model.train()
    try:
        errors: list[object] = [
            *ModuleValidator.validate(model, strict=False),
            *GradSampleHooks.validate(model, strict=False),
        ]
    finally:
        model.train(training)
    # Opacus looks at layers with weights only; statistics of others would leave the node as they are.
    errors += [f"{name} keeps running statistics" for name, _ in model.named_buffers() if "running_" in name]
    if errors:
        first = " ".join(str(errors[0]).split())
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
            raise ConfigError(
                "privacy",
                "dp cannot train batch norm, and this federation was founded with it: found it with privacy=dp",
            )
        raise ConfigError("model", f"dp cannot train it: {first}")


class PrivateTrainer(Trainer):
    """A ``Trainer`` whose steps are those of DP-SGD; see ``fit_privately``. Needs Opacus.

    Args:
        model, settings: as for ``Trainer``.
        max_grad_norm: C, the L2 norm to which the gradient of each picture is clipped.

    Raises:
        ConfigError: names the key under ``train``, ``privacy`` or ``model``.
    """

    def __init__(self, model: nn.Module, settings: Mapping[str, Any], max_grad_norm: float) -> None:
        require(model)
        from opacus.grad_sample import GradSampleHooks

        # Matters of speed alone: steps of random size are not recorded, and Opacus 1.6 gets the gradients of
        # channels_last convolutions wrong, silently.
        super().__init__(model, {**settings, "channels_last": False, "capture": False})
        self.max_grad_norm = max_grad_norm
        for module in self.model.modules():
            if hasattr(module, "inplace"):
                module.inplace = False  # type: ignore[assignment]  # backward hooks see what the module gave, so it must stay as it was
        self._hooks = GradSampleHooks(self.model, loss_reduction="sum")
        self._hooks.disable_hooks()
        size = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        self._part = max(1, GRADIENT_BYTES // (4 * size))  # pictures whose gradients are held at once

    def schedule(self, n: int) -> tuple[float, int]:
        """Return the sampling rate and the steps of one round on ``n`` pictures."""
        rate = min(1.0, self.batch_size / n)
        return rate, self.epochs * math.ceil(n / self.batch_size)

    def fit_privately(
        self,
        base: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8],
        y: NDArray[np.integer[Any]],
        mean: Sequence[int],
        std: Sequence[int],
        stream: SecretStream,
        noise_multiplier: float,
        round: int,
    ) -> Fit:
        """Train from ``base`` with clipped gradients and noise; arguments and result as in ``Trainer.fit``.

        Args:
            stream: where sampling, noise, augmentation and dropout come from.
            noise_multiplier: sigma; the noise on a step's sum of gradients has the standard deviation sigma * C.
        """
        with self._busy, seeded(_seed(stream), self._cuda()), _threads(self.threads):
            generator = torch.Generator().manual_seed(_seed(stream))
            normalise = Normalise(mean, std, self.device, self.channels_last)
            self._hooks.enable_hooks()
            try:
                return self._fit_privately(base, x, y, normalise, generator, stream, noise_multiplier, round)
            finally:
                self._hooks.disable_hooks()

    def _fit_privately(
        self,
        base: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8],
        y: NDArray[np.integer[Any]],
        normalise: Normalise,
        generator: torch.Generator,
        stream: SecretStream,
        noise_multiplier: float,
        round: int,
    ) -> Fit:
        model, device, n = self.model, self.device, len(x)
        rate, steps = self.schedule(n)
        model.load_state_dict(base)
        model.train()
        pictures, labels = self._resident(x), torch.from_numpy(np.array(y, dtype=np.int64)).to(device)
        optimizer = self._private_optimizer(round)
        parameters = optimizer.params
        anchors = [p.detach().clone() for p in parameters] if self.mu else []
        loss_sum = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        seen = 0
        for step in range(steps):
            drawn = torch.from_numpy(np.flatnonzero(stream.uniform(n) < rate)).to(device)
            parts = torch.split(drawn, self._part) if len(drawn) else (drawn,)
            for number, chosen in enumerate(parts):
                wanted = labels[chosen]
                optimizer.zero_grad()
                if len(chosen):
                    draws = self.augment.draw(len(chosen), pictures.shape[2:], generator, device)
                    with autocast(device, self.precision):
                        scores = model(normalise(draws.apply(pictures[chosen], 0)))
                        loss = cross_entropy(scores, wanted, label_smoothing=self.label_smoothing, reduction="sum")
                    with warnings.catch_warnings():
                        # The first layer's hook fires although the pictures need no gradient: that is meant.
                        warnings.filterwarnings("ignore", message="Full backward hook is firing")
                        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
                    if step >= steps - steps // self.epochs:
                        loss_sum += loss.detach()
                        correct += (scores.detach().argmax(1) == wanted).sum()
                        seen += len(chosen)
                _complete(parameters, len(chosen))
                optimizer.signal_skip_step(do_skip=number + 1 < len(parts))
                if optimizer.pre_step():
                    _add_noise(optimizer.params, stream, noise_multiplier * self.max_grad_norm, rate * n)
            if anchors:  # FedProx's pull to the base tells nothing of the pictures, so it needs no noise
                with torch.no_grad():
                    for parameter, anchor in zip(parameters, anchors, strict=True):
                        assert parameter.grad is not None
                        parameter.grad.add_(parameter - anchor, alpha=self.mu)
            optimizer.original_optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state = {name: value.detach().to("cpu", copy=True) for name, value in model.state_dict().items()}
        trained = {name for name, _ in model.named_parameters()}
        for name in state.keys() - trained:
            if not torch.equal(state[name], base[name].cpu()):
                raise ConfigError("model", f"{name} changes while it trains, and dp adds no noise to it")
        return Fit(state, float(loss_sum) / max(1, seen), int(correct) / max(1, seen), n, steps)

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


class Private:
    """One node's way of training under DP-SGD: its secret, its budget, and what its owner asks for.

    Args:
        settings: the config group ``privacy``.
        rounds: how many rounds the federation has; a ``target_epsilon`` is for all of them together.
        secret: known to nobody else and the same after a restart.
        budget: what the node has spent.
    """

    def __init__(self, settings: Privacy, rounds: int, secret: bytes, budget: Budget) -> None:
        self._settings = settings
        self._rounds = rounds
        self._secret = secret
        self._budget = budget
        self._noise: dict[tuple[float, int], float] = {}

    def fit(
        self,
        trainer: PrivateTrainer,
        base: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8],
        y: NDArray[np.integer[Any]],
        mean: Sequence[int],
        std: Sequence[int],
        round: int,
        spend: bool = True,
    ) -> tuple[Fit, float]:
        """Train one round; return the update and the epsilon spent so far, this round's included.

        Args:
            spend: False for what is never shown to anybody (training alone, to compare).

        Raises:
            ConfigError: delta is no protection for so few pictures, or no noise keeps the target.
            BudgetSpent: this round would go over the target.
        """
        chosen = self._settings
        if chosen.delta * len(x) >= 1:
            raise ConfigError("privacy.delta", f"{chosen.delta:g} is too large for {len(x)} pictures: below 1/{len(x)}")
        rate, steps = trainer.schedule(len(x))
        noise = self._noise_multiplier(rate, steps)
        run = _name(self._secret, base, "shown" if spend else "alone", round, noise, rate, steps, chosen.max_grad_norm)
        entry = Spent(round, run.hex(), noise, rate, steps)
        spent = self._budget.epsilon()
        if spend:
            after = self._budget.epsilon([entry])
            if chosen.target_epsilon is not None and after > chosen.target_epsilon * (1 + 1e-9):
                raise BudgetSpent(
                    f"privacy.target_epsilon: {spent:.3g} of {chosen.target_epsilon:g} is spent, and round {round} "
                    f"would make it {after:.3g}: this node trains no more"
                )
            spent = self._budget.spend(entry)
        stream = SecretStream(hmac.digest(self._secret, b"rayfed dp-sgd stream" + run, "sha256"))
        return trainer.fit_privately(base, x, y, mean, std, stream, noise, round), spent

    def _noise_multiplier(self, rate: float, steps: int) -> float:
        chosen = self._settings
        if chosen.noise_multiplier is not None:
            return chosen.noise_multiplier
        assert chosen.target_epsilon is not None
        key = rate, steps * self._rounds
        if key not in self._noise:
            self._noise[key] = noise_for(chosen.target_epsilon, chosen.delta, *key, accountant=chosen.accountant)
        return self._noise[key]


def _name(secret: bytes, base: Mapping[str, torch.Tensor], *parts: object) -> bytes:
    """Return 32 bytes that are the same only for the same base and the same settings, and that tell nothing of them."""
    digest = hmac.new(secret, b"rayfed dp-sgd run", hashlib.sha256)
    for part in parts:
        digest.update(f"{part!r}\n".encode())
    for name, value in base.items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().float().numpy()).tobytes())
    return digest.digest()


def _seed(stream: SecretStream) -> int:
    return int(stream.whole(1)[0]) >> 1


def _complete(parameters: Sequence[nn.Parameter], n: int) -> None:
    """Give every parameter gradients of ``n`` single pictures, in full precision.

    What the loss did not reach has none, and neither has a step for which no picture was drawn: both are zeros, on
    which noise goes as on any other. Norms of bfloat16 gradients would be wrong in their third digit, and what is
    clipped to C by them could be longer than C.
    """
    for p in parameters:
        given: Any = getattr(p, "grad_sample", None)
        p.grad_sample = (  # type: ignore[attr-defined]
            torch.zeros((n, *p.shape), dtype=p.dtype, device=p.device) if given is None else given.to(p.dtype)
        )


def _add_noise(parameters: Sequence[Any], stream: SecretStream, std: float, expected: float) -> None:
    """Add the noise to each summed gradient, then divide by the expected number of pictures in a step.

    Summed in double precision and rounded once, so that the low bits of a float, by which noise made in single
    precision can be told apart (Mironov 2012), are not there to be seen.
    """
    for p in parameters:
        noise = torch.from_numpy(stream.normal(p.numel()).reshape(p.shape)).to(p.device)
        p.grad = ((p.summed_grad.double() + std * noise) / expected).to(p.dtype)

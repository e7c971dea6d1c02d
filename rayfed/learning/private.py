"""One node's training under DP-SGD: what it may spend of its privacy, and where its chance comes from."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rayfed.errors import ConfigError, RayfedError
from rayfed.learning.budget import Budget, Spent, noise_for
from rayfed.learning.dp_sgd import PrivateTrainer
from rayfed.learning.noise import SecretStream
from rayfed.learning.stopping import never
from rayfed.learning.train import Fit

if TYPE_CHECKING:
    from rayfed.config.groups.learning import PrivacySettings


class BudgetSpent(RayfedError):
    """Another round would cost more privacy than the node's owner allows."""


class Private:
    """One node's way of training under DP-SGD: its secret, its budget, and what its owner asks for.

    Args:
        settings: the config group ``privacy``.
        rounds: how many rounds the federation has; a ``target_epsilon`` is for all of them together.
        secret: known to nobody else and the same after a restart.
        budget: what the node has spent.
    """

    def __init__(self, settings: PrivacySettings, rounds: int, secret: bytes, budget: Budget) -> None:
        self._settings = settings
        self._rounds = rounds
        self._secret = secret
        self._budget = budget
        self._noise: dict[tuple[float, int], float] = {}

    def fit(
        self,
        trainer: PrivateTrainer,
        base: Mapping[str, torch.Tensor],
        x: NDArray[np.uint8] | tuple[NDArray[Any], ...],
        y: NDArray[Any],
        mean: Sequence[int],
        std: Sequence[int],
        round: int,
        spend: bool = True,
        should_stop: Callable[[], bool] = never,
    ) -> tuple[Fit, float]:
        """Train one round; return the update and the epsilon spent so far, this round's included.

        Args:
            spend: False for what is never shown to anybody (training alone, to compare).
            should_stop: as in ``Trainer.fit``. What a stopped round would have cost stays spent, for that round alone.

        Raises:
            ConfigError: delta is no protection for so few examples, or no noise keeps the target.
            BudgetSpent: this round would go over the target.
        """
        chosen = self._settings
        n = len(y)
        rate, steps = trainer.schedule(n)
        noise = self.noise_multiplier(n, rate, steps)
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
        return trainer.fit_privately(base, x, y, mean, std, stream, noise, round, should_stop), spent

    def noise_multiplier(self, n: int, rate: float, steps: int) -> float:
        """Return the noise over the clipping norm with which so many rounds of such steps keep the budget.

        Args:
            n: the node's examples.
            rate, steps: as ``PrivateTrainer.schedule`` gives them.

        Raises:
            ConfigError: delta is no protection for so few examples, or no noise keeps the target.
        """
        chosen = self._settings
        if chosen.delta * n >= 1:
            raise ConfigError("privacy.delta", f"{chosen.delta:g} is too large for {n} examples: below 1/{n}")
        if chosen.noise_multiplier is not None:
            return chosen.noise_multiplier
        if chosen.target_epsilon is None:
            raise ConfigError("privacy", "dp needs privacy.target_epsilon=8 or privacy.noise_multiplier=1.0")
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

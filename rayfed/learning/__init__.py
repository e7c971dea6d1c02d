"""Learning on images that stay with their owner: data, partition, model, training, evaluation.

Nothing in this package knows of rounds on a ledger, of peers or of Ray; everything is a function of what it is given
and a seed. This file holds what a node asks of it, and imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from rayfed.errors import RayfedError

State = Mapping[str, Any]
"""Tensors by name (torch or NumPy), as ``rayfed.encoding.codec`` encodes and decodes them."""


@dataclass(frozen=True)
class Update:
    """What local training gives: the weights after it, the last epoch's mean loss, images used in an epoch.

    ``epsilon`` is what the node has spent of its privacy so far, this update included; None without DP-SGD.
    """

    state: State
    loss: float
    examples: int
    epsilon: float | None = None


class Learner(Protocol):
    """The node's private side: its data, its model, its way of training. Nothing of it leaves the node but updates."""

    def genesis(self) -> State:
        """Build the model that the charter starts from; the same on every machine with the same libraries."""

    def train(self, base: State, round: int) -> Update:
        """Train from ``base`` on the own data. Deterministic in (seed, round)."""

    def evaluate(self, state: State) -> tuple[float, int]:
        """Return (accuracy 0..1, images) of a model on the node's test images."""

    def loss(self, state: State) -> float:
        """Return the mean loss of a model on private images of the node's own, for the screen ``holdout``."""

    def alone(self) -> Iterator[float]:
        """Train without the others from genesis, round by round; yield the accuracy after each."""


class TrainingStopped(RayfedError):
    """Training ended because nobody waits for its result any more."""


@runtime_checkable
class Stoppable(Protocol):
    """A learner that can be told to end its training early; for one that cannot, its result is thrown away."""

    def stop_when(self, should_stop: Callable[[], bool]) -> None:
        """Ask this between batches from now on, in the thread that trains; raise ``TrainingStopped`` if it says so."""

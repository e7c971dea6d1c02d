"""One node's private side: its share of the data, its model, its way of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning import Update
from rayfed.learning.data import Dataset
from rayfed.learning.dp_sgd import PrivateTrainer
from rayfed.learning.examples import Examples, take
from rayfed.learning.feeds import targets_on
from rayfed.learning.images import Normalise, resident
from rayfed.learning.material import Inputs, Share, Targets, genesis, load, share, task, terms
from rayfed.learning.private import Private
from rayfed.learning.quick_loss import QuickLoss
from rayfed.learning.stopping import never
from rayfed.learning.targets import locate
from rayfed.learning.train import Fit, Trainer

__all__ = ["Share", "TorchLearner", "Workshop", "genesis", "kind", "load", "share", "task", "terms"]

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.protocol.charter import Charter

State = dict[str, torch.Tensor]
JUDGED = (64, 512)
"""Examples at least and at most on which peers' updates are judged: enough for a loss to two digits."""

JUDGING = 0.1
"""What judging all peers' updates in a round may cost, in parts of what training costs."""


class Workshop:
    """What the nodes of one process train with: the data, the genesis state and one trainer, used in turn.

    Nothing that a result depends on stays in the trainer between two calls, so sharing it changes no bit.

    Args:
        settings: the run's.
        charter: the federation's.
        pictures: the data; None: those that the settings point at.
    """

    def __init__(self, settings: Settings, charter: Charter, pictures: Dataset | Examples | None = None) -> None:
        self.settings = settings
        self.pictures = load(settings, charter.data) if pictures is None else pictures
        model, self.genesis = genesis(settings, self.pictures, charter)
        training = {**asdict(settings.train), "augment": asdict(settings.data.augment)}
        learned = task(settings, self.pictures)
        self.trainer: Trainer
        if settings.privacy.kind == "dp":
            self.trainer = PrivateTrainer(model, training, settings.privacy.max_grad_norm, learned)
        else:
            self.trainer = Trainer(model, training, learned)


class TorchLearner:
    """Trains with torch; follows ``rayfed.learning.Learner``. The setting ``learner._target_`` may name a subclass.

    A subclass that trains in its own way replaces ``train``, for which ``settings``, ``model``, ``training_pictures``
    (or ``training_data``) and ``seed`` give it what it needs.

    Args:
        workshop: shared with the process's other nodes.
        charter: whose preprocessing the data get.
        slot: which share of the data is this node's.
        private: how it trains under DP-SGD; None: it does not.
    """

    def __init__(self, workshop: Workshop, charter: Charter, slot: int, private: Private | None = None) -> None:
        self._workshop = workshop
        self._private = private
        self._mean, self._std = charter.data.mean, charter.data.std
        self._share = share(workshop.settings, workshop.pictures, slot)
        # Every node draws its own order and augmentation, and the same one in every run with the same seed.
        self._seed = int(np.random.SeedSequence([workshop.settings.seed, slot + 1]).generate_state(1)[0])
        order = np.random.default_rng(self._seed).permutation(len(self._share.train_y))
        self._judged = np.sort(order[: _judged(workshop.settings, len(order))])
        self._quick_loss: QuickLoss | None = None
        self._momentum: State = {}
        self._should_stop = never

    def stop_when(self, should_stop: Callable[[], bool]) -> None:
        """See ``Stoppable``. A subclass that trains its own way may ask ``should_stop`` as ``stopping.check`` does."""
        self._should_stop = should_stop

    def poison(self, change: Callable[[Inputs, Targets], tuple[Inputs, Targets]]) -> None:
        """Train on other inputs and targets than the node's own: for experiments with dishonest nodes."""
        x, y = change(self._share.train_x, self._share.train_y)
        self._share = replace(self._share, train_x=x, train_y=y)
        self._quick_loss = None

    def genesis(self) -> State:
        """See ``Learner``."""
        return self._workshop.genesis

    def train(self, base: Mapping[str, Any], round: int) -> Update:
        """See ``Learner``."""
        fit, epsilon = self._fit(base, round)
        return Update(self._carried(_tensors(base), fit.state), fit.loss, fit.examples, epsilon)

    def _carried(self, base: Mapping[str, torch.Tensor], trained: State) -> State:
        """Return the update with the node's momentum: ``m = momentum * m + (1 - momentum) * step``, sent as base + m.

        Karimireddy, He and Jaggi 2021, "Learning from History": what honest nodes send varies less from round to round,
        so that Byzantine nodes have less to hide in. Local, in floats, and begun anew when a node is started again.
        """
        keep = self._workshop.settings.train.worker_momentum
        if not keep:
            return trained
        sent = dict(trained)
        for name, value in trained.items():
            if value.is_floating_point():
                step = value - base[name]
                carried = self._momentum.get(name, step)
                self._momentum[name] = keep * carried + (1 - keep) * step
                sent[name] = base[name] + self._momentum[name]
        return sent

    def evaluate(self, state: Mapping[str, Any]) -> tuple[float, int]:
        """See ``Learner``."""
        return self._score(state, self._share.test_x, self._share.test_y)

    def loss(self, state: Mapping[str, Any]) -> float:
        """See ``Learner``. On some of the training examples: the test examples are there to measure the outcome."""
        if self._quick_loss is None:
            x, y = take(self._share.train_x, self._judged), self._share.train_y[self._judged]
            self._quick_loss = QuickLoss(self._workshop.trainer, x, y, self._mean, self._std)
        return self._quick_loss.loss(_tensors(state))

    def alone(self) -> Iterator[float]:
        """See ``Learner``. Scored on all test examples, not on the node's part: a lone model has no others to add."""
        self._momentum = {}
        state: Mapping[str, Any] = self.genesis()
        for round in range(1, self._workshop.settings.federation.rounds + 1):
            # What nobody is shown costs no privacy.
            state = self._fit(state, round, shown=False)[0].state if self._private else self.train(state, round).state
            accuracy, _ = self._score(state, self._workshop.pictures.test_x, self._workshop.pictures.test_y)
            yield accuracy

    def _fit(self, base: Mapping[str, Any], round: int, shown: bool = True) -> tuple[Fit, float | None]:
        trainer, mine = self._workshop.trainer, self._share
        if self._private is None:
            start = _tensors(base)
            fit = trainer.fit(
                start, mine.train_x, mine.train_y, self._mean, self._std, self._seed, round, self._should_stop
            )
            return fit, None
        assert isinstance(trainer, PrivateTrainer)
        return self._private.fit(
            trainer, _tensors(base), mine.train_x, mine.train_y, self._mean, self._std, round, shown, self._should_stop
        )

    @property
    def settings(self) -> Settings:
        """What the run was told."""
        return self._workshop.settings

    def model(self, state: Mapping[str, Any]) -> nn.Module:
        """Return a model of the caller's own with this state, ready to be trained, on the trainer's device."""
        model = deepcopy(self._workshop.trainer.model)
        model.load_state_dict(_tensors(state))
        return model.train()

    def training_pictures(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the node's images, normalised (n, c, h, w) float32, and their classes (n,) int64, on that device."""
        inputs, classes = self.training_data()
        return inputs[0], classes

    def training_data(self) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """Return the node's inputs, as the model is called with them, and their targets, on that device."""
        trainer, x = self._workshop.trainer, self._share.train_x
        targets = targets_on(self._share.train_y, trainer.device)
        if isinstance(x, tuple):
            return tuple(resident(one, trainer.device) for one in x), targets
        normalise = Normalise(self._mean, self._std, trainer.device, trainer.channels_last)
        return (normalise(resident(x, trainer.device)),), targets

    def seed(self, round: int) -> int:
        """Return the seed of whatever this node draws in a round: its own, and the same in every run."""
        return int(np.random.SeedSequence([self._seed, round]).generate_state(1)[0])

    def _score(self, state: Mapping[str, Any], x: Inputs, y: Targets) -> tuple[float, int]:
        trainer = self._workshop.trainer
        scored = trainer.evaluate(_tensors(state), x, y, self._mean, self._std)
        return trainer.task.metric.finished(scored.accuracy), scored.total


def _judged(settings: Settings, examples: int) -> int:
    """Return on how many examples to judge: a pass over them a node and two more, beside training's three an epoch."""
    affordable = JUDGING * 3 * settings.train.epochs * examples / (settings.federation.nodes + 2)
    return int(min(max(affordable, JUDGED[0]), JUDGED[1]))


def _tensors(state: Mapping[str, Any]) -> State:
    """Return NumPy arrays (what the codec decodes) as tensors on the same memory; tensors as they are."""
    return {
        name: value if isinstance(value, torch.Tensor) else torch.from_numpy(value) for name, value in state.items()
    }


def kind(settings: Settings) -> type[TorchLearner]:
    """Return the class that the setting ``learner._target_`` names.

    Raises:
        ConfigError: there is no such class, or it is no ``TorchLearner``.
    """
    target = settings.learner["_target_"]
    found = locate(target, "learner._target_")
    if not (isinstance(found, type) and issubclass(found, TorchLearner)):
        raise ConfigError("learner._target_", f"{target} is no subclass of rayfed.learning.learner.TorchLearner")
    return found

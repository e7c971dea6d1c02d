"""A model's rehearsal: what would fail in a node's first round fails here, before anything is founded and paid for.

The model is built once more and compared, takes real training steps with what the settings say, on examples of the kind
that it will see, and is evaluated; all by the class that the nodes will train with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from rayfed.config.schema import LEARNER
from rayfed.errors import ConfigError, RayfedError
from rayfed.learning import Update, dp_sgd, learner
from rayfed.learning.budget import Budget
from rayfed.learning.data import Dataset
from rayfed.learning.examples import Examples, take
from rayfed.learning.learner import Share, Workshop
from rayfed.learning.private import Private
from rayfed.learning.raised import with_type
from rayfed.learning.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from torch import nn

    from rayfed.config import Settings
    from rayfed.protocol.charter import Charter

BEYOND = 2
"""Examples beyond a batch: a second step is then taken on a batch that is not full."""

LOOKED_AT = 8
"""Test examples that the model is evaluated on."""

ONE_IMAGE = "Expected more than 1 value per channel when training"
"""What torch says where batch norm gets a single example."""


class Rehearsal:
    """Tries what the nodes of a federation will do in a round.

    Args:
        settings: the run's.
        charter: what they will agree on; what is in no blob yet may be missing in its layout.
        pictures: the data.
        here: whether this machine is one that the nodes will run on; their GPU is then used, too.
        timed: whether to measure how fast it is, which takes the steps a second time.

    Attributes:
        rate: examples that a node trains on in a second; None: not measured.
        examples: of the node that has most.
    """

    def __init__(
        self, settings: Settings, charter: Charter, pictures: Dataset | Examples, here: bool, timed: bool = False
    ) -> None:
        self.rate: float | None = None
        self.examples = 0
        self._timed = timed
        self._given = settings
        self._settings = _brief(settings, here)
        self._charter, self._pictures = charter, pictures
        self._kind = learner.kind(settings)

    def rehearse(self, genesis: Mapping[str, torch.Tensor], shares: Iterable[Share]) -> Mapping[str, Any]:
        """Take a round's first steps; return what they make of the model.

        Args:
            genesis: the model's state.
            shares: of the nodes that this party has; looked at one by one, since together they may be large.

        Raises:
            DataError, ConfigError: one line that names the setting to change.
        """
        most = least = next(one := iter(shares))
        for share in one:
            most = max(most, share, key=_examples)
            least = min(least, share, key=_examples)
        self.examples = _examples(most)
        enough = self._settings.train.batch_size + BEYOND
        rounds = {min(enough, _examples(share)): share for share in (least, most)}
        for images, share in rounds.items():
            after = self._round(share, images, genesis)
        self._afford(_examples(least))
        return after

    def _round(self, share: Share, images: int, genesis: Mapping[str, torch.Tensor]) -> Mapping[str, Any]:
        few = replace(
            self._pictures,
            train_x=take(share.train_x, slice(images)),
            train_y=share.train_y[:images],
            test_x=take(share.test_x, slice(LOOKED_AT)),
            test_y=share.test_y[:LOOKED_AT],
        )
        workshop = Workshop(self._settings, self._charter, few)
        _compare(genesis, workshop.genesis, self._settings.model["_target_"])
        with TemporaryDirectory() as folder:
            try:
                one = self._kind(workshop, self._charter, -1, **self._privately(Path(folder)))
                _check_figure(one.evaluate(genesis)[0], self._settings.task["_target_"])
                if not isfinite(loss := one.loss(genesis)):
                    raise ConfigError("model._target_", f"the loss is {loss} before anything is learned")
                trains = _trained(workshop.trainer.model)
                update = one.train(genesis, 1)
                _check(genesis, update)
                _check_trained(trains, _trained(workshop.trainer.model))
                one.loss(update.state)
                if self._timed:  # the first steps have warmed up what is only slow once
                    self.rate = images / _seconds(lambda: one.train(genesis, 1), self._settings.train.threads or 1)
                return update.state
            except RayfedError:
                raise
            except Exception as error:  # whatever a user's model, optimizer or learner raises
                raise self._complaint(error, images) from error

    def _afford(self, images: int) -> None:
        """Check that DP-SGD with the budget that was given is possible for so few images."""
        chosen, train = self._given.privacy, self._given.train
        if chosen.kind == "dp":
            with TemporaryDirectory() as folder:
                private = Private(chosen, self._charter.rounds, bytes(32), _budget(Path(folder), self._given))
                private.noise_multiplier(images, *dp_sgd.schedule(images, train.batch_size, train.epochs))

    def _privately(self, folder: Path) -> dict[str, Private]:
        """Return what a learner needs for DP-SGD, with noise whatever the budget is: nothing of it is shown."""
        if self._settings.privacy.kind != "dp":
            return {}
        chosen = replace(self._settings.privacy, noise_multiplier=1.0, target_epsilon=None)
        return {"private": Private(chosen, 1, bytes(32), _budget(folder, self._settings))}

    def _complaint(self, error: Exception, images: int) -> ConfigError:
        """Say which setting to change for what a round has raised."""
        train = self._settings.train
        reason = with_type(error)
        if ONE_IMAGE in str(error):
            if train.batch_size == 1:
                return ConfigError("train.batch_size", "batch norm cannot be trained on single examples: at least 2")
            if images == 1:
                return ConfigError("partition.min_examples", "batch norm cannot be trained on one example: at least 2")
        target, chosen = str(self._given.model["_target_"]), str(train.optimizer.get("_target_"))
        modules = {"torch.optim", _module(chosen)} - {_module(target)}
        if any(name.startswith(tuple(modules)) for name in _passed(error)):
            return ConfigError("train.optimizer", f"{chosen} cannot take a step: {reason}")
        task = str(self._given.task["_target_"])
        if _module(task) not in (_module(target), _module(CLASSIFICATION)) and _module(task) in _passed(error):
            return ConfigError("task", f"{task} fails while the model is tried: {reason}")
        own = self._given.learner["_target_"]
        if own != LEARNER:
            return ConfigError("learner._target_", f"{own} cannot train on a few examples: {reason}")
        beside = "" if train.precision == "fp32" else f" with train.precision={train.precision}"
        return ConfigError("model._target_", f"{target} cannot be trained{beside}: {reason}")


def _seconds(work: Callable[[], object], threads: int) -> float:
    """Return how long something takes with so many processor threads, but for what other processes take of that."""
    before, waited, began = torch.get_num_threads(), _waited(), time.monotonic()
    torch.set_num_threads(threads)
    try:
        work()
    finally:
        torch.set_num_threads(before)
    return max(time.monotonic() - began - (_waited() - waited), 1e-6)


def _waited() -> float:
    """Return for how many seconds this thread has waited for a processor so far; 0 where the system does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _check(genesis: Mapping[str, torch.Tensor], update: Update) -> None:
    """Check that the update is of the same model, and finite."""
    if odd := sorted(genesis.keys() ^ update.state.keys()):
        known = "is not in its state dict" if odd[0] in genesis else "is in its state dict, and was not before"
        raise ConfigError("model", f"does not stay what it is in training: {odd[0]} {known} ({len(odd)} such)")
    for name, before in genesis.items():
        after = torch.as_tensor(update.state[name])
        if (after.shape, after.dtype) != (before.shape, before.dtype):
            was, becomes = (f"{value.dtype} {tuple(value.shape)}" for value in (before, after))
            raise ConfigError("model", f"does not stay what it is in training: {name} is {was}, then {becomes}")
        if before.isfinite().all() and not after.isfinite().all():
            raise ConfigError(
                "train.optimizer", f"first steps make {name} NaN or infinite; a lower train.optimizer.lr may help"
            )
    if not isfinite(update.loss):
        raise ConfigError("train.optimizer", f"the loss of the first steps is {update.loss}")


def _check_figure(figure: float, target: str) -> None:
    """Check that what the model is measured by is a number."""
    if not isfinite(figure):
        raise ConfigError("task", f"{target} measures the model as {figure} before anything is learned")


def _trained(model: nn.Module) -> dict[str, bool]:
    """Return which parameters ask for gradients."""
    return {name: value.requires_grad for name, value in model.named_parameters()}


def _check_trained(before: Mapping[str, bool], after: Mapping[str, bool]) -> None:
    """Check that training neither freezes nor thaws anything: the next round would train other weights."""
    for name, trained in before.items():
        if after.get(name, trained) is not trained:
            words = f"{name} is {'trained' if trained else 'frozen'} as it is built and not after first steps"
            raise ConfigError("model", f"{words}: set requires_grad in the constructor, or say model.trained")


def _examples(share: Share) -> int:
    return len(share.train_y)


def _brief(settings: Settings, here: bool) -> Settings:
    """Return the settings with a single epoch. Recording its steps would take longer than they do, and momentum from
    round to round is none in the first."""
    device = settings.train.device if here else "cpu"
    return replace(settings, train=replace(settings.train, epochs=1, capture=False, device=device, worker_momentum=0.0))


def _budget(folder: Path, settings: Settings) -> Budget:
    return Budget(folder / "privacy.jsonl", settings.privacy.delta, settings.privacy.accountant)


def _compare(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], target: str) -> None:
    """Check that two genesis states are the same, bit for bit."""
    differing = [name for name in one if name not in other or _bits(one[name]) != _bits(other[name])]
    if differing := differing + sorted(other.keys() - one.keys()):
        raise ConfigError(
            "model._target_",
            f"{target} is another one each time that it is built, in {differing[0]} ({len(differing)} such): "
            "draw weights from the own generators of torch, NumPy or Python, which are seeded",
        )


def _bits(value: torch.Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    flat = value.detach().reshape(-1).contiguous()
    return value.dtype, value.shape, flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _passed(error: BaseException) -> Iterator[str]:
    """Yield the names of the modules that an error came through."""
    step = error.__traceback__
    while step is not None:
        yield str(step.tb_frame.f_globals.get("__name__", ""))
        step = step.tb_next


def _module(target: str) -> str:
    return target.rpartition(":" if ":" in target else ".")[0]

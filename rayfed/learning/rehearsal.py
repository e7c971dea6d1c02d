"""A model's rehearsal: what would fail in a node's first round fails here, before anything is founded and paid for.

The model is built once more and compared, comes out of a blob again, takes real training steps with what the settings
say, on examples of the kind that it will see, and is evaluated; all by the class that the nodes will train with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rayfed.config.schema import LEARNER
from rayfed.encoding import codec
from rayfed.errors import CodecError, ConfigError, RayfedError
from rayfed.learning import Update, dp_sgd, learner
from rayfed.learning.budget import Budget
from rayfed.learning.data import Dataset
from rayfed.learning.examples import Examples, take
from rayfed.learning.learner import Share, Workshop
from rayfed.learning.private import Private

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.protocol.charter import Charter

BEYOND = 2
"""Examples beyond a batch: a second step is then taken on a batch that is not full."""

LOOKED_AT = 8
"""Test examples that the model is evaluated on."""

ONE_IMAGE = "Expected more than 1 value per channel when training"
"""What torch says where batch norm gets a single image."""


class Rehearsal:
    """Tries what the nodes of a federation will do in a round.

    Args:
        settings: the run's.
        charter: what they will agree on.
        pictures: the data.
        here: whether this machine is one that the nodes will run on; their GPU is then used, too.
    """

    def __init__(self, settings: Settings, charter: Charter, pictures: Dataset | Examples, here: bool) -> None:
        self._given = settings
        self._settings = _brief(settings, here)
        self._charter, self._pictures = charter, pictures
        self._kind = learner.kind(settings)

    def rehearse(self, genesis: Mapping[str, torch.Tensor], shares: Iterable[Share]) -> None:
        """Take a round's first steps.

        Args:
            genesis: what the charter's genesis was encoded from.
            shares: of the nodes that this party has; looked at one by one, since together they may be large.

        Raises:
            DataError, ConfigError: one line that names the setting to change.
        """
        most = least = next(one := iter(shares))
        for share in one:
            most = max(most, share, key=_examples)
            least = min(least, share, key=_examples)
        base = self._through_a_blob(genesis)
        enough = self._settings.train.batch_size + BEYOND
        for share in {min(enough, _examples(share)): share for share in (most, least)}.values():
            self._round(share, min(enough, _examples(share)), genesis, base)
        self._afford(_examples(least))

    def _round(self, share: Share, images: int, genesis: Mapping[str, Any], base: Mapping[str, Any]) -> None:
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
                one.evaluate(base)
                update = one.train(base, 1)
                self._check(update)
                one.loss(update.state)
            except RayfedError:
                raise
            except Exception as error:  # whatever a user's model, optimizer or learner raises
                raise self._complaint(error, images) from error

    def _through_a_blob(self, genesis: Mapping[str, torch.Tensor]) -> Mapping[str, Any]:
        """Return the genesis as a node gets it, which is as it was to the fixed point's resolution."""
        layout = self._charter.layout
        base = codec.decode(layout, codec.encode(layout, genesis, codec.Header.merged(0)).blob)
        for spec in layout.tensors:
            before, after = (np.asarray(value, np.float64) for value in (genesis[spec.name].float(), base[spec.name]))
            lost = np.abs(after - before).max(initial=0.0)
            largest = np.abs(before).max(initial=0.0)
            resolution = 2.0**-spec.exponent
            if lost > resolution / 2 + largest * 2.0**-24:
                raise ConfigError("model", f"{spec.name} reaches {largest:g}, and {2.0**31 * resolution:g} is the most")
        return base

    def _check(self, update: Update) -> None:
        """Check that the update can be sent."""
        layout = self._charter.layout
        try:
            codec.encode(layout, update.state, codec.Header.merged(0))
        except CodecError as error:
            if "NaN" in str(error):
                raise ConfigError("train.optimizer", f"after a first step {error}") from error
            raise ConfigError("model", f"does not stay what it is in training: {error}") from error
        if not np.isfinite(update.loss):
            raise ConfigError("train.optimizer", f"the loss of the first steps is {update.loss}")

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
        reason = f"{type(error).__name__}: {_line(error)}"
        if ONE_IMAGE in str(error):
            if train.batch_size == 1:
                return ConfigError("train.batch_size", "batch norm cannot be trained on one image at a time, only on 2")
            if images == 1:
                return ConfigError("partition.min_examples", "batch norm cannot be trained on one image: at least 2")
        target, chosen = str(self._given.model["_target_"]), str(train.optimizer.get("_target_"))
        modules = {"torch.optim", _module(chosen)} - {_module(target)}
        if any(name.startswith(tuple(modules)) for name in _passed(error)):
            return ConfigError("train.optimizer", f"{chosen} cannot take a step: {reason}")
        own = self._given.learner["_target_"]
        if own != LEARNER:
            return ConfigError("learner._target_", f"{own} cannot train on a few images: {reason}")
        beside = "" if train.precision == "fp32" else f" with train.precision={train.precision}"
        return ConfigError("model._target_", f"{target} cannot be trained{beside}: {reason}")


def _examples(share: Share) -> int:
    return len(share.train_y)


def _brief(settings: Settings, here: bool) -> Settings:
    """Return the settings with a single epoch; recording its steps would take longer than they do."""
    device = settings.train.device if here else "cpu"
    return replace(settings, train=replace(settings.train, epochs=1, capture=False, device=device))


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


def _line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")

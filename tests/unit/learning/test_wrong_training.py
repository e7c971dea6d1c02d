"""Optimizers, schedules and tasks that cannot be: each is told in one line, before anything is founded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rayfed.config import load
from rayfed.errors import ConfigError, DataError
from rayfed.runtime import drafting

SCHEDULES = "torch.optim.lr_scheduler"
STEP = ["train/schedule=step", "train.schedule.step_size=1"]
MY = __name__


class Bounded(torch.optim.SGD):
    """One of a user's own, in which the name means something else."""

    def __init__(self, params: Any, momentum: float) -> None:
        super().__init__(params, 0.05)
        for group in self.param_groups:
            group["momentum"] = 0.0
            group["dampening"] = 0.0
        self.bound = momentum


class Forgetful(torch.optim.lr_scheduler.LRScheduler):
    """Fails when it is stepped."""

    def get_lr(self) -> list[float]:
        if self.last_epoch:
            raise KeyError("warmup")
        return [float(group["lr"]) for group in self.optimizer.param_groups]


class Broken:
    """A task that cannot even be made."""

    def __init__(self) -> None:
        raise RuntimeError("no labels today\nnor tomorrow")


def falling(factor: float) -> Callable[[Any], Any]:
    return lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda round: 1 - factor * round)


def chosen(schedule: str) -> list[str]:
    """Return the words that choose a schedule without parameters."""
    none = ["~train.schedule.step_size", "~train.schedule.gamma"]
    return ["train/schedule=step", f"train.schedule._target_={schedule}", *none]


too_far = falling(0.3)

WRONG = [
    (["train.optimizer.lr=-1"], "train.optimizer: torch.optim.SGD does not take .*: Invalid learning rate: -1"),
    (["train.optimizer.lr=0"], "train.optimizer.lr: 0 is out of range: greater than 0, and finite"),
    (["train.optimizer.lr=nan"], "train.optimizer.lr: nan is out of range"),
    (["train.optimizer.lr=inf"], "train.optimizer.lr: inf is out of range"),
    (["train.optimizer.lr=abc"], "train.optimizer: torch.optim.SGD does not take these parameters: "),
    (["train.optimizer.lr=null"], "train.optimizer: torch.optim.SGD does not take these parameters: "),
    (["train.optimizer.momentum=-1"], "train.optimizer: .*Invalid momentum value: -1"),
    (["train.optimizer.momentum=2"], "train.optimizer.momentum: 2 is out of range: 0 to below 1"),
    (["train.optimizer.momentum=1"], "train.optimizer.momentum: 1 is out of range: 0 to below 1"),
    (["+train.optimizer.dampening=5"], "train.optimizer.dampening: 5 is out of range: 0 to 1"),
    (["train.optimizer.weight_decay=-1"], "train.optimizer: .*Invalid weight_decay value: -1"),
    (
        ["train.optimizer.weight_decay=1e9"],
        r"train.optimizer: first steps bring features\.0\.weight to .*128 is the most",
    ),
    (["+train.optimizer.nonsense=1"], "train.optimizer: .*'nonsense'; to leave it out write ~train.optimizer.nonsense"),
    (["+train.optimizer.nesterov=true", "train.optimizer.momentum=0"], "train.optimizer: .*Nesterov momentum requires"),
    (["train/optimizer=adam", "+train.optimizer.betas=[1.5,0.9]"], "train.optimizer: .*Invalid beta parameter"),
    (["train/optimizer=adam", "+train.optimizer.betas=0.9"], "train.optimizer: torch.optim.Adam does not take"),
    (["train/optimizer=adam", "+train.optimizer.betas=[0.9]"], "train.optimizer: torch.optim.Adam fails: IndexError"),
    (["train/optimizer=adam", "+train.optimizer.eps=-1"], "train.optimizer: .*Invalid epsilon value: -1"),
    (["train.optimizer._target_=torch.optim.Nope"], "train.optimizer._target_: there is no 'Nope'"),
    ([*STEP, "train.schedule.step_size=0"], "train.schedule: StepLR fails with these parameters: integer modulo"),
    ([*STEP, "train.schedule.gamma=-1"], "train.schedule: StepLR makes the learning rate -0.02 in round 2"),
    ([*STEP, "train.schedule.gamma=nan"], "train.schedule: StepLR makes the learning rate nan in round 2"),
    ([*STEP, "train.schedule.gamma=abc"], "train.schedule: StepLR fails with these parameters: "),
    ([*STEP, "train.schedule.gamma=1e300"], "train.schedule: StepLR makes the learning rate inf in round 3"),
    (["train/schedule=cosine", "+train.schedule.eta_min=-5"], "train.schedule: CosineAnnealingLR makes .* in round 2"),
    (["train/schedule=cosine", "+train.schedule.nonsense=1"], "train.schedule: .*'nonsense'; to leave it out write ~"),
    (
        chosen(f"{SCHEDULES}.ReduceLROnPlateau"),
        "train.schedule._target_: ReduceLROnPlateau does not follow the round alone",
    ),
    (chosen(f"{MY}.Forgetful"), "train.schedule: Forgetful fails with these parameters: 'warmup'"),
    (chosen(f"{MY}.too_far"), "train.schedule: LambdaLR makes the learning rate -0.004 in round 5"),
    (chosen("torch.nn.Linear"), "train.schedule: torch.nn.Linear does not take these parameters"),
    (["task._target_=torch.nn.MSELoss"], "task._target_: torch.nn.MSELoss has no metric; a task has metric, loss and"),
    (["task._target_=torch.nn.functional.cross_entropy"], "task: torch.nn.functional.cross_entropy does not take"),
    (["task._target_=builtins.dict"], "task._target_: builtins.dict has no metric"),
    ([f"task._target_={MY}.Broken"], f"task: {MY}.Broken fails: RuntimeError: no labels today$"),
    (["model._target_=builtins.dict"], "model: builtins.dict does not take|model._target_: builtins.dict gives a dict"),
]


@pytest.mark.parametrize(("words", "expected"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_what_cannot_train_anything_is_told_in_one_line(words: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=f"^{expected}") as caught:
        drafting.draft(load(["train.threads=1", "federation.rounds=5", *words]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["train/schedule=cosine", "train.schedule.T_max=4"],  # down to zero in the last round
        [*chosen(f"{SCHEDULES}.LinearLR"), "+train.schedule.start_factor=0.1"],
        ["train.optimizer.momentum=0", "train.optimizer.lr=1e-6"],
        ["~train.optimizer.lr", f"train.optimizer._target_={MY}.Bounded", "train.optimizer.momentum=3",
         "~train.optimizer.weight_decay"],
    ],
)  # fmt: skip
def test_what_is_odd_and_trains_is_taken(words: list[str]) -> None:
    drafting.draft(load(["train.threads=1", "federation.rounds=5", *words]))


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        (tmp_path / "images" / part / "cat").mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / part / "cat" / f"{number}.png")
    rows = "".join(f"{row},yes\n" for row in range(40))
    (tmp_path / "rows.csv").write_text("x,label\n" + rows)
    for words in (
        ["+experiment=images", f"data.root={tmp_path}/images", f"data.cache_dir={tmp_path}/cache"],
        ["+experiment=tabular", "data=table", f"data.root={tmp_path}/rows.csv"],
    ):
        with pytest.raises(DataError, match=r"^data\.root: there is one class only, '(cat|yes)': nothing can be told"):
            drafting.draft(load(words))

"""Losses and metrics of users' own that are none: each is told in one line, before anything is founded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from rayfed.config import load
from rayfed.errors import ConfigError
from rayfed.protocol.metric import Metric
from rayfed.runtime import drafting

MY = __name__


class Good:
    metric = Metric("hits", percent=False)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return functional.cross_entropy(outputs, targets, reduction="none")

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return (outputs.argmax(1) == targets).float()


class NotANumber(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return torch.where(targets == 9, float("nan"), 1.0)


class Infinite(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return torch.full((len(targets),), float("inf"))


class Averaged(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return super().score(outputs, targets).mean()


class Number(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return 0.5


class Nothing(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return None


class TopTwo(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return outputs.topk(2).indices == targets[:, None]


class Doubled(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return super().score(outputs, targets).repeat(2)


class Arrays(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return super().score(outputs, targets).numpy()


class FloatLoss(Good):
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return float(super().loss(outputs, targets).mean())


class WholeLoss(Good):
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return targets


class TwoLosses(Good):
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return super().loss(outputs, targets), 0.1


class FailsInTraining(Good):
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        if outputs.requires_grad:
            raise KeyError("bed")
        return super().loss(outputs, targets)


class TwoAtATime(Good):
    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        if len(targets) > 2:
            raise RuntimeError("pairs only")
        return super().score(outputs, targets)


def test_the_one_that_the_others_are_made_from_is_taken() -> None:
    assert drafting.draft(load(["train.threads=1", f"task._target_={MY}.Good"])).data.metric.name == "hits"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("NotANumber", "measures the model as nan before anything is learned"),
        ("Infinite", "measures the model as inf before anything is learned"),
        ("Averaged", "Averaged.score gives one number for 2 examples"),
        ("Number", "Number.score gives float for 2 examples"),
        ("Nothing", "Nothing.score gives NoneType for 2 examples"),
        ("TopTwo", "TopTwo.score gives 2x2 for 2 examples"),
        ("Doubled", "Doubled.score gives 4 for 2 examples"),
        ("Arrays", "Arrays.score gives ndarray for 2 examples"),
        ("FloatLoss", "the loss is a float, not a tensor"),
        ("WholeLoss", "the loss of WholeLoss is torch.int64, which has no gradient"),
        ("TwoLosses", "the loss is a tuple, not a tensor"),
        ("FailsInTraining", "FailsInTraining fails while the model is tried: KeyError: 'bed'"),
        ("TwoAtATime", "TwoAtATime fails while the model is tried: RuntimeError: pairs only"),
    ],
)
def test_what_measures_nothing_is_told_in_one_line(task: str, expected: str) -> None:
    said = refused([f"task._target_={MY}.{task}"])
    assert said.startswith("task: "), said
    assert expected in said


ROWS = 60
CLASSES = np.arange(ROWS) % 2
NUMBERS = np.random.default_rng(0).standard_normal((ROWS, 3))
TOKENS = np.arange(ROWS * 8).reshape(ROWS, 8) % 50 + 7
TOKENS[ROWS - 2, 7] = 300  # in a row that is held back, and beyond what a rehearsal's few steps look at


@pytest.mark.parametrize(
    ("words", "x", "y", "expected"),
    [
        (
            [],
            NUMBERS,
            np.eye(2)[CLASSES],
            r"a class is one whole number an example, and the targets are float32 \(2,\)",
        ),
        ([], NUMBERS, CLASSES[:, None], r"a class is one whole number an example, and the targets are int64 \(1,\)"),
        ([], (NUMBERS * 9).astype(int), CLASSES, "whole numbers are looked up in a table: what is .* are floats"),
        (["model=tiny_transformer"], TOKENS, CLASSES, "the whole numbers in the data are 7 to 300"),
        (["model=tiny_transformer"], TOKENS - 8, CLASSES, "the whole numbers in the data are -1 to 292"),
    ],
    ids=["one-hot classes", "a column of classes", "whole numbers", "a token too high", "tokens below zero"],
)
def test_arrays_that_do_not_fit_are_told_with_what_is_meant(
    words: list[str], x: Any, y: Any, expected: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "rows.npz", train_x=x, train_y=y)
    said = refused(["+experiment=tabular", "data=arrays", f"data.root={tmp_path}/rows.npz", *words])
    assert re.search(expected, said), said


def refused(words: list[str]) -> str:
    with pytest.raises(ConfigError) as caught:
        drafting.draft(load(["train.threads=1", *words]))
    assert "\n" not in str(caught.value)
    return str(caught.value)

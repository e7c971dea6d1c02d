"""Tasks: what torch says, one example at a time; what does not fit is told by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from rayfed.encoding import canonical
from rayfed.errors import CodecError, ConfigError
from rayfed.learning import tasks
from rayfed.learning.dp_sgd import require
from rayfed.learning.evaluate import evaluate
from rayfed.learning.task import Task, forward
from rayfed.learning.train import Trainer
from rayfed.protocol.charter_parts import DataTerms
from rayfed.protocol.metric import Metric, of_task

RNG = torch.Generator().manual_seed(0)
OUTPUTS = torch.randn(7, 3, generator=RNG)
CLASSES = torch.tensor([0, 1, 2, 0, 1, 2, 2])
NUMBERS = torch.randn(7, 3, generator=RNG)
LABELS = (NUMBERS > 0).float()
SGD = {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1}, "device": "cpu", "threads": 1}


class Halved:
    """A task of somebody's own: three names, nothing else."""

    metric = Metric("closeness", percent=False)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs - targets).abs().mean(1)

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return -self.loss(outputs, targets)


class Stepping(nn.Module):
    """As a LightningModule is written."""

    def __init__(self, validates: bool = True) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        if validates:
            self.validation_step = self._validate

    def training_step(self, batch: Any, index: int) -> dict[str, torch.Tensor]:
        x, y = batch
        return {"loss": functional.mse_loss(self.layer(x), y)}

    def _validate(self, batch: Any, index: int) -> torch.Tensor:
        return 2 * self.training_step(batch, index)["loss"]


@pytest.mark.parametrize(
    ("task", "targets", "loss", "score"),
    [
        (tasks.Classification(), CLASSES, functional.cross_entropy(OUTPUTS, CLASSES, reduction="none"), None),
        (tasks.Regression(), NUMBERS, ((OUTPUTS - NUMBERS) ** 2).mean(1) / 2, ((OUTPUTS - NUMBERS) ** 2).mean(1)),
        (tasks.Regression("r2"), NUMBERS, None, 1 - ((OUTPUTS - NUMBERS) ** 2).mean(1)),
        (
            tasks.MultiLabel(),
            LABELS,
            functional.binary_cross_entropy_with_logits(OUTPUTS, LABELS, reduction="none").mean(1),
            ((OUTPUTS > 0).float() == LABELS).float().mean(1),
        ),
        (Halved(), NUMBERS, (OUTPUTS - NUMBERS).abs().mean(1), None),
    ],
    ids=["classes", "numbers", "r2", "labels", "own"],
)
def test_losses_and_scores_are_what_torch_says(
    task: Task, targets: torch.Tensor, loss: torch.Tensor | None, score: torch.Tensor | None
) -> None:
    found = task.loss(OUTPUTS, targets)
    assert found.shape == task.score(OUTPUTS, targets).shape == (7,)
    if loss is not None:
        torch.testing.assert_close(found, loss)
    if score is not None:
        torch.testing.assert_close(task.score(OUTPUTS, targets), score)
    for how, expected in (("mean", found.mean()), ("sum", found.sum())):
        torch.testing.assert_close(forward(task, nn.Identity(), (OUTPUTS,), targets, how)[0], expected)


def test_tokens_are_measured_in_bits() -> None:
    scores = torch.zeros(2, 5, 256)  # every byte is as likely as any other
    tokens = torch.randint(0, 256, (2, 5), generator=RNG)
    torch.testing.assert_close(tasks.NextToken().score(scores, tokens), torch.full((2,), 8.0))


def test_an_error_is_told_in_the_targets_own_unit_and_pooled_over_parts() -> None:
    task = tasks.build({"_target_": "rayfed.learning.tasks.Regression"}, scale=50.0)
    model, x = nn.Identity(), OUTPUTS.numpy()[:, :1]
    y = NUMBERS.numpy()[:, :1]

    def measured(part: slice) -> tuple[float, int]:
        model.register_parameter("none", nn.Parameter(torch.zeros(1)))
        found = evaluate(model, (x[part],), y[part], (), (), task=task)
        return task.metric.finished(found.accuracy), found.total

    whole, _ = measured(slice(None))
    assert whole == pytest.approx(50 * float(np.sqrt(np.mean((x - y) ** 2))), rel=1e-6)
    assert task.metric.pooled([measured(slice(0, 2)), measured(slice(2, 7))]) == pytest.approx(whole, rel=1e-6)


def test_a_model_that_knows_its_own_loss_trains_and_is_measured_by_it() -> None:
    model, task = Stepping(), tasks.OwnStep()
    base = {name: value.clone() for name, value in model.state_dict().items()}
    x, y = torch.randn(20, 4, generator=RNG).numpy(), torch.randn(20, 3, generator=RNG).numpy()
    trainer = Trainer(model, {**SGD, "batch_size": 5, "epochs": 3}, task)
    before = trainer.evaluate(base, (x,), y, (), ())
    fit = trainer.fit(base, (x,), y, (), (), seed=1, round=1)
    after = trainer.evaluate(fit.state, (x,), y, (), ())
    assert after.loss < before.loss
    with torch.no_grad():
        model.load_state_dict(fit.state)
        told = float(model._validate((torch.from_numpy(x), torch.from_numpy(y)), 0))
    assert after.loss == pytest.approx(told, rel=1e-5) == after.accuracy
    without = evaluate(Stepping(validates=False), (x,), y, (), (), task=task)
    assert without.loss > 0


def test_two_inputs_train_bit_for_bit_alike() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.layer = nn.Embedding(9, 2), nn.Linear(6, 3)

        def forward(self, tokens: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
            return self.layer(torch.cat([self.words(tokens).mean(1), numbers], 1))

    torch.manual_seed(0)
    model = Pair()
    base = {name: value.clone() for name, value in model.state_dict().items()}
    x = (torch.randint(0, 9, (21, 5), generator=RNG).numpy(), torch.randn(21, 4, generator=RNG).numpy())
    y = np.tile([0, 1, 2], 7)
    trainer = Trainer(model, {**SGD, "batch_size": 4})
    one, other = (trainer.fit(base, x, y, (), (), seed=3, round=2) for _ in range(2))
    assert all(torch.equal(one.state[name], other.state[name]) for name in base)
    assert any(not torch.equal(one.state[name], base[name]) for name in base)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"_target_": "torch.nn.Identity"}, r"^task\._target_: torch\.nn\.Identity has no metric"),
        ({"_target_": "rayfed.learning.tasks.Regression", "measure": "mae"}, r"^task\.measure: 'mae' is neither"),
        ({"_target_": "rayfed.learning.tasks.Regression", "speed": 1}, r"^task: .* does not take these parameters"),
        ({}, r"^task\._target_: is missing"),
    ],
)
def test_what_is_no_task_is_told(task: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tasks.build(task)


class Wrong(Halved):
    """Scores the batch, not its examples."""

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return super().score(outputs, targets).mean()


class Batched(Halved):
    """Gives one loss for a batch."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs - targets).abs().mean()

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs - targets).abs().mean(1)


def test_what_does_not_fit_is_told_before_anything_starts() -> None:
    x = (OUTPUTS,)
    tasks.check(nn.Identity(), Halved(), x, NUMBERS)
    with pytest.raises(ConfigError, match=r"^task: Wrong\.score gives one number for 7 examples"):
        tasks.check(nn.Identity(), Wrong(), x, NUMBERS)
    with pytest.raises(ConfigError, match=r"^task: Regression and Identity do not fit the data: outputs are \(7, 3\)"):
        tasks.check(nn.Identity(), tasks.Regression(), x, NUMBERS[:, :2])
    with pytest.raises(ConfigError, match=r"^task: the loss of Halved is nan"):
        tasks.check(nn.Identity(), Halved(), (OUTPUTS * math.nan,), NUMBERS)


def test_privacy_needs_the_loss_of_each_example() -> None:
    tasks.check(nn.Identity(), Batched(), (OUTPUTS,), NUMBERS)
    with pytest.raises(ConfigError, match=r"^privacy: dp needs the loss of each example, and Batched gives one"):
        tasks.check(nn.Identity(), Batched(), (OUTPUTS,), NUMBERS, privately=True)
    with pytest.raises(ConfigError, match=r"^privacy: dp needs the loss of each example, and OwnStep gives one"):
        require(Stepping(), tasks.OwnStep())


def test_only_classes_are_smoothed() -> None:
    with pytest.raises(ConfigError, match=r"^train\.label_smoothing: is for classes, and Regression has none"):
        Trainer(nn.Linear(2, 1), {**SGD, "label_smoothing": 0.1}, tasks.Regression())


def test_the_charter_tells_the_metric_and_says_nothing_of_accuracy() -> None:
    plain = DataTerms(("a", "b"), (1, 8, 8), (1,), (1,))
    assert plain.metric.name == "accuracy"
    assert plain.to_dict().keys() == {"classes", "shape", "mean", "std"}
    task = tasks.described(
        {"_target_": "rayfed.learning.tasks.Regression"}, {"_target_": "x"}, tasks.Regression().metric
    )
    terms = DataTerms((), (3,), (), (), 0, {"kind": "table"}, task)
    assert DataTerms.from_dict(canonical.loads(canonical.dumps(terms.to_dict()))) == terms
    assert terms.metric == Metric("rmse", False, "rms", False)
    assert tasks.described({"_target_": tasks.CLASSIFICATION}, {}, plain.metric) == {}
    with pytest.raises(CodecError, match=r"charter\.data\.task: is given and says nothing"):
        DataTerms.from_dict({**canonical.loads(canonical.dumps(plain.to_dict())), "task": {}})
    with pytest.raises(CodecError, match=r"metric\.pool: 'max'"):
        of_task({"metric": {"name": "a", "higher": 1, "pool": "max", "percent": 0}})
    with pytest.raises(CodecError, match=r"metric\.name: 'a b'"):
        Metric("a b")


def test_a_metric_is_read_as_it_is_meant() -> None:
    rmse = Metric("rmse", False, "rms", False)
    assert Metric().shown(0.975) == "97.5 %"
    assert rmse.shown(53.2156) == "53.22"
    assert rmse.shown(None) == ""
    assert rmse.sorted([1.0, 3.0, 2.0]) == [3.0, 2.0, 1.0], "the worst first"
    assert Metric().sorted([1.0, 3.0, 2.0]) == [1.0, 2.0, 3.0]
    assert rmse.pooled([(3.0, 1), (5.0, 1)]) == pytest.approx(math.sqrt(17))
    assert Metric().pooled([(0.5, 0), (1.0, 0), (None, 4)]) == 0.75
    assert rmse.pooled([(None, 3), (math.nan, 2)]) is None

"""Recorded steps: their arithmetic is the plain loop's; who cannot be recorded is found out and trains as before.

Without a GPU nothing is recorded, but the steps run as they would be: same places, same optimizer that starts anew.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rayfed.learning import frozen
from rayfed.learning.captured import CapturedLoop, Job, _groups
from rayfed.learning.images import Kept
from rayfed.learning.optimizers import Optimizers, parameters_of, set_rates
from rayfed.learning.quick_loss import QuickLoss
from rayfed.learning.seeding import seeded
from rayfed.learning.step import Recipe
from rayfed.learning.train import Fit, Trainer, _batches, _threads
from rayfed.learning.trial import Unfit, stays_on_device

SGD = {"_target_": "torch.optim.SGD", "lr": 0.05, "momentum": 0.9}
ADAM = {"_target_": "torch.optim.Adam", "lr": 1e-3}
MEAN, STD = (500_000,), (250_000,)
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 100)
X = (RNG.integers(0, 120, (100, 1, 8, 8)) + 60 * Y[:, None, None, None]).astype(np.uint8)

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


def network() -> nn.Module:
    """Return a small network with all that a step may stumble over: running statistics, counters, dropout."""
    with seeded(0):
        first, last = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(128, 3)
    return nn.Sequential(first, nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5), last)


def trainer(model: nn.Module | None = None, device: str = "cpu", **settings: Any) -> Trainer:
    net = network() if model is None else model
    return Trainer(net, {"optimizer": SGD, "batch_size": 32, "epochs": 2, "threads": 1, "device": device, **settings})


def genesis() -> dict[str, torch.Tensor]:
    return network().state_dict()


def fit(t: Trainer, seed: int = 1, round: int = 1, n: int = 100) -> Fit:
    return t.fit(genesis(), X[:n], Y[:n], MEAN, STD, seed, round)


def loop_of(t: Trainer) -> CapturedLoop:
    recipe = Recipe(t.precision, t.channels_last, t.label_smoothing, t.mu, t.augment)
    return CapturedLoop(t.model, t._optimizers, recipe)


def by_steps(t: Trainer, loop: CapturedLoop, seed: int = 1, round: int = 1) -> Fit:
    """Do what ``Trainer.fit`` does on a GPU."""
    images, labels = torch.from_numpy(X), torch.from_numpy(Y)
    batches = list(_batches(len(X), t.batch_size))
    draw, dropout = (int(word >> 1) for word in np.random.SeedSequence([seed, round]).generate_state(2, np.uint64))
    job = Job(genesis(), images, labels, MEAN, STD, batches, t.epochs, round)
    with seeded(0), _threads(t.threads):
        assert loop.prepare(job), loop.unfit
        torch.manual_seed(dropout)
        sums = loop.run(job, torch.Generator().manual_seed(draw))
    return t._outcome(sums.loss, sums.correct, len(X), len(batches))


def same(a: Fit, b: Fit) -> bool:
    return all(torch.equal(a.state[name], b.state[name]) for name in a.state) and a.loss == b.loss


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": ADAM},
        {"optimizer": {**SGD, "nesterov": True, "weight_decay": 0.01}, "weight_decay_on": ["6.*"]},
        {"optimizer": {"_target_": "torch.optim.AdamW", "lr": 1e-3}, "mu": 0.1},
        {"augment": {"flip": True, "shift": 0.25}, "label_smoothing": 0.1},
        {"precision": "bf16", "channels_last": True},
        {"batch_size": 33},
    ],
    ids=["sgd", "adam", "nesterov", "fedprox", "augmented", "bf16", "one size and one more"],
)
def test_steps_with_fixed_places_give_the_plain_loop_s_bits(settings: dict[str, Any]) -> None:
    plain, t = trainer(**settings), trainer(**settings)
    loop = loop_of(t)
    for round in (1, 2):
        done = by_steps(t, loop, round=round)
        assert same(done, fit(plain, round=round)), "the second round too, with the first one's places"
        assert done.accuracy == fit(plain, round=round).accuracy
    assert loop.unfit is None


def test_recorded_steps_train_a_head_on_a_frozen_trunk() -> None:
    def on_a_trunk() -> nn.Module:
        net = network()
        net[0].requires_grad_(False)
        net[1].requires_grad_(False)
        frozen.hold(net)
        return net

    plain, t = trainer(on_a_trunk()), trainer(on_a_trunk())
    loop = loop_of(t)
    for round in (1, 2):
        done = by_steps(t, loop, round=round)
        assert same(done, fit(plain, round=round))
    assert loop.unfit is None
    moved = {name for name, value in genesis().items() if not torch.equal(value, done.state[name])}
    assert moved == {"6.weight", "6.bias"}


def test_the_learning_rate_follows_the_schedule_without_another_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.1}
    plain, t = trainer(schedule=schedule), trainer(schedule=schedule)
    loop = loop_of(t)
    by_steps(t, loop)
    monkeypatch.setattr(loop, "_tried", None)  # called, it would raise
    assert same(by_steps(t, loop, round=3), fit(plain, round=3))


def test_weights_that_moved_are_recorded_again() -> None:
    plain, t = trainer(), trainer()
    loop = loop_of(t)
    by_steps(t, loop)
    first = loop._course
    for parameter in t.model.parameters():
        parameter.data = parameter.data.clone()
    assert same(by_steps(t, loop), fit(plain))
    assert loop._course is not first


@pytest.mark.parametrize(
    "optimizer",
    [
        {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "dampening": 0.5},  # begins with a whole gradient
        {"_target_": "torch.optim.NAdam", "lr": 1e-3},  # begins with a product of one
    ],
)
def test_an_optimizer_that_does_not_begin_with_zeros_is_found_out(optimizer: dict[str, Any]) -> None:
    t = trainer(optimizer=optimizer)
    loop = loop_of(t)
    job = Job(genesis(), torch.from_numpy(X), torch.from_numpy(Y), MEAN, STD, [(0, 50), (50, 100)], 1, 1)
    assert not loop.prepare(job)
    assert loop.unfit == "recorded steps do not give what the same steps give one by one"
    assert not loop.prepare(job), "and not tried again"


@pytest.mark.parametrize(
    "optimizer",
    [
        {"_target_": "torch.optim.SparseAdam"},
        {"_target_": "torch.optim.Adam", "lr": 1e-3, "foreach": True},
        {"_target_": "torch.optim.Adagrad", "lr": 1e-3},
    ],
)
def test_optimizers_without_such_a_step(optimizer: dict[str, Any]) -> None:
    net = nn.Linear(2, 2)
    made = Optimizers(net, optimizer)
    assert made.on_device(made.build(1), torch.device("cpu")) is None


def test_parameters_but_for_the_rate() -> None:
    net = nn.Linear(2, 2)
    a, b = torch.optim.SGD(net.parameters(), lr=1.0), torch.optim.SGD(net.parameters(), lr=2.0)
    assert parameters_of(a) == parameters_of(b)
    assert parameters_of(a) != parameters_of(torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.5))
    a.param_groups[0]["lr"] = rate = torch.tensor(1.0)
    set_rates(a, b)
    assert a.param_groups[0]["lr"] is rate
    assert rate.item() == 2.0


class Restless(nn.Module):
    """A linear model that does something on the processor in its forward pass."""

    def __init__(self, habit: str) -> None:
        super().__init__()
        self.layer, self.habit, self.calls = nn.Linear(64, 3), habit, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.layer(x.flatten(1))
        if self.habit == "python" and random.random() < 0.5:
            scores = scores * 2
        if self.habit == "numpy" and np.random.random() < 0.5:
            scores = scores * 2
        if self.habit == "torch" and torch.rand(1).item() < 0.5:
            scores = scores * 2
        if self.habit == "counts":
            self.calls += 1
        if self.habit == "waits" and scores.sum().item() > 0:
            scores = scores * 2
        if self.habit == "synchronises" and scores.is_cuda:
            torch.cuda.current_stream().synchronize()
        return scores


@pytest.mark.parametrize(
    ("habit", "reason"),
    [
        ("python", "Python's random"),
        ("numpy", "NumPy's random"),
        ("counts", "attributes"),
    ],
)
def test_a_model_that_does_something_on_the_processor_is_found_out(habit: str, reason: str) -> None:
    model = Restless(habit)
    with pytest.raises(Unfit, match=reason):
        stays_on_device(model, lambda: model(torch.zeros(2, 64)))
    stays_on_device(model, lambda: None)


def test_other_threads_random_numbers_are_not_the_model_s() -> None:
    model, drawn = nn.Linear(2, 2), iter([True, False])

    def step() -> None:
        if next(drawn):
            random.random()

    stays_on_device(model, step)


def test_without_a_gpu_nothing_is_recorded() -> None:
    assert trainer().captured is None


def test_groups_of_batches() -> None:
    batches = list(_batches(100, 32))
    assert [batches] == list(_groups(batches, 100))
    assert [batches[:2], batches[2:]] == list(_groups(batches, 64))
    assert [[one] for one in batches] == list(_groups(batches, 1)), "a batch is never cut"


def test_images_prepared_in_parts_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, t = trainer(augment={"flip": True, "shift": 0.25}), trainer(augment={"flip": True, "shift": 0.25})
    monkeypatch.setattr("rayfed.learning.captured.AT_ONCE", 64 * 64)
    assert same(by_steps(t, loop_of(t)), fit(whole))


def test_arrays_stay_on_the_device_as_long_as_there_is_room() -> None:
    arrays = [np.full(100, k, dtype=np.uint8) for k in range(12)]
    for most, many in ((0, 4), (1000, 10), (10_000, 12)):
        kept = Kept(torch.device("cpu"), most)
        first = [kept(array) for array in arrays]
        assert [kept._kept[k][0] is arrays[11 - k] for k in range(many)] == [True] * many
        assert len(kept._kept) == many
        assert kept(arrays[11]) is first[11]
        assert torch.equal(kept(arrays[0]), torch.zeros(100, dtype=torch.uint8))


# --- on a GPU -------------------------------------------------------------------------------------------------------


@on_a_gpu
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": ADAM, "augment": {"flip": True, "shift": 0.25}},
        {"precision": "bf16", "channels_last": True, "mu": 0.1},
        {"optimizer": {"_target_": "torch.optim.RMSprop", "lr": 1e-3}},
    ],
)
def test_recorded_on_a_gpu(settings: dict[str, Any]) -> None:
    t = trainer(device="cuda", **settings)
    generator = torch.cuda.get_rng_state()
    a, b, c = fit(t), fit(t), fit(trainer(device="cuda", **settings))
    assert t.captured is not None
    assert t.captured.unfit is None
    assert same(a, b), "the recording and its trial are not to be seen in the result"
    assert same(a, c)
    assert not same(a, fit(t, seed=2))
    assert torch.equal(torch.cuda.get_rng_state(), generator)
    QuickLoss(t, X, Y, MEAN, STD).loss(a.state)
    assert same(fit(t), a)
    fit(t, n=90)
    assert same(fit(t), a), "with other batch sizes in between"
    plain = fit(trainer(device="cuda", capture=False, **settings))
    assert a.loss == pytest.approx(plain.loss, rel=0.05)


@on_a_gpu
@pytest.mark.parametrize("habit", ["none", "waits", "synchronises", "torch", "counts"])
def test_who_cannot_be_recorded_on_a_gpu_trains_as_before(habit: str) -> None:
    def run(capture: bool) -> tuple[Trainer, Fit]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Dropout(0.1), Restless(habit))
        base = {name: value.clone() for name, value in model.state_dict().items()}
        t = trainer(model, "cuda", capture=capture)
        t.fit(base, X, Y, MEAN, STD, 1, 1)
        return t, t.fit(base, X, Y, MEAN, STD, 1, 2)

    (t, done), (_, plain) = run(True), run(False)
    assert t.captured is not None
    if habit == "none":
        assert t.captured.unfit is None
    else:
        assert t.captured.unfit is not None
        assert same(done, plain)

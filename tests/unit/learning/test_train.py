"""Local training: the arithmetic is the textbook's, the same seed gives the same bits, settings are checked at once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning.augment import Augment
from rayfed.learning.models import build
from rayfed.learning.quick_loss import QuickLoss
from rayfed.learning.train import Fit, Trainer, _batches

SGD = {"_target_": "torch.optim.SGD", "lr": 0.05, "momentum": 0.9}
GENTLE = {"_target_": "torch.optim.SGD", "lr": 0.01, "momentum": 0.9}
SMALL = {"_target_": "rayfed.learning.models.SmallCNN", "width": 4, "hidden": 16}
MEAN, STD = (500_000,), (250_000,)
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 100)
X = (RNG.integers(0, 120, (100, 1, 8, 8)) + 60 * Y[:, None, None, None]).astype(np.uint8)
"""A hundred noisy pictures in three shades of grey."""


def trainer(model: dict[str, Any] = SMALL, **settings: Any) -> Trainer:
    return Trainer(build(model, (1, 8, 8), 3, seed=0), {"optimizer": SGD, "threads": 1, **settings})


def genesis(model: dict[str, Any] = SMALL) -> dict[str, torch.Tensor]:
    return build(model, (1, 8, 8), 3, seed=0).state_dict()


def fit(t: Trainer, base: dict[str, torch.Tensor] | None = None, seed: int = 1, round: int = 1) -> Fit:
    return t.fit(genesis() if base is None else base, X, Y, MEAN, STD, seed, round)


def same(a: Fit, b: Fit) -> bool:
    return all(torch.equal(a.state[name], b.state[name]) for name in a.state)


def reference(epochs: int, batch: int, lr: float, momentum: float, mu: float = 0.0, decay: float = 0.0) -> Any:
    """FedAvg's client step (with FedProx in the loss), written as plainly as can be, in the trainer's order."""
    net = build(SMALL, (1, 8, 8), 3, seed=0)
    x = (torch.from_numpy(X).float() / 255 - 0.5) / 0.25
    start = [p.detach().clone() for p in net.parameters()]
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum, weight_decay=decay)
    draw, _ = np.random.SeedSequence([1, 1]).generate_state(2, np.uint64)
    generator = torch.Generator().manual_seed(int(draw >> 1))
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator)
        losses = []
        for chosen in order.split(batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x[chosen]), torch.from_numpy(Y)[chosen])
            losses.append(loss.item() * len(chosen))
            distance = sum(((p - s) ** 2).sum() for p, s in zip(net.parameters(), start, strict=True))
            (loss + mu / 2 * distance).backward()
            optimizer.step()
    return net.state_dict(), sum(losses) / len(x)


@pytest.mark.parametrize("mu", [0.0, 0.5])
def test_fit_is_the_textbook_s_loop(mu: float) -> None:
    done = fit(trainer(epochs=2, batch_size=32, mu=mu))
    state, loss = reference(2, 32, 0.05, 0.9, mu)
    for name, value in done.state.items():
        torch.testing.assert_close(value, state[name], rtol=1e-4, atol=1e-5)
    assert done.loss == pytest.approx(loss, rel=1e-4)
    assert (done.examples, done.steps) == (100, 8)


def test_a_large_mu_keeps_the_update_near_the_base() -> None:
    def distance(mu: float) -> float:
        state = fit(trainer(epochs=3, mu=mu)).state
        return float(sum((state[name] - value).square().sum() for name, value in genesis().items()))

    assert distance(5.0) < 0.5 * distance(0.0)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"precision": "bf16", "channels_last": True},
        {"augment": {"flip": True, "shift": 0.25}, "mu": 0.1},
        {"optimizer": {"_target_": "torch.optim.Adam", "lr": 1e-3}},
    ],
)
def test_same_seed_same_bits(settings: dict[str, Any]) -> None:
    model = {**SMALL, "dropout": 0.5}
    first = trainer(model, epochs=2, batch_size=16, **settings)
    a, b = fit(first, genesis(model)), fit(first, genesis(model))
    torch.manual_seed(123)
    c = fit(trainer(model, epochs=2, batch_size=16, **settings), genesis(model))
    assert same(a, b), "the trainer carries nothing over"
    assert same(a, c), "neither another trainer nor torch's own generator matters"
    assert not same(a, fit(first, genesis(model), seed=2))
    assert not same(a, fit(first, genesis(model), round=2))


def test_it_leaves_the_process_as_it_was() -> None:
    generator, threads = torch.get_rng_state(), torch.get_num_threads()
    base = genesis()
    before = {name: value.clone() for name, value in base.items()}
    fit(trainer({**SMALL, "dropout": 0.5}), base)
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.get_num_threads() == threads
    assert all(torch.equal(base[name], before[name]) for name in base)


def test_a_quick_judgement_in_between_changes_no_bit() -> None:
    t = trainer()
    before = fit(t)
    slow = t.evaluate(before.state, X, Y, MEAN, STD).loss
    assert QuickLoss(t, X, Y, MEAN, STD).loss(before.state) == pytest.approx(slow, rel=1e-4)
    assert same(fit(t), before)
    assert all(p.is_contiguous() for p in t.model.parameters())


def test_threads_that_share_a_trainer_do_not_disturb_each_other() -> None:
    model = {**SMALL, "dropout": 0.5}
    shared = trainer(model, batch_size=8)
    expected = [fit(shared, genesis(model), seed=seed) for seed in range(4)]
    found: dict[int, Fit] = {}

    def work(seed: int) -> None:
        found[seed] = fit(shared, genesis(model), seed=seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(same(expected[seed], found[seed]) for seed in range(4))


def test_it_learns_and_reports_it() -> None:
    done = fit(trainer(epochs=30, batch_size=8, optimizer=GENTLE))
    assert done.accuracy > 0.9
    assert done.loss < 0.5
    evaluation = trainer().evaluate(done.state, X, Y, MEAN, STD)
    assert evaluation.accuracy > 0.9
    assert done.state.keys() == genesis().keys()


def test_read_only_memory_maps_will_do(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    t = trainer()
    assert same(t.fit(genesis(), mapped, Y, MEAN, STD, 1, 1), fit(t))


def test_the_last_picture_is_never_a_batch_of_its_own() -> None:
    assert list(_batches(9, 4)) == [(0, 4), (4, 9)]
    assert list(_batches(10, 4)) == [(0, 4), (4, 8), (8, 10)]
    assert list(_batches(8, 4)) == [(0, 4), (4, 8)]
    assert list(_batches(3, 1)) == [(0, 1), (1, 2), (2, 3)]
    assert list(_batches(1, 4)) == [(0, 1)]


def test_learning_rate_follows_the_round() -> None:
    t = trainer(schedule={"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 2, "gamma": 0.1})
    rates = [t._build_optimizer(round).param_groups[0]["lr"] for round in range(1, 6)]
    assert rates == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.0005])


def test_the_schedule_warns_nobody() -> None:
    import warnings

    t = trainer(schedule={"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": 5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(t, round=4)


def test_l2_of_the_paper_s_dense_layer_is_in_the_gradient() -> None:
    model = {"_target_": "rayfed.learning.models.PaperCNN", "l2": 0.01, "dropout": 0.0}
    t = trainer(model, optimizer={"_target_": "torch.optim.SGD", "lr": 0.1, "weight_decay": 0.3})
    groups = t._build_optimizer(1).param_groups
    dense = next(group for group in groups if group["weight_decay"] == pytest.approx(0.02))
    assert [tuple(parameter.shape) for parameter in dense["params"]] == [(128, 256)]
    assert {group["weight_decay"] for group in groups} == {0.3, 0.02}


def test_weight_decay_on_chosen_parameters_only() -> None:
    t = trainer(optimizer={**SGD, "weight_decay": 0.1}, weight_decay_on=["classifier.*.weight"])
    groups = {group["weight_decay"]: len(group["params"]) for group in t._build_optimizer(1).param_groups}
    assert groups == {0.0: 8, 0.1: 2}


@pytest.mark.parametrize(
    ("setting", "settings"),
    [
        ("train.optimizer._target_", {"optimizer": {}}),
        ("train.optimizer._target_", {"optimizer": {"_target_": "torch.optim.SDG", "lr": 1}}),
        ("train.optimizer._target_", {"optimizer": {"_target_": "builtins.list"}}),
        ("train.optimizer", {"optimizer": {"_target_": "torch.optim.SGD", "rate": 1}}),
        ("train.optimizer", {"optimizer": {"_target_": "torch.optim.SGD", "lr": -1}}),
        ("train.optimizer._target_", {"optimizer": {"_target_": "torch.optim.Rprop"}, "weight_decay_on": ["*.bias"]}),
        ("train.schedule", {"schedule": {"_target_": "torch.optim.lr_scheduler.StepLR"}}),
        (
            "train.schedule._target_",
            {"schedule": {"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau"}},
        ),
        ("train.epochs", {"epochs": 0}),
        ("train.batch_size", {"batch_size": 0}),
        ("train.batch_size", {"batch_size": 2.5}),
        ("train.threads", {"threads": 0}),
        ("train.precision", {"precision": "fp8"}),
        ("train.mu", {"mu": -1}),
        ("train.device", {"device": "abacus"}),
        ("data.augment.shift", {"augment": {"shift": 3}}),
        ("data.augment.rotate", {"augment": {"rotate": 3}}),
    ],
)
def test_errors_name_the_setting(setting: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        trainer(**settings)
    assert caught.value.setting == setting
    assert "\n" not in str(caught.value)


def test_no_pictures() -> None:
    with pytest.raises(ConfigError, match=r"partition\.min_examples"):
        trainer().fit(genesis(), X[:0], Y[:0], MEAN, STD, 1, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu_is_said() -> None:
    with pytest.raises(ConfigError, match=r"train\.device"):
        trainer(device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
def test_on_a_gpu() -> None:
    t = trainer(device="cuda", epochs=2)
    a, b = fit(t), fit(t)
    assert same(a, b)
    assert all(value.device.type == "cpu" for value in a.state.values())
    torch.testing.assert_close(a.state, fit(trainer(epochs=2)).state, rtol=1e-2, atol=1e-3)


# --- augmentation ---------------------------------------------------------------------------------------------------


def _augmented(augment: Augment, x: torch.Tensor, count: int = 400) -> torch.Tensor:
    """Return ``count`` variants of the first picture, in two batches."""
    draws = augment.draw(count, x.shape[2:], torch.Generator().manual_seed(0), x.device)
    batch = x[torch.zeros(count // 2, dtype=torch.int64)]
    return torch.cat([draws.apply(batch, 0), draws.apply(batch, count // 2)])


def test_flip_mirrors_half() -> None:
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).view(2, 3, 4, 5)
    out = _augmented(Augment(flip=True), x)
    plain = (out == x[0]).flatten(1).all(1)
    mirrored = (out == x[0].flip(2)).flatten(1).all(1)
    assert bool((plain ^ mirrored).all())
    assert 150 < int(plain.sum()) < 250


def test_shift_moves_whole_pixels_and_reflects() -> None:
    x = torch.arange(100, dtype=torch.uint8).view(1, 1, 10, 10)
    padded = nn.functional.pad(x.float(), (2, 2, 2, 2), mode="reflect")
    windows = {tuple(padded[0, 0, i : i + 10, j : j + 10].flatten().int().tolist()) for i in range(5) for j in range(5)}
    out = {tuple(picture.flatten().tolist()) for picture in _augmented(Augment(shift=0.2), x)}
    assert out == windows


def test_flip_and_shift_together_on_oblong_pictures() -> None:
    x = torch.arange(2 * 6 * 10, dtype=torch.uint8).view(1, 2, 6, 10)
    padded = nn.functional.pad(x.float(), (3, 3, 2, 2), mode="reflect")
    windows = [padded[0, :, i : i + 6, j : j + 10] for i in range(5) for j in range(7)]
    allowed = {tuple(view.flatten().int().tolist()) for window in windows for view in (window, window.flip(2))}
    out = {tuple(picture.flatten().tolist()) for picture in _augmented(Augment(flip=True, shift=0.3), x, 4000)}
    assert out == allowed


def test_without_augmentation_pictures_are_as_they_were() -> None:
    x = torch.arange(24, dtype=torch.uint8).view(4, 1, 2, 3)
    assert torch.equal(Augment().draw(4, (2, 3), torch.Generator(), x.device).apply(x, 0), x)

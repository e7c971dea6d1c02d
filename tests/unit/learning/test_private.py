"""DP-SGD: gradients are right, clipped and noised; noise is secret and repeatable; the model is one it can train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from rayfed import config
from rayfed.config.groups.learning import PrivacySettings
from rayfed.errors import ConfigError
from rayfed.learning import group_norm, learner, models
from rayfed.learning.budget import Budget
from rayfed.learning.dp_sgd import PrivateTrainer, require
from rayfed.learning.images import Normalise
from rayfed.learning.noise import SecretStream
from rayfed.learning.private import BudgetSpent, Private
from rayfed.learning.train import Fit
from rayfed.runtime import drafting
from tests.unit.learning import odd_models

MEAN, STD = (500_000,), (250_000,)
SHAPE = (1, 8, 8)
SECRET = bytes(range(32))


def net(name: str = "SmallCNN") -> nn.Module:
    small: dict[str, Any] = {"width": 4, "hidden": 16} if name == "SmallCNN" else {"dropout": 0.0, "l2": 0.0}
    model = models.build({"_target_": f"rayfed.learning.models.{name}", **small}, SHAPE, 10, seed=0)
    group_norm.replace(model)
    return model


def pictures(n: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    dice = np.random.default_rng(0)
    return dice.integers(0, 256, (n, *SHAPE), dtype=np.uint8), dice.integers(0, 10, n)


def trainer(model: nn.Module, clip: float = 1.0, **settings: Any) -> PrivateTrainer:
    optimizer = {"_target_": "torch.optim.SGD", "lr": 1.0}
    return PrivateTrainer(model, {"optimizer": optimizer, "device": "cpu", "threads": 1, **settings}, clip)


def state_of(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def step(n: int, noise: float, clip: float, stream: SecretStream | None = None, **settings: Any) -> torch.Tensor:
    """Return by how much one step on all of ``n`` pictures moves the weights, all in one row."""
    model = net(settings.pop("model", "SmallCNN"))
    part = settings.pop("part", None)
    made = trainer(model, clip, **{"batch_size": n, **settings})
    made._part = part or made._part
    base = state_of(model)
    x, y = pictures(n)
    fit = made.fit_privately(base, x, y, MEAN, STD, stream or SecretStream(SECRET), noise, 1)
    return torch.cat([(fit.state[name] - base[name]).flatten() for name in base])


def plain_gradient(n: int, channels_last: bool = False, bf16: bool = False, model: str = "SmallCNN") -> torch.Tensor:
    made, (x, y) = net(model), pictures(n)
    images = Normalise(MEAN, STD, torch.device("cpu"), channels_last)(torch.from_numpy(x))
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = nn.functional.cross_entropy(made(images), torch.from_numpy(y))
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in made.parameters()])


@pytest.mark.parametrize(
    "how",
    [{}, {"channels_last": True}, {"part": 3}, {"model": "PaperCNN"}],
    ids=["plain", "channels_last", "parts", "gn"],
)
def test_without_noise_and_clipping_a_step_is_that_of_the_mean_gradient(how: dict[str, Any]) -> None:
    expected = plain_gradient(8, model=how.get("model", "SmallCNN"))
    torch.testing.assert_close(step(8, 1e-12, 1e3, **how), -expected, rtol=1e-3, atol=1e-6)


def test_mixed_precision_differs_from_the_plain_gradient_by_its_rounding_alone() -> None:
    expected = plain_gradient(8, bf16=True)
    error = (step(8, 1e-12, 1e3, precision="bf16") + expected).norm() / expected.norm()
    assert float(error) < 0.02


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_no_picture_moves_the_weights_by_more_than_the_clipping_norm(precision: str) -> None:
    clip = 1e-3
    assert float(plain_gradient(1).norm()) > 2 * clip
    moved = float(step(1, 1e-12, clip, precision=precision).double().norm())
    assert clip * 0.99 < moved <= clip * (1 + 1e-5)


def test_the_noise_has_the_size_that_was_asked_for() -> None:
    n, noise, clip = 4, 50.0, 1e-2
    moved = step(n, noise, clip).double() * n / (noise * clip)
    assert len(moved) > 2_000
    assert abs(float(moved.std()) - 1) < 4 / (2 * len(moved)) ** 0.5
    assert abs(float(moved.mean())) < 4 / len(moved) ** 0.5


def test_the_noise_is_the_nodes_own_and_the_same_again() -> None:
    again = [step(4, 1.0, 1.0, SecretStream(SECRET)) for _ in range(2)]
    assert torch.equal(*again)
    other = step(4, 1.0, 1.0, SecretStream(bytes(32)))
    assert float((other - again[0]).abs().min()) > 0


PICTURES = 7
"""No tensor of the model has noise of so many pairs."""


class Nobody(SecretStream):
    """Draws no picture in any step."""

    def uniform(self, n: int) -> NDArray[np.float64]:
        return np.ones(n) if n == PICTURES else super().uniform(n)


def test_a_step_without_any_picture_gets_its_noise_all_the_same() -> None:
    moved = step(PICTURES, 1.0, 1.0, Nobody(SECRET), batch_size=2)
    assert float(moved.abs().min()) > 0


def test_steps_draw_pictures_by_poisson_sampling() -> None:
    x, y = pictures(200)
    model = net()
    made = trainer(model, batch_size=10, epochs=2)
    assert made.schedule(200) == (0.05, 40)
    sizes: list[int] = []
    model.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    made.fit_privately(state_of(model), x, y, MEAN, STD, SecretStream(SECRET), 1.0, 1)
    assert len(set(sizes)) > 3  # not batches of one size
    assert 250 < sum(sizes) < 550  # 400 are expected, with a standard deviation of 19.5


def test_the_stream_is_aes_256_and_its_normal_numbers_are_normal() -> None:
    assert SecretStream(bytes(32)).whole(2).tobytes().hex() == "dc95c078a2408989ad48a21492842087"
    drawn = SecretStream(SECRET).normal(100_001)
    assert len(drawn) == 100_001
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.01
    assert abs((np.abs(drawn) < 1.959964).mean() - 0.95) < 0.004
    uniform = SecretStream(SECRET).uniform(100_000)
    assert 0 <= uniform.min() < 1e-3 < 1 - 1e-3 < uniform.max() < 1


# -- a node's budget ------------------------------------------------------------------------------------------------


def private(folder: Path, rounds: int = 4, **settings: Any) -> Private:
    chosen = PrivacySettings(kind="dp", **{"delta": 1e-3, **settings})
    return Private(chosen, rounds, SECRET, Budget(folder / "privacy.jsonl", chosen.delta, chosen.accountant))


@pytest.fixture
def fitted(tmp_path: Path) -> Callable[..., tuple[Fit, float]]:
    model = net()
    made, base = trainer(model, batch_size=20), state_of(model)

    def fit(round: int, n: int = 40, spend: bool = True, **settings: Any) -> tuple[Fit, float]:
        mine = private(tmp_path, **settings)  # anew each time, as after a restart
        return mine.fit(made, base, *pictures(n), MEAN, STD, round, spend)

    return fit


def test_rounds_add_up_over_restarts_and_a_repeated_round_is_counted_once(fitted: Any) -> None:
    spent = [fitted(round, noise_multiplier=2.0)[1] for round in (1, 2, 3)]
    assert 0 < spent[0] < spent[1] < spent[2]
    before, after = fitted(3, noise_multiplier=2.0), fitted(3, noise_multiplier=2.0)
    assert before[1] == after[1] == spent[2]
    assert all(torch.equal(before[0].state[name], after[0].state[name]) for name in before[0].state)
    assert fitted(3, noise_multiplier=1.9)[1] > spent[2]  # another update for the same round costs again


def test_all_rounds_together_stay_within_the_target_and_then_it_is_over(fitted: Any) -> None:
    spent = [fitted(round, target_epsilon=3.0)[1] for round in (1, 2, 3, 4)]
    assert 2.9 < spent[-1] <= 3.0
    with pytest.raises(BudgetSpent, match=r"^privacy\.target_epsilon: 3 of 3 is spent, and round 5"):
        fitted(5, target_epsilon=3.0)


def test_training_alone_costs_nothing_and_draws_other_noise(fitted: Any) -> None:
    shown, spent = fitted(1, noise_multiplier=2.0)
    alone, still = fitted(1, noise_multiplier=2.0, spend=False)
    assert still == spent
    assert any(not torch.equal(alone.state[name], shown.state[name]) for name in shown.state)


def test_a_node_tells_what_it_spent_and_its_lonely_run_adds_nothing(tmp_path: Path) -> None:
    small = ["model.width=4", "model.hidden=16", "train.epochs=1", "train.threads=1", "federation.rounds=2"]
    settings = config.load([*small, "federation.nodes=2", "privacy=dp", "privacy.delta=0.0005"])
    charter = drafting.draft(settings)
    mine = Private(settings.privacy, charter.rounds, SECRET, Budget(tmp_path / "privacy.jsonl", settings.privacy.delta))
    node = learner.TorchLearner(learner.Workshop(settings, charter), charter, 0, private=mine)
    first = node.train(node.genesis(), 1)
    assert first.epsilon is not None
    assert len(list(node.alone())) == 2
    second = node.train(first.state, 2)
    assert second.epsilon is not None
    assert 0 < first.epsilon < second.epsilon <= 8.0
    assert len((tmp_path / "privacy.jsonl").read_text().splitlines()) == 2


def test_a_delta_that_would_give_a_picture_away_is_refused(fitted: Any) -> None:
    with pytest.raises(ConfigError, match=r"^privacy\.delta: 0\.025 is too large for 40 examples"):
        fitted(1, noise_multiplier=1.0, delta=0.025)


# -- models without batch norm --------------------------------------------------------------------------------------


def settings_of(*words: str) -> config.Settings:
    return config.load(["model=paper_cnn", "model.dropout=0.0", "federation.nodes=2", *words])


def test_who_founds_with_dp_founds_without_batch_norm_and_all_others_follow() -> None:
    charter = drafting.draft(settings_of("privacy=dp"))
    assert charter.model["batch_norm"] == "group_norm"
    assert not [spec.name for spec in charter.layout.tensors if "running" in spec.name]
    for privacy in ("dp", "none"):
        workshop = learner.Workshop(settings_of(f"privacy={privacy}"), charter)
        assert list(workshop.genesis) == [spec.name for spec in charter.layout.tensors]


def test_a_node_with_dp_is_told_that_a_federation_with_batch_norm_is_not_for_it() -> None:
    charter = drafting.draft(settings_of())
    assert "batch_norm" not in charter.model
    with pytest.raises(ConfigError, match=r"^privacy: dp cannot train batch norm"):
        learner.Workshop(settings_of("privacy=dp"), charter)


def test_group_norm_is_opacus_own_choice() -> None:
    from opacus.validators import ModuleValidator

    def norms(model: nn.Module) -> list[tuple[str, int, int]]:
        return [(n, m.num_groups, m.num_channels) for n, m in model.named_modules() if isinstance(m, nn.GroupNorm)]

    model = models.build({"_target_": "torchvision.models.resnet18"}, (3, 32, 32), 10, seed=0)
    theirs = norms(ModuleValidator.fix(model))
    assert group_norm.replace(model) == len(theirs) == 20
    assert norms(model) == theirs
    require(model)


@pytest.mark.parametrize("affine", [True, False])
def test_what_opacus_cannot_train_is_said_before_anything_starts(affine: bool) -> None:
    norm = nn.InstanceNorm2d(1, affine=affine, track_running_stats=True)
    with pytest.raises(ConfigError, match=r"^model: dp cannot train it: "):
        require(nn.Sequential(norm, nn.Flatten(), nn.Linear(64, 10)))


def test_an_auxiliary_output_is_noised_and_nothing_is_kept_of_it() -> None:
    model = odd_models.TrainTuple(SHAPE, 10)
    base, (x, y) = state_of(model), pictures(40)
    made = trainer(model, batch_size=10)
    quiet = made.fit_privately(base, x, y, MEAN, STD, SecretStream(SECRET), 0.0, 1).state
    assert torch.equal(quiet["aux.weight"], base["aux.weight"])
    assert not torch.equal(quiet["head.weight"], base["head.weight"])
    loud = made.fit_privately(base, x, y, MEAN, STD, SecretStream(SECRET), 1.0, 1).state
    assert not torch.equal(loud["aux.weight"], base["aux.weight"])
    assert not any(getattr(module, "activations", None) for module in model.modules())


class Counting(nn.Module):
    """Keeps the mean of what it saw, where no noise protects it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))
        self.inner = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen += x.mean().detach()
        scores: torch.Tensor = self.inner(x)
        return scores


def test_what_would_leave_the_node_without_noise_does_not_leave_it() -> None:
    model = Counting()
    base = state_of(model)
    with pytest.raises(ConfigError, match=r"^model: seen changes while it trains"):
        trainer(model, batch_size=4).fit_privately(base, *pictures(8), MEAN, STD, SecretStream(SECRET), 1.0, 1)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["privacy=dp", "privacy.target_epsilon=null"], "privacy: dp needs privacy.target_epsilon=8 or"),
        (["privacy.noise_multiplier=1.0"], "privacy: noise needs privacy=dp"),
        (["privacy=dp", "privacy.max_grad_norm=0"], "privacy.max_grad_norm: 0.0 is out of range"),
        (["privacy=dp", "privacy.accountant=gdp"], "privacy.accountant: there is no 'gdp'"),
    ],
)
def test_settings_that_cannot_work_are_refused(words: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(words)
    assert str(caught.value).startswith(complaint)

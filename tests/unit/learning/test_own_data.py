"""Arrays, texts and data of one's own: what becomes of them, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rayfed.config import load as settings_of
from rayfed.errors import ConfigError, DataError
from rayfed.learning import learner
from rayfed.learning.arrays import load_npz, load_text
from rayfed.learning.budget import Budget
from rayfed.learning.examples import Examples
from rayfed.learning.learner import TorchLearner, Workshop
from rayfed.learning.networks import Perceptron, TinyTransformer
from rayfed.learning.private import Private
from rayfed.protocol.charter import Charter
from rayfed.protocol.metric import Metric
from rayfed.runtime import drafting

DICE = np.random.default_rng(0)
TOKENS, NUMBERS = DICE.integers(0, 20, (60, 5)), DICE.normal(size=(60, 3))
HERE = "tests.unit.learning.test_own_data"
SMALL = ["federation.nodes=2", "partition=iid", "train.threads=1", "train.batch_size=8", "train.optimizer.lr=0.05"]


class Pair(nn.Module):
    """Takes tokens and numbers."""

    def __init__(self, in_shape: Any, num_classes: int) -> None:
        super().__init__()
        assert in_shape == ((5,), (3,))
        self.words, self.head = nn.Embedding(20, 4), nn.Linear(7, num_classes)

    def forward(self, tokens: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([self.words(tokens).mean(1), numbers], 1))


class Ranking:
    """Learns which of several numbers is largest, with a loss and a metric of its own."""

    metric = Metric("hit_rate")

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.log_softmax(1) * targets.softmax(1)).sum(1).neg()

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.argmax(1) == targets.argmax(1)


def loader(rows: int = 60) -> Examples:
    """Data of somebody's own."""
    x, y = NUMBERS[:rows], NUMBERS[:rows] * 2
    return Examples(x[10:], y[10:], x[:10], y[:10], prepare={"scaled_by": 2})


def nothing() -> dict[str, int]:
    """No data at all."""
    return {}


def drafted(*words: str) -> tuple[Charter, TorchLearner]:
    settings = settings_of([*words])
    charter = drafting.draft(settings)
    return charter, TorchLearner(Workshop(settings, charter), charter, 0)


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def test_several_inputs_travel_from_a_file_to_the_model(tmp_path: Path) -> None:
    path = npz(tmp_path, train_x_0=TOKENS, train_x_1=NUMBERS, train_y=np.arange(60) % 3)
    words = ["+experiment=tabular", "data=arrays", f"data.root={path}", f"model._target_={HERE}.Pair"]
    charter, own = drafted(*words, "~model.hidden", "~model.dropout", *SMALL)
    assert [form["type"] for form in charter.data.prepare["inputs"]] == ["int64", "float32"]
    assert charter.data.classes == ("0", "1", "2")
    base = own.genesis()
    update = own.train(base, 1)
    assert update.examples == 24
    assert own.loss(update.state) < own.loss(base)
    inputs, _ = own.training_data()
    assert [tuple(one.shape) for one in inputs] == [(24, 5), (24, 3)]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"train_x": NUMBERS}, r"^data\.root: .*data\.npz has no array train_y; it has train_x"),
        ({"train_x": NUMBERS, "train_y": np.arange(7)}, r"^data\.root: .* has 60 examples in train_x and 7 in train_y"),
        (
            {"train_x": NUMBERS * np.nan, "train_y": np.arange(60) % 2},
            r"^data: train_x holds values that are no",
        ),
        ({"train_x": np.array(["a"] * 60), "train_y": np.arange(60) % 2}, r"^data: train_x is <U1 of 1 dimensions"),
        ({"train_x": NUMBERS, "train_y": np.arange(60) - 1}, r"^data: classes are -1 to 58, not within"),
        (
            {"train_x": np.array([{}] * 60, object), "train_y": np.arange(60)},
            r"^data\.root: .* cannot be read: Object arrays cannot be loaded",
        ),
    ],
)
def test_arrays_that_cannot_be_are_told(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_npz(npz(tmp_path, **arrays))
    (tmp_path / "other.npz").write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"^data\.root: .*other\.npz"):
        load_npz(tmp_path / "other.npz")


def test_texts_are_bytes_each_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The cat sat on the mat. " * 40)
    found = load_text(tmp_path / "a.txt", 16)
    x, y = found.inputs[0], found.train_y
    assert x.shape == y.shape
    assert x.shape[1] == 16
    np.testing.assert_array_equal(x[:, 1:], y[:, :-1])
    assert bytes(x[0].astype(np.uint8)) in (b"The cat sat on the mat. " * 2) + b"The"
    assert found.outputs == 256
    assert found.labels is None
    for owner, text in (("ann", "a" * 200), ("bob", "b" * 300)):
        (tmp_path / "many" / "train" / owner).mkdir(parents=True)
        (tmp_path / "many" / "train" / owner / "diary.txt").write_text(text)
    many = load_text(tmp_path / "many", 16)
    assert set(many.inputs[0][many.folders == 1].ravel()) == {ord("b")}
    with pytest.raises(DataError, match=r"^data\.length: .* has no 1001 bytes in a row"):
        load_text(tmp_path / "a.txt", 1000)
    with pytest.raises(DataError, match=r"holds neither train\.txt nor files in train/"):
        load_text(tmp_path, 16)


def test_a_transformer_sees_nothing_of_what_comes_and_learns(tmp_path: Path) -> None:
    model = TinyTransformer((8,), 256, width=16, depth=2, heads=2)
    tokens = torch.randint(0, 256, (3, 8))
    other = tokens.clone()
    other[:, 5:] = 0
    with torch.no_grad():
        torch.testing.assert_close(model(tokens)[:, :5], model(other)[:, :5])
    assert TinyTransformer((8,), 3, vocabulary=256, width=16, heads=2, pool=True)(tokens).shape == (3, 3)
    (tmp_path / "a.txt").write_text("abcd" * 400)
    with pytest.raises(ConfigError, match=r"^model: .*: 3 heads do not share a width of 16"):
        drafted("+experiment=text", f"data.root={tmp_path}/a.txt", "model.width=16", "model.heads=3", *SMALL)
    charter, own = drafted(
        "+experiment=text", f"data.root={tmp_path}/a.txt", "model.width=16", "data.length=8", *SMALL, "train.epochs=2"
    )
    base = own.genesis()
    (before, _), (after, _) = own.evaluate(base), own.evaluate(own.train(base, 1).state)
    assert charter.data.metric.name == "bits_per_token"
    assert before > 7 > after > 0


def test_data_and_a_task_of_ones_own_take_thirty_lines() -> None:
    words = [
        "+experiment=tabular",
        "data=custom",
        f"data.loader._target_={HERE}.loader",
        f"task._target_={HERE}.Ranking",
    ]
    charter, own = drafted(*words, *SMALL, "train.epochs=20")
    assert charter.data.metric == Metric("hit_rate")
    assert charter.data.task["_target_"] == f"{HERE}.Ranking"
    base = own.genesis()
    (before, _), (after, n) = own.evaluate(base), own.evaluate(own.train(base, 1).state)
    assert after > before
    assert n == 5
    with pytest.raises(DataError, match=rf"^data\.loader\._target_: {HERE}\.nothing gives dict, not "):
        learner.load(settings_of([*words, f"data.loader._target_={HERE}.nothing"]))
    with pytest.raises(ConfigError, match=r"^data\.loader: .*loader does not take these parameters"):
        learner.load(settings_of([*words, "+data.loader.speed=3"]))


def test_a_model_that_does_not_fit_rows_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^model(\._target_)?: "):
        drafting.draft(settings_of(["+experiment=tabular", "model=small_cnn"]))


@pytest.mark.parametrize(
    "words",
    [
        ["+experiment=tabular"],
        ["+experiment=tabular", "data=diabetes", "task=regression"],
        ["+experiment=text", "model.width=16", "model.depth=1", "data.length=16"],
    ],
    ids=["classes", "numbers", "text"],
)
def test_all_kinds_train_privately(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("opacus", reason="the extra `privacy` is not installed")
    private = ["privacy=dp", "privacy.noise_multiplier=2", "train.epochs=1", "privacy.delta=1e-5"]
    settings = settings_of([*words, *SMALL, *private])
    charter = drafting.draft(settings)
    kept = Private(settings.privacy, 1, bytes(32), Budget(tmp_path / "privacy.jsonl", 1e-5))
    own = TorchLearner(Workshop(settings, charter), charter, 0, private=kept)
    base = own.genesis()
    update = own.train(base, 1)
    assert update.epsilon is not None
    assert update.epsilon > 0
    assert any(not torch.equal(update.state[name], value) for name, value in base.items())
    assert all(bool(torch.isfinite(value).all()) for value in update.state.values())


def test_a_perceptron_without_layers_is_linear() -> None:
    model = Perceptron((2, 3), 4, hidden=())
    assert [tuple(p.shape) for p in model.parameters()] == [(4, 6), (4,)]
    assert model(torch.zeros(5, 2, 3)).shape == (5, 4)

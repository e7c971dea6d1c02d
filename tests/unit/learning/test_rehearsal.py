"""What would fail in the first round is refused before anything is founded; odd models that can be trained are."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from rayfed.config import load
from rayfed.errors import ConfigError
from rayfed.learning import learner
from rayfed.learning.learner import TorchLearner, Workshop, kind
from rayfed.learning.models import build
from rayfed.learning.rehearsal import Rehearsal
from rayfed.protocol.charter import Charter
from rayfed.runtime import drafting
from tests.unit.learning import odd_models

ODD = odd_models.__name__
DRAWN = ["lazy_dense", "lazy_convolutions", "NumpyWeights", "PythonWeights"]


def settings_of(model: str, *words: str) -> Any:
    target = model if "." in model else f"{ODD}.{model}"
    return replace(load(["train.threads=1", *words]), model={"_target_": target})


def drafted(model: str, *words: str) -> Charter:
    return drafting.draft(settings_of(model, *words))


def trained(model: str, *words: str) -> tuple[float, float]:
    """Return the accuracy of a node before and after two rounds of training alone."""
    settings = settings_of(model, "federation.nodes=2", "federation.rounds=2", "partition=iid", *words)
    charter = drafting.draft(settings)
    one: TorchLearner = kind(settings)(Workshop(settings, charter), charter, 0)
    return one.evaluate(one.genesis())[0], list(one.alone())[-1]


def complaint(model: str, *words: str) -> str:
    with pytest.raises(ConfigError) as caught:
        drafted(model, *words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("model", [*DRAWN, "TrainTuple", "AlwaysList", "Wrapped", "Keeps"])
def test_odd_models_that_train(model: str) -> None:
    before, after = trained(model)
    assert before < 0.3 < 0.5 < after


@pytest.mark.parametrize("model", [*DRAWN, "rayfed.learning.models.SmallCNN"])
def test_a_genesis_is_the_same_whatever_was_drawn_before(model: str) -> None:
    roots = set()
    for _ in range(2):
        np.random.standard_normal(3)
        torch.randn(3)
        roots.add(drafted(model).genesis)
    assert len(roots) == 1


def test_a_table_that_is_used_twice_travels_once() -> None:
    names = [one.name for one in drafted("SharedEmbedding").layout.tensors]
    assert names == ["words.weight", "head.weight", "head.bias"]


def test_building_leaves_the_process_s_generators_alone() -> None:
    np.random.seed(5)
    before = np.random.get_state(legacy=True)
    drafted("NumpyWeights")
    after = np.random.get_state(legacy=True)
    assert np.array_equal(before[1], after[1])
    assert before[2] == after[2]


def test_lazy_layers_take_weights_from_a_file(tmp_path: Any) -> None:
    """The layers have their shapes before the weights come."""
    shape, spec = (1, 8, 8), {"_target_": f"{ODD}.lazy_convolutions"}
    source = build(spec, shape, 10, seed=1).state_dict()
    torch.save(source, tmp_path / "weights.pt")
    found = build(spec, shape, 10, seed=2, pretrained=str(tmp_path / "weights.pt")).state_dict()
    assert all(torch.equal(source[name], found[name]) for name in source)


@pytest.mark.parametrize(
    ("model", "words", "expected"),
    [
        ("UnseededWeights", [], "model._target_: .*is another one each time that it is built, in body.weight"),
        ("Counted", [], "model._target_: .*is another one each time that it is built, in head.bias"),
        ("LazyAside", [], "model._target_: .*aside.weight.*has no shape"),
        ("TrainNothing", [], "model._target_: .*gives a dict, in which there are no scores"),
        ("FixedBatch", [], "model._target_: .*cannot be trained: RuntimeError: "),
        ("Detached", [], "model._target_: .*cannot be trained: .*does not require grad"),
        ("Grows", [], "model: does not stay what it is in training: late"),
        ("BatchNorm", ["train.batch_size=1"], "train.batch_size: batch norm"),
        ("ComplexWeight", [], "model: turn is complex64"),
        ("NeedsMask", [], "model._target_: .*does not take images .*required keyword-only argument: 'mask'"),
        ("Unsure", [], "model._target_: the loss is nan before anything is learned"),
        ("Downloads", [], "model: .*cannot be built with these parameters: URLError: .*Connection refused"),
        ("ExtraState", [], "model: _extra_state in its state dict is a dict"),
        ("refuses", [], "model: .*cannot be built with these parameters: FileNotFoundError: weights for 10 classes"),
        ("Plain", ["train.optimizer.lr=1e38"], "train.optimizer: first steps make body.weight NaN"),
        ("Plain", ["privacy=dp", "privacy.target_epsilon=0.001"], "privacy.target_epsilon: "),
        ("Plain", ["privacy=dp", "privacy.target_epsilon=8", "privacy.delta=0.01"], "privacy.delta: "),
        ("BatchNorm", ["learner._target_=rayfed.learning.train.Trainer"], "learner._target_: "),
    ],
)
def test_what_cannot_train_gets_a_line_of_its_own(model: str, words: list[str], expected: str) -> None:
    said = complaint(model, *words)
    assert re.match(expected, said), said


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("{_target_: torch.optim.LBFGS}", "LBFGS asks for a closure in each step"),
        (f"{{_target_: {ODD}.NeedsClosure, lr: 0.1}}", "NeedsClosure asks for a closure in each step"),
        ("{_target_: torch.optim.SparseAdam}", "SparseAdam does not support dense gradients"),
    ],
)
def test_optimizers_that_cannot_take_a_step_are_named(optimizer: str, expected: str) -> None:
    settings = settings_of("Plain")
    settings = replace(settings, train=replace(settings.train, optimizer=yaml.safe_load(optimizer)))
    with pytest.raises(ConfigError, match=rf"^train\.optimizer.*: .*{expected}"):
        drafting.draft(settings)


def test_a_last_batch_of_one_image_is_no_trouble_to_batch_norm() -> None:
    """1,438 images on two nodes: 719 each, and 719 = 22 * 32 + 15; batches of 359 leave one image over."""
    for size in (32, 359, 718):
        before, after = trained("BatchNorm", f"train.batch_size={size}", "train.epochs=3")
        assert after > before


def test_a_node_with_a_single_image_is_too_little_for_batch_norm_alone() -> None:
    for model in ("Plain", "BatchNorm"):
        settings = settings_of(model)
        charter, pictures = drafting.draft(settings), learner.load(settings)
        _, genesis = learner.genesis(settings, pictures, charter)
        many = learner.share(settings, pictures, 0)
        one = replace(many, train_x=many.train_x[:1], train_y=many.train_y[:1])
        rehearsal = Rehearsal(settings, charter, pictures, here=True)
        if model == "Plain":
            assert rehearsal.rehearse(genesis, [many, one]).keys() == genesis.keys()
            continue
        with pytest.raises(ConfigError, match=r"^partition\.min_examples: batch norm cannot be trained on one example"):
            rehearsal.rehearse(genesis, [many, one])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere", "cannot import 'brought' .*No module named 'nowhere'"),
        ("1 / 0", "importing 'brought' .* fails: ZeroDivisionError: division by zero"),
        ("class Net(:", "importing 'brought' .* fails: SyntaxError: invalid syntax"),
        ("Net = 3", "neither a class nor a function"),
    ],
)
def test_a_module_of_ones_own_that_cannot_be_imported(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brought.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "brought", raising=False)
    assert re.match(rf"model\._target_: .*{said}", complaint("brought.Net"))


class Sleepless(TorchLearner):
    """A learner of a user's own that fails."""

    def train(self, base: Any, round: int) -> Any:
        raise KeyError("bed")


def test_a_learner_of_ones_own_is_tried_too() -> None:
    said = complaint("Plain", f"learner._target_={__name__}.Sleepless")
    assert said == f"learner._target_: {__name__}.Sleepless cannot train on a few examples: KeyError: 'bed'"

"""What travels: each tensor once, no buffer that stands still, and nothing that the fixed point would change."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rayfed.config import Settings, load
from rayfed.encoding import codec, merkle
from rayfed.errors import ConfigError
from rayfed.learning import states
from rayfed.learning.learner import TorchLearner, Workshop
from rayfed.learning.models import build
from rayfed.protocol.charter import Charter
from rayfed.runtime import drafting
from rayfed.runtime.models import from_folder
from rayfed.store.files import FileStore
from tests.unit.learning import odd_models

SHAPE = (1, 8, 8)
WORDS = ["train.threads=1", "federation.nodes=2", "federation.rounds=2", "partition=iid"]


def settings_of(model: str, *words: str, **parameters: Any) -> Settings:
    target = {"_target_": f"{odd_models.__name__}.{model}", **parameters}
    return replace(load([*WORDS, *words]), model=target)


def names(charter: Charter) -> list[str]:
    return [spec.name for spec in charter.layout.tensors]


def learner(settings: Settings, charter: Charter) -> TorchLearner:
    return TorchLearner(Workshop(settings, charter), charter, 0)


def through_a_blob(charter: Charter, state: Any) -> dict[str, Any]:
    encoded = codec.encode(charter.layout, state, codec.Header.merged(1))
    assert encoded.saturated == 0
    return codec.decode(charter.layout, encoded.blob)


# -- one tensor, two names -------------------------------------------------------------------------------------------

TIED = {
    "Tied": ({"b.weight"}, {"a.weight", "b.bias"}),
    "OneLayerTwice": ({"again.0.weight", "again.1.running_var"}, {"first.0.weight", "first.1.running_var"}),
    "SharedTable": ({"wide.weight", "one", "two"}, {"mirror"}),
}


DP = ["privacy=dp", "privacy.noise_multiplier=1"]


@pytest.mark.parametrize(("model", "words"), [*((model, []) for model in TIED), ("Tied", DP), ("OneLayerTwice", DP)])
def test_a_tensor_with_two_names_travels_once_and_as_what_it_is(model: str, words: list[str]) -> None:
    settings = settings_of(model, *words)
    charter = drafting.draft(settings)
    second, first = TIED[model]
    if words:
        first, second = ({name for name in some if "running" not in name} for some in (first, second))
    assert first <= set(names(charter))
    assert not second & set(names(charter))
    weights = {spec.exponent for spec in charter.layout.tensors if not spec.name.endswith(("mean", "var", "tracked"))}
    assert weights == {24}


def test_what_training_does_to_a_shared_tensor_travels_whole() -> None:
    """All that a round moves comes back from a blob: nothing is lost to a coarser copy under another name."""
    settings = settings_of("Tied")
    charter = drafting.draft(settings)
    one = learner(settings, charter)
    start = through_a_blob(charter, one.genesis())
    done = one.train(start, 1)
    assert set(done.state) == set(names(charter))
    moved = torch.as_tensor(done.state["a.weight"]) - torch.as_tensor(start["a.weight"])
    assert moved.abs().max() > 1e-3
    back = one.model(through_a_blob(charter, done.state))
    assert back.b.weight is back.a.weight
    torch.testing.assert_close(back.a.weight.detach(), done.state["a.weight"], atol=2**-24, rtol=2**-23)


# -- buffers that stand still ----------------------------------------------------------------------------------------

CONSTANT = {"Infinite": "mask", "Complex": "turns", "BigBuffer": "scale", "LongIntegers": "salt", "Sines": "table"}


@pytest.mark.parametrize("model", CONSTANT)
def test_a_buffer_that_stands_still_is_in_the_charter_bit_for_bit(model: str) -> None:
    settings = settings_of(model)
    charter = Charter.from_json(drafting.draft(settings).canonical_json())
    own = build(settings.model, SHAPE, 10, settings.seed)
    assert names(charter) == [name for name, _ in own.named_parameters()]
    one = learner(settings, charter)
    assert set(one.genesis()) == set(names(charter))
    done = one.train(through_a_blob(charter, one.genesis()), 1)
    trained = one.model(done.state)
    wanted, found = own.get_buffer(CONSTANT[model]), trained.get_buffer(CONSTANT[model])
    assert torch.equal(wanted, found)
    drafting.try_joining(settings, charter.canonical_json())


def test_batch_norms_statistics_travel() -> None:
    charter = drafting.draft(settings_of("BatchNorm"))
    assert {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"} <= set(names(charter))
    assert states.KEY not in charter.model


def test_the_charters_values_are_used_whatever_a_machine_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("Sines")
    charter = drafting.draft(settings)
    monkeypatch.setattr(odd_models.Sines, "shift", 1e-6)
    there = learner(settings, charter)
    assert torch.equal(there.model(there.genesis()).table, torch.sin(torch.arange(8.0)))


def test_one_that_moves_later_is_named_and_not_lost() -> None:
    settings = settings_of("LateCount", "train.batch_size=100")
    charter = drafting.draft(settings)
    assert "tens" not in names(charter)
    one = learner(settings, charter)
    with pytest.raises(ConfigError, match=r"^model: tens changes while it trains"):
        list(one.alone())
    assert one.evaluate(one.genesis())[1] > 0, "the next round begins with the charter's value"


def test_what_is_too_large_for_the_charter_travels_if_it_can() -> None:
    charter = drafting.draft(settings_of("LargeTable"))
    assert "table" in names(charter)
    assert states.KEY not in charter.model


@pytest.mark.parametrize(
    ("model", "parameters", "said"),
    [
        ("LargeMask", {}, r"model: table holds an infinity or NaN, which cannot travel; .*persistent=False"),
        ("InfiniteCount", {}, r"model: least holds an infinity or NaN, which cannot travel"),
        ("InfiniteWeight", {}, r"model: never holds an infinity or NaN, which cannot travel"),
        ("BigWeight", {"value": 5000.0}, r"model: cannot travel: gain: it reaches 5000, and 4096 is the most"),
    ],
)
def test_what_cannot_travel_is_refused_by_name(model: str, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said}"):
        drafting.draft(settings_of(model, **parameters))


@pytest.mark.parametrize(
    ("charters", "settings", "said"),
    [
        ("Plain", "Infinite", "model: is not the federation's: mask: in the model, but not in the layout"),
        ("Infinite", "Plain", "model: is not the federation's, whose charter has the buffer mask"),
        ("Infinite", "Complex", "model: is not the federation's, whose charter has the buffer mask"),
    ],
)
def test_another_model_than_the_charters_is_refused(charters: str, settings: str, said: str) -> None:
    text = drafting.draft(settings_of(charters)).canonical_json()
    with pytest.raises(ConfigError, match=f"^{said}"):
        drafting.try_joining(settings_of(settings), text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AAAA", "charter: the buffer mask cannot be read"),
        ("-", "charter: the buffer mask cannot be read"),
        ("QlpoOTFBWSZTWQ==", "model: is not the federation's: its buffer mask has 64 bytes, not 0"),
    ],
)
def test_a_charters_buffer_that_is_none_is_refused(text: str, said: str) -> None:
    model = build({"_target_": f"{odd_models.__name__}.Infinite"}, SHAPE, 10, seed=0)
    with pytest.raises(ConfigError, match=f"^{said}"):
        states.narrow(model, {states.KEY: {"mask": text}})


# -- numbers that grow -----------------------------------------------------------------------------------------------


def test_a_large_weight_gets_a_coarser_fixed_point_and_is_trained_all_the_same() -> None:
    settings = settings_of("BigWeight", "merge.optimizer=fedavgm")
    charter = drafting.draft(settings)
    exponents = {spec.name: spec.exponent for spec in charter.layout.tensors}
    assert exponents["gain"] == 21
    assert exponents["head.weight"] == 24
    assert "gain" in [spec.name for spec in charter.layout.trained]
    assert through_a_blob(charter, learner(settings, charter).genesis())["gain"].tolist() == [200.0, 1.0]


def test_statistics_get_room_for_what_the_first_steps_make_of_them() -> None:
    settings = settings_of("LoudFeatures")
    charter = drafting.draft(settings)
    exponents = {spec.name: spec.exponent for spec in charter.layout.tensors}
    assert exponents["norm.running_var"] == 0 < exponents["norm.running_mean"] < 16
    one = learner(settings, charter)
    state: Any = one.genesis()
    for round in range(1, 9):
        state = through_a_blob(charter, one.train(state, round).state)
    assert state["norm.running_var"].max() > 1e8
    parameters = build(settings.model, SHAPE, 10, settings.seed).named_parameters()
    assert {spec.name for spec in charter.layout.trained} == {name for name, _ in parameters}


# -- models that leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["Tied", "Infinite", "OneLayerTwice", "Complex"])
def test_a_model_that_is_taken_away_is_whole(model: str, tmp_path: Path) -> None:
    settings = settings_of(model)
    charter = drafting.draft(settings)
    one = learner(settings, charter)
    done = one.train(one.genesis(), 1).state
    blob = codec.encode(charter.layout, done, codec.Header.merged(1)).blob
    root = merkle.root(blob)
    FileStore(tmp_path / "nodes" / "0xabc" / "node-0" / "blobs").put(root, blob)
    found = from_folder(charter, root, tmp_path)
    plain = build(settings.model, SHAPE, 10, settings.seed)
    assert list(found.state_dict()) == list(plain.state_dict())
    assert not found._state_dict_hooks
    assert not found._load_state_dict_pre_hooks
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((4, *SHAPE)).astype(np.float32))
    torch.testing.assert_close(found(x), one.model(done).eval()(x), atol=1e-4, rtol=1e-4)


def test_a_copy_of_a_narrow_model_is_narrow_by_itself() -> None:
    model = build({"_target_": f"{odd_models.__name__}.Tied"}, SHAPE, 10, seed=0)
    states.narrow(model, {})
    other = copy.deepcopy(model)
    assert "b.weight" not in other.state_dict()
    nn.init.zeros_(other.a.weight)
    model.load_state_dict(other.state_dict())
    assert model.b.weight is model.a.weight
    assert not model.b.weight.any()
    states.widen(other)
    assert "b.weight" in other.state_dict()
    assert "b.weight" not in model.state_dict()

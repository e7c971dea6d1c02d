"""What is frozen: in the charter by its hash, in no blob, the same for all, and in every model that is taken away."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import runpy
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rayfed.config import Settings, load
from rayfed.encoding import codec, merkle
from rayfed.encoding.layout import FROZEN_FILE, Frozen
from rayfed.errors import CodecError, ConfigError
from rayfed.learning import frozen, models, portable, states
from rayfed.learning.learner import TorchLearner, Workshop
from rayfed.protocol.charter import Charter
from rayfed.runtime import drafting
from rayfed.runtime.models import from_folder
from rayfed.store.files import FileStore
from tests.unit.learning import odd_models

TREE = Path(__file__).parents[3]
SHAPE = (1, 8, 8)
WORDS = ["train.threads=1", "federation.nodes=2", "federation.rounds=2", "partition=iid"]
HEAD = ["head.weight", "head.bias"]


def settings_of(model: str, *words: str, **parameters: Any) -> Settings:
    target = {"_target_": f"{odd_models.__name__}.{model}", **parameters}
    return replace(load([*WORDS, *words]), model=target)


def drafted(settings: Settings) -> Charter:
    return Charter.from_json(drafting.draft(settings).canonical_json())


def learner(settings: Settings, charter: Charter) -> TorchLearner:
    return TorchLearner(Workshop(settings, charter), charter, 0)


def names(charter: Charter) -> list[str]:
    return [spec.name for spec in charter.layout.tensors]


def through_a_blob(charter: Charter, state: Any) -> dict[str, Any]:
    return codec.decode(charter.layout, codec.encode(charter.layout, state, codec.Header.merged(1)).blob)


def trunk(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in model.state_dict().items() if not name.startswith("head.")}


def test_the_head_alone_travels() -> None:
    settings = settings_of("FrozenTrunk")
    charter = drafted(settings)
    assert names(charter) == HEAD
    assert states.KEY not in charter.model
    whole = models.build(settings.model, SHAPE, 10, settings.seed)
    wanted = frozen.describe(whole, trunk(whole))
    assert charter.layout.frozen == wanted
    assert charter.layout.parameters == sum(value.numel() for value in whole.parameters())
    assert charter.terms().frozen == charter.layout.frozen_digest != bytes(32)
    one = learner(settings, charter)
    done = one.train(one.genesis(), 1)
    assert list(done.state) == HEAD
    assert not torch.equal(torch.as_tensor(done.state["head.weight"]), one.genesis()["head.weight"])
    after = one.model(done.state)
    states.widen(after)
    for name, value in trunk(whole).items():
        assert frozen.same(value, after.state_dict()[name]), name
    drafting.try_joining(settings, charter.canonical_json())


def test_every_blob_names_what_is_frozen() -> None:
    charter = drafted(settings_of("FrozenTrunk", "merge.optimizer=fedavgm"))
    for layout in (charter.layout, charter.blob_layout):
        blob = codec.blank(layout, codec.Header.merged(1, layout.hash))
        assert codec.read_header(blob).frozen == charter.layout.frozen_digest
        assert codec.check(layout, blob, codec.Header.merged(1)) == ""
        other = replace(layout, frozen=Frozen(b"\1" * 32, 3))
        foreign = codec.Header.merged(1).bound(other)
        blob[: merkle.LEAF] = replace(foreign, layout_hash=layout.hash).to_bytes()
        assert "hash of what is frozen" in codec.check(layout, blob, codec.Header.merged(1))


def test_training_ends_in_the_same_head_as_if_all_had_travelled() -> None:
    """A trunk that travels, and that nothing moves, changes no bit of what the head becomes."""
    ends = []
    for model in ("FrozenTrunk", "AllTravels"):
        settings = settings_of(model)
        charter = drafted(settings)
        one = learner(settings, charter)
        state: Any = one.genesis()
        for round in (1, 2):
            state = through_a_blob(charter, one.train(state, round).state)
        ends.append((charter, one.model(state)))
    (small, first), (large, second) = ends
    assert small.blob_layout.size == 90
    assert large.blob_layout.size == 698
    states.widen(first)
    for name, value in second.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(first.state_dict()[name], value), name


def test_frozen_batch_norm_is_in_evaluation_mode_while_the_rest_is_trained() -> None:
    model = models.build(settings_of("FrozenTrunk").model, SHAPE, 10, seed=0)
    frozen.hold(model)
    model.train()
    assert [type(one) for one in model.modules() if not one.training] == [nn.BatchNorm1d, nn.BatchNorm1d]
    before = copy.deepcopy(trunk(model))
    twin = copy.deepcopy(model).eval().train()
    for one in (model, twin):
        one(torch.randn(4, *SHAPE))
        assert all(frozen.same(value, before[name]) for name, value in trunk(one).items())
    frozen.release(model)
    assert model.train().trunk[1].training
    assert not twin.trunk[1].training, "a copy has its own"


@pytest.mark.parametrize(
    ("model", "travels"),
    [
        ("BatchNorm", {"norm.running_mean", "norm.weight"}),
        ("HalfFrozenNorm", {"norm.running_mean", "norm.bias"}),
        ("MomentumEncoder", {"slow.weight"}),
    ],
)
def test_what_moves_travels(model: str, travels: set[str]) -> None:
    charter = drafted(settings_of(model))
    assert travels <= set(names(charter))
    still = {"HalfFrozenNorm": 8, "MomentumEncoder": 8}
    assert (charter.layout.frozen.parameters if charter.layout.frozen else 0) == still.get(model, 0)


def test_without_anything_frozen_a_charter_says_nothing_of_it() -> None:
    charter = drafted(settings_of("Plain"))
    assert charter.layout.frozen is None
    assert "frozen" not in charter.canonical_json()
    assert charter.terms().frozen == bytes(32)


def test_what_thaws_later_is_named_and_not_lost() -> None:
    settings = settings_of("LateThaw", "train.batch_size=100")
    charter = drafted(settings)
    one = learner(settings, charter)
    with pytest.raises(ConfigError, match=r"^model: body\.bias changes while it trains"):
        list(one.alone())
    before = trunk(models.build(settings.model, SHAPE, 10, settings.seed))
    one.evaluate(one.genesis())
    assert frozen.same(one._workshop.trainer.model.body.bias, before["body.bias"]), "the next round begins as agreed"


def test_dp_leaves_frozen_batch_norm_as_it_is(tmp_path: Path) -> None:
    settings = settings_of("FrozenTrunk", "privacy=dp", "privacy.noise_multiplier=1")
    charter = drafted(settings)
    assert names(charter) == HEAD
    one = learner(settings, charter)
    whole = one.model(one.genesis())
    assert isinstance(whole.trunk[1], nn.BatchNorm1d)
    states.widen(whole)
    (tmp_path / "model.py").write_text(
        portable.source(settings.model, charter.data, True, "A test's.", frozen.held(whole))
    )
    save_file({name: value.clone() for name, value in whole.state_dict().items()}, tmp_path / "model.safetensors")
    x = torch.zeros(2, *SHAPE)
    assert torch.equal(runpy.run_path(str(tmp_path / "model.py"))["load"]()(x), whole.eval()(x))
    drafting.try_joining(settings, charter.canonical_json())


# -- chosen by a setting -----------------------------------------------------------------------------------------------

SMALL = ["model=small_cnn", "model.width=4", "model.hidden=8"]


@pytest.mark.parametrize("patterns", ["[classifier.4.*]", "classifier.4.*", "['classifier.4.weight', '*.4.bias']"])
def test_what_is_trained_is_said_by_names(patterns: str) -> None:
    settings = load([*WORDS, *SMALL, f"model.trained={patterns}"])
    charter = drafted(settings)
    assert names(charter) == ["classifier.4.weight", "classifier.4.bias"]
    assert charter.layout.frozen is not None
    whole = models.build(load([*WORDS, *SMALL]).model, SHAPE, 10, settings.seed)
    assert all(value.requires_grad for value in whole.parameters())
    assert charter.layout.parameters == sum(value.numel() for value in whole.parameters())
    drafting.try_joining(settings, charter.canonical_json())


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (["head.*", "fc.*"], r"'fc\.\*' matches no parameter; the last one's name is head\.bias"),
        ([], r"\[\] is no list of patterns of names, such as \[fc\.\*\]"),
        (True, "True is no list of patterns"),
        ([3], r"\[3\] is no list of patterns"),
    ],
)
def test_names_that_are_none_are_refused(chosen: object, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"^model\.trained: {said}"):
        drafting.draft(settings_of("Plain", trained=chosen))


def test_a_tensor_with_two_names_is_trained_if_one_of_them_is() -> None:
    model = models.build(settings_of("Tied", trained=["b.*"]).model, SHAPE, 10, seed=0)
    assert {name for name, value in model.named_parameters() if value.requires_grad} == {"a.weight", "b.bias"}


def test_what_the_class_froze_stays_frozen() -> None:
    model = models.build(settings_of("FrozenTrunk", trained=["*.bias"]).model, SHAPE, 10, seed=0)
    assert {name for name, value in model.named_parameters() if value.requires_grad} == {"head.bias"}


# -- adapters ----------------------------------------------------------------------------------------------------------


def test_the_example_with_lora(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters and head travel, and come back whole into a model of Hugging Face's."""
    monkeypatch.syspath_prepend(str(TREE / "examples"))
    target = {"_target_": "own_lora.adapted"}
    data = ["+experiment=text", "task=classification", "data=custom", "data.loader._target_=own_text.reviews"]
    settings = replace(load([*WORDS, *data]), model=target)
    if importlib.util.find_spec("peft") is None or importlib.util.find_spec("transformers") is None:
        with pytest.raises(
            ConfigError, match=r"^model\._target_: cannot import 'own_lora' .*: pip install peft transformers$"
        ):
            drafting.draft(settings)
        pytest.skip("peft and transformers are not installed: the example says how")
    charter = drafted(settings)
    assert charter.layout.frozen is not None
    assert 10 * charter.layout.size < charter.layout.parameters
    assert all("lora_" in name or "classifier" in name for name in names(charter))
    one = learner(settings, charter)
    done = one.train(through_a_blob(charter, one.genesis()), 1)
    assert set(done.state) == set(names(charter))
    plain = one.model(done.state)
    states.widen(plain)
    assert len(plain.state_dict()) > 2 * len(names(charter))


@pytest.mark.parametrize(
    "wrong",
    [
        {"root": "22" * 31},
        {"root": "XY" * 32},
        {"bytes": 0},
        {"bytes": -512},
        {"bytes": "512"},
        {"parameters": -1},
        {"more": 1},
    ],
)
def test_a_charter_says_where_a_store_has_it_or_does_not(wrong: dict[str, Any]) -> None:
    both = Frozen(b"\1" * 32, 3, 700, b"\2" * 32)
    assert both.blob_size == 1024
    for one in (both, Frozen(b"\1" * 32, 3)):
        assert Frozen.from_dict(one.to_dict()) == one
    assert set(Frozen(b"\1" * 32, 3).to_dict()) == {"sha256", "parameters"}, "charters from before stay as they are"
    with pytest.raises(CodecError):
        Frozen.from_dict({**both.to_dict(), **wrong})


# -- who joins ---------------------------------------------------------------------------------------------------------


def test_who_builds_another_trunk_is_told_before_it_stakes_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("FrozenTrunk")
    text = drafted(settings).canonical_json()
    monkeypatch.setattr(odd_models.FrozenTrunk, "shift", 1e-6)
    said = r"^model\._target_: has another frozen part than the federation's: 608 weights with the SHA-256 \w{16}"
    with pytest.raises(ConfigError, match=said):
        drafting.try_joining(settings, text)


def test_the_trunk_is_drawn_by_the_federations_seed() -> None:
    charter = drafted(settings_of("FrozenTrunk"))
    other = replace(settings_of("FrozenTrunk"), seed=77)
    drafting.try_joining(other, charter.canonical_json())
    assert merkle.root(
        codec.encode(charter.layout, learner(other, charter).genesis(), codec.Header.merged(0)).blob
    ) == (charter.genesis)


def test_a_trunk_from_a_file_is_asked_for_by_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    target = settings_of("FrozenTrunk").model
    torch.save(models.build(target, SHAPE, 10, seed=5).state_dict(), file)
    given = replace(settings_of("FrozenTrunk"), model={**target, "pretrained": str(file)})
    charter = drafted(given)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(
        ConfigError, match=rf"^model\.pretrained: has another frozen part .* begins with sha256:{digest}$"
    ):
        drafting.try_joining(settings_of("FrozenTrunk"), charter.canonical_json())
    drafting.try_joining(given, charter.canonical_json())


@pytest.mark.parametrize(
    ("charters", "settings", "said"),
    [
        ("FrozenTrunk", "Plain", "model: is not the federation's: body.weight: in the model, but not in the layout"),
        ("Plain", "FrozenTrunk", r"model: is not the federation's: trunk\."),
    ],
)
def test_another_model_than_the_charters_is_refused(charters: str, settings: str, said: str) -> None:
    text = drafted(settings_of(charters)).canonical_json()
    with pytest.raises(ConfigError, match=f"^{said}"):
        drafting.try_joining(settings_of(settings), text)


def test_a_trained_part_that_no_blob_holds_is_refused() -> None:
    charter = drafted(settings_of("FrozenTrunk"))
    model = models.build(settings_of("FrozenTrunk").model, SHAPE, 10, seed=0)
    model.body.requires_grad_(True)
    with pytest.raises(ConfigError, match=r"^model: is not the federation's: body\.weight: in the model, but not in"):
        states.narrow(model, charter.model, charter.layout)


# -- written down ------------------------------------------------------------------------------------------------------


def test_a_model_that_is_taken_away_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    target = settings_of("FrozenTrunk").model
    torch.save(models.build(target, SHAPE, 10, seed=5).state_dict(), file)
    settings = replace(settings_of("FrozenTrunk"), model={**target, "pretrained": str(file)})
    charter = drafted(settings)
    one = learner(settings, charter)
    done = one.train(one.genesis(), 1).state
    blob = codec.encode(charter.layout, done, codec.Header.merged(1)).blob
    root = merkle.root(blob)
    place = tmp_path / "nodes" / "0xabc"
    FileStore(place / "node-0" / "blobs").put(root, blob)
    with pytest.raises(ConfigError, match=r"^run: no frozen\.bin in .* is the model's frozen part"):
        from_folder(charter, root, tmp_path)
    frozen.write(states.frozen_of(one._workshop.trainer.model), place)
    file.unlink()
    found = from_folder(charter, root, tmp_path)
    assert found.train().trunk[1].training
    plain = one.model(done)
    states.widen(plain)
    assert list(found.state_dict()) == list(plain.state_dict())
    for name, value in trunk(plain).items():
        assert frozen.same(found.state_dict()[name], value), name


KINDS = {
    "plain": torch.randn(3, 4),
    "halves": torch.randn(5).to(torch.bfloat16),
    "turns": torch.polar(torch.ones(3), torch.arange(3.0)),
    "count": torch.tensor(7),
    "mask": torch.tensor([True, False]),
    "odd": torch.tensor([float("nan"), float("-inf"), -0.0]),
    "none": torch.empty(0, 3),
    "strided": torch.arange(6.0).view(2, 3).T,
}


def test_what_is_written_down_comes_back_bit_for_bit_and_hashes_as_the_charter_says(tmp_path: Path) -> None:
    model = nn.Module()
    for name, value in KINDS.items():
        model.register_buffer(name, value)
    agreed = frozen.describe(model, KINDS)
    assert agreed is not None
    frozen.write(KINDS, tmp_path)
    path = tmp_path / FROZEN_FILE
    assert hashlib.sha256(path.read_bytes()).digest() == agreed.digest
    back = frozen.read(path, agreed)
    assert back.keys() == KINDS.keys()
    assert all(frozen.same(back[name], value) for name, value in KINDS.items())
    assert [one.name for one in tmp_path.iterdir()] == [FROZEN_FILE]
    frozen.write({"plain": torch.zeros(1)}, tmp_path)
    assert frozen.read(path, agreed), "it is written once"


def test_a_file_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    values = dict(model.state_dict())
    agreed = frozen.describe(model, values)
    assert agreed is not None
    assert agreed.parameters == 6
    frozen.write(values, tmp_path)
    path = tmp_path / FROZEN_FILE
    shutil.copy(path, tmp_path / "good")
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(CodecError, match=r"frozen\.bin is not the frozen part with the SHA-256"):
        frozen.read(path, agreed)
    assert frozen.read(tmp_path / "good", agreed)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^cluster\.state_dir: cannot write .*frozen\.bin"):
        frozen.write({"one": torch.zeros(1)}, tmp_path / "file")

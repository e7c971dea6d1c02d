"""From settings to the charter: nothing of the founder's machine gets into it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from rayfed.config import load
from rayfed.errors import ConfigError
from rayfed.learning import models
from rayfed.protocol.charter import Charter
from rayfed.runtime import drafting

WORDS = ["train.threads=1", "model.width=4", "model.hidden=8"]


@pytest.fixture(scope="module")
def fresh() -> Charter:
    return drafting.draft(load(WORDS))


def test_weights_of_ones_own_are_in_the_charter_by_their_hash(tmp_path: Path, fresh: Charter) -> None:
    settings = load(WORDS)
    net = models.build(settings.model, fresh.data.shape, len(fresh.data.classes), seed=7)
    charters = []
    for name in ("one", "two"):  # the same file on two machines
        path = tmp_path / name / "weights.pt"
        path.parent.mkdir()
        if name == "one":
            torch.save(net.state_dict(), path)
        else:
            shutil.copy(tmp_path / "one" / "weights.pt", path)
        chosen = load([*WORDS, f"model.pretrained={path}"])
        assert chosen.model["pretrained"] == str(path), "the nodes find it by the settings"
        charters.append(drafting.draft(chosen))
    content = hashlib.sha256((tmp_path / "one/weights.pt").read_bytes()).hexdigest()
    assert charters[0].model["pretrained"] == f"sha256:{content}"
    assert str(tmp_path) not in charters[0].canonical_json()
    assert charters[0].hash == charters[1].hash
    assert charters[0].genesis != fresh.genesis


def test_without_weights_nothing_is_said_of_them(fresh: Charter) -> None:
    assert "pretrained" not in fresh.model


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["train.optimizer.lr=-1"], "train.optimizer: .*learning rate"),
        (["train.optimizer.momentum=-0.5"], "train.optimizer: .*momentum"),
        (["train/optimizer=adam", "+train.optimizer.betas=[2,0.9]"], "train.optimizer: .*beta"),
        (["+train.optimizer.nesterow=true"], "train.optimizer: .*nesterow"),
        (["train.optimizer._target_=torch.nn.ReLU"], "train.optimizer: "),
        (["train/schedule=step", "train.schedule.step_size=0"], "train.schedule: "),
    ],
)
def test_what_cannot_train_is_found_before_anything_is_founded(words: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=f"(?i)^{complaint}"):
        drafting.draft(load([*WORDS, *words]))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], None),
        (["model.width=6"], r"model: is not the federation's: features\.0\.weight: the shape is"),
        (["model._target_=torch.nn.Identity"], "model._target_: torch.nn.Identity gives 2x1x8x8"),
        (["train.optimizer.lr=1e38"], "train.optimizer: first steps make"),
        (["data=image_folder", "data.root=/nowhere"], r"data\.root: there is no folder"),
    ],
)
def test_who_joins_finds_out_before_it_has_staked_anything(
    words: list[str], complaint: str | None, fresh: Charter
) -> None:
    settings = load([*WORDS, *words])
    if complaint is None:
        drafting.try_joining(settings, fresh.canonical_json())
        return
    with pytest.raises(ConfigError, match=f"^{complaint}"):
        drafting.try_joining(settings, fresh.canonical_json())

"""Every experiment composes and passes the checks, and the papers' ones say what the papers say."""

from __future__ import annotations

import dataclasses

import pytest

from rayfed.config import conf_dir, load
from rayfed.config.groups.learning import AugmentSettings
from rayfed.errors import ConfigError

EXPERIMENTS = sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml"))


def test_those_that_are_promised_are_there() -> None:
    promised = {"digits", "cifar10", "cifar10_paper", "cifar100_paper", "tiny_imagenet_paper", "transfer", "images"}
    assert promised <= set(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_composes(name: str) -> None:
    assert load([f"+experiment={name}"]).name == name


def test_digits_is_what_runs_by_default() -> None:
    assert load(["+experiment=digits"]) == load()


@pytest.mark.parametrize(("name", "classes"), [("cifar10", "cifar10"), ("cifar100", "cifar100")])
def test_cifar_as_published(name: str, classes: str) -> None:
    settings = load([f"+experiment={name}_paper"])
    assert settings.data.kind == classes
    assert settings.data.augment == AugmentSettings(flip=True, shift=0.1)
    assert settings.partition.kind == "iid"
    assert settings.model["_target_"].endswith(".PaperCNN")
    assert (settings.model["variant"], settings.model["dropout"]) == ("cifar", 0.5)
    assert settings.train.optimizer["_target_"] == "torch.optim.Adam"
    assert settings.train.optimizer["lr"] == 1e-3
    assert (settings.train.epochs, settings.train.batch_size) == (20, 256)
    assert (settings.federation.nodes, settings.federation.rounds) == (10, 15)


def test_tiny_imagenet_as_published() -> None:
    settings = load(["+experiment=tiny_imagenet_paper"])
    assert settings.data.kind == "tiny_imagenet"
    assert settings.model["variant"] == "tiny_imagenet"
    assert settings.federation.nodes == 5


def test_transfer_starts_from_pretrained_weights_and_takes_ones_own_pictures() -> None:
    settings = load(["+experiment=transfer", "data=image_folder", "data.root=/pictures"])
    assert settings.model["pretrained"] == "torchvision"
    assert settings.data.kind == "image_folder"


def test_the_command_line_has_the_last_word() -> None:
    settings = load(["+experiment=cifar10", "federation.nodes=12", "merge=trimmed_mean", "data=digits"])
    assert (settings.federation.nodes, settings.merge.rule, settings.data.kind) == (12, "trimmed_mean", "digits")
    assert dataclasses.replace(settings.federation, nodes=8) == load(["+experiment=cifar10"]).federation


def test_an_experiment_that_was_renamed_says_its_new_name() -> None:
    with pytest.raises(ConfigError, match=r"^experiment: 'pictures' is called 'images' now$"):
        load(["+experiment=pictures"])

"""Models of every origin: shapes, sizes, seeds, pretrained weights, and what is said of those that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning.models import build

SMALL = {"_target_": "rayfed.learning.models.SmallCNN"}
PAPER = {"_target_": "rayfed.learning.models.PaperCNN"}
RGB = (3, 32, 32)


class Tiny(nn.Module):
    """A user's own class: takes what rayfed fills in, and a parameter of its own."""

    def __init__(self, in_shape: tuple[int, int, int], num_classes: int, scale: float = 1.0) -> None:
        super().__init__()
        c, h, w = in_shape
        self.scale = scale
        self.dense = nn.Linear(c * h * w, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * self.dense(x.flatten(1))


class Careless(nn.Module):
    """Ignores the number of classes."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x.flatten(1)[:, :4])


def no_module() -> int:
    return 3


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), RGB, (3, 64, 64), (3, 48, 100), (3, 4, 4)])
def test_small_cnn_takes_any_picture(shape: tuple[int, int, int]) -> None:
    net = build(SMALL, shape, 7, seed=0)
    assert net(torch.zeros(5, *shape)).shape == (5, 7)
    assert parameters(net) < 700_000


def test_small_cnn_has_the_benchmark_s_size_and_layers() -> None:
    assert parameters(build(SMALL, RGB, 10, seed=0)) == 586_250
    assert parameters(build({**SMALL, "width": 16, "hidden": 128}, (1, 8, 8), 10, seed=0)) == 81_002


def test_paper_cnns() -> None:
    net = build(PAPER, RGB, 10, seed=0)
    convolutions = [layer.out_channels for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert convolutions == [64, 64, 128, 128, 256, 256]
    assert [layer.out_features for layer in net.modules() if isinstance(layer, nn.Linear)] == [128, 10]
    assert [name for name in net.l2 if dict(net.named_parameters())[name].shape[0] == 128] == list(net.l2)
    tiny = build({**PAPER, "variant": "tiny_imagenet"}, (3, 64, 64), 200, seed=0)
    convolutions = [layer.out_channels for layer in tiny.modules() if isinstance(layer, nn.Conv2d)]
    assert convolutions == [64, 64, 128, 128, 256, 256, 512, 512, 512, 512]
    assert [layer.out_features for layer in tiny.modules() if isinstance(layer, nn.Linear)] == [256, 128, 200]
    assert set(tiny.l2) <= set(dict(tiny.named_parameters()))
    assert [dict(tiny.named_parameters())[name].shape[0] for name in tiny.l2] == [256, 128]


def test_torchvision_by_name() -> None:
    for target in ("torchvision.models.resnet18", "torchvision:resnet18"):
        net = build({"_target_": target}, RGB, 10, seed=0)
        assert parameters(net) == 11_181_642


def test_a_class_of_the_user_s() -> None:
    net = build({"_target_": f"{__name__}.Tiny", "scale": 2.0}, (1, 8, 8), 10, seed=0)
    assert isinstance(net, nn.Module)
    assert net.scale == 2.0
    assert build({"_target_": f"{__name__}:Tiny"}, (1, 8, 8), 10, seed=0).dense.weight.shape == (10, 64)


def test_the_seed_alone_decides_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(1)
    first = build(SMALL, (1, 8, 8), 10, seed=5).state_dict()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = build(SMALL, (1, 8, 8), 10, seed=5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = build(SMALL, (1, 8, 8), 10, seed=6).state_dict()
    assert not torch.equal(first["classifier.1.weight"], other["classifier.1.weight"])


def test_pretrained_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    source = build(SMALL, (1, 8, 8), 10, seed=1)
    torch.save(source.state_dict(), path)
    net = build(SMALL, (1, 8, 8), 10, seed=2, pretrained=str(path))
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in net.state_dict().items())


def test_pretrained_with_other_classes_keeps_a_fresh_head(tmp_path: Path) -> None:
    path = tmp_path / "resnet.pt"
    source = build({"_target_": "torchvision:resnet18"}, RGB, 100, seed=1).state_dict()
    torch.save(source, path)
    net = build({"_target_": "torchvision:resnet18"}, RGB, 10, seed=2, pretrained=str(path)).state_dict()
    fresh = build({"_target_": "torchvision:resnet18"}, RGB, 10, seed=2).state_dict()
    for name, value in net.items():
        assert torch.equal(value, fresh[name] if name.startswith("fc.") else source[name])


def test_pretrained_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="the optional package safetensors is not installed")
    source = build(SMALL, (1, 8, 8), 10, seed=1).state_dict()
    safetensors.save_file(source, tmp_path / "w.safetensors")
    net = build(SMALL, (1, 8, 8), 10, seed=2, pretrained=str(tmp_path / "w.safetensors")).state_dict()
    assert all(torch.equal(net[name], source[name]) for name in source)


def test_a_parameter_that_another_model_had_can_be_left_out() -> None:
    with pytest.raises(
        ConfigError, match=r"unexpected keyword argument 'breadth'; to leave it out write ~model\.breadth$"
    ):
        build({**SMALL, "breadth": 3}, RGB, 10, seed=0)


@pytest.mark.parametrize(
    ("setting", "model", "shape"),
    [
        ("model._target_", {}, RGB),
        ("model._target_", {"_target_": "SmallCNN"}, RGB),
        ("model._target_", {"_target_": "rayfed.learning.models.LargeCNN"}, RGB),
        ("model._target_", {"_target_": "no.such.module.Net"}, RGB),
        ("model._target_", {"_target_": "torchvision:resnet19"}, RGB),
        ("model._target_", {"_target_": "torchvision:resnet18"}, (1, 8, 8)),
        ("model._target_", {"_target_": f"{__name__}.Careless"}, (1, 8, 8)),
        ("model._target_", {"_target_": f"{__name__}.no_module"}, (1, 8, 8)),
        ("model._target_", {"_target_": f"{__name__}.RGB"}, (1, 8, 8)),
        ("model", {**SMALL, "breadth": 3}, RGB),
        ("model", {**PAPER, "variant": "mnist"}, RGB),
        ("model", {**PAPER, "variant": "tiny_imagenet"}, (3, 16, 16)),
    ],
)
def test_errors_name_the_setting(setting: str, model: dict[str, Any], shape: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError) as caught:
        build(model, shape, 10, seed=0)
    assert caught.value.setting == setting
    assert "\n" not in str(caught.value)


def test_pretrained_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def message(pretrained: str, model: dict[str, Any] = SMALL) -> str:
        with pytest.raises(ConfigError) as caught:
            build(model, RGB, 10, seed=0, pretrained=pretrained)
        assert caught.value.setting == "model.pretrained"
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no file" in message(str(tmp_path / "nowhere.pt"))
    path = tmp_path / "broken.pt"
    path.write_bytes(b"broken")
    assert "not a readable" in message(str(path))
    torch.save([1, 2], path)
    assert "no state dict" in message(str(path))
    torch.save(build({**SMALL, "width": 8}, RGB, 10, seed=0).state_dict(), path)
    assert "features.0.weight" in message(str(path))
    torch.save(build(PAPER, RGB, 10, seed=0).state_dict(), path)
    assert "another model" in message(str(path))
    assert "SmallCNN" in message("torchvision")

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "no route to host" in message("torchvision", {"_target_": "torchvision:resnet18"})


def test_weights_files_run_no_code(tmp_path: Path) -> None:
    """A pickle that would run something is refused, not run."""
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.write_text, (tmp_path / "exploded", "x"))

    path = tmp_path / "bomb.pt"
    path.write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(ConfigError, match=r"model\.pretrained"):
        build(SMALL, RGB, 10, seed=0, pretrained=str(path))
    assert not (tmp_path / "exploded").exists()

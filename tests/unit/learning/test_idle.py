"""Biases before batch norm: a step without them trains everything else as a step with them does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rayfed.learning import group_norm
from rayfed.learning.cnn import PaperCNN, SmallCNN
from rayfed.learning.idle import IdleBiases

X = torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(16) % 4


def network() -> PaperCNN:
    torch.manual_seed(0)
    return PaperCNN((3, 8, 8), 4, dropout=0.0).double()


def trained(net: PaperCNN, steps: int, without: bool) -> dict[str, torch.Tensor]:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    idle = IdleBiases(net)
    if without:
        idle.take_from_means()
    for _ in range(steps):
        optimizer.zero_grad()
        if without:
            with idle.left_out():
                scores = net(X.double())
        else:
            scores = net(X.double())
        nn.functional.cross_entropy(scores, Y).backward()
        optimizer.step()
    if without:
        idle.add_to_means()
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def test_everything_is_trained_as_with_them() -> None:
    begin = network().state_dict()
    plain, idle = trained(network(), 5, without=False), trained(network(), 5, without=True)
    for name, value in plain.items():
        torch.testing.assert_close(idle[name], value, rtol=1e-6, atol=1e-8)
    assert not torch.equal(idle["features.1.running_mean"], begin["features.1.running_mean"])
    assert torch.equal(idle["features.0.bias"], begin["features.0.bias"]), "left out: not even noise moves it"


def test_what_a_model_says_is_idle_is_before_a_batch_norm() -> None:
    for variant, side in (("cifar", 8), ("tiny_imagenet", 32)):
        net = PaperCNN((3, side, side), 4, variant=variant)
        convolutions = [name for name, layer in net.named_modules() if isinstance(layer, nn.Conv2d)]
        assert list(net.idle_biases) == convolutions
        assert all(isinstance(net.get_submodule(norm), nn.BatchNorm2d) for norm in net.idle_biases.values())


def test_they_come_back_even_after_an_error() -> None:
    net = network()
    names = list(dict(net.named_parameters()))
    idle = IdleBiases(net)
    with idle.left_out():
        assert "features.0.bias" not in dict(net.named_parameters())
    with pytest.raises(ZeroDivisionError), idle.left_out():
        raise ZeroDivisionError
    assert list(dict(net.named_parameters())) == names


def test_no_bias_is_idle_before_group_norm_or_frozen_statistics() -> None:
    net = network()
    group_norm.replace(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    idle = IdleBiases(net)
    with idle.left_out():
        assert "features.0.bias" in dict(net.named_parameters())
    idle.take_from_means()
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    frozen = network().eval()
    with IdleBiases(frozen).left_out():
        assert "features.0.bias" in dict(frozen.named_parameters())
    other = SmallCNN((3, 8, 8), 4)
    with IdleBiases(other).left_out():
        assert "features.0.bias" in dict(other.named_parameters())

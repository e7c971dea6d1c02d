"""Models in wrappers, with parametrizations, hooks, switches and lists of their own: each trains or gets its line."""

from __future__ import annotations

import re

import pytest
import torch

from tests.unit.learning import wrapped_models
from tests.unit.learning.test_rehearsal import complaint, drafted, trained

MY = wrapped_models.__name__


@pytest.mark.parametrize(
    "model",
    [
        "parallel", "scripted", "compiled", "weight_norm", "weight_norm_of_old", "spectral_norm", "pruned",
        "Unused", "TwoTypes", "Listed", "Teacher",
    ],
)  # fmt: skip
def test_what_trains_in_torch_trains_here(model: str) -> None:
    if model == "spectral_norm":  # its largest singular value is kept at one: it learns slower
        before, after = trained(f"{MY}.{model}", "train.epochs=8")
    else:
        before, after = trained(f"{MY}.{model}")
    assert before < 0.3 < 0.45 < after


def test_each_weight_travels_under_the_name_that_its_wrapper_gives_it() -> None:
    names = [one.name for one in drafted(f"{MY}.weight_norm").layout.tensors]
    assert names[:3] == [
        "body.bias",
        "body.parametrizations.weight.original0",
        "body.parametrizations.weight.original1",
    ]
    pruned = drafted(f"{MY}.pruned")
    assert "body.weight_orig" in [one.name for one in pruned.layout.tensors]
    assert list(pruned.model["constants"]) == ["body.weight_mask"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("Thaws", "model: body.weight is frozen as it is built and not after first steps"),
        ("Freezes", "model: head.weight is trained as it is built and not after first steps"),
        ("Toggles", "model: body.weight is frozen as it is built and not after first steps"),
        ("LayersInAList", "model: blocks is a plain list, whose weights torch neither trains nor saves: nn.ModuleList"),
        ("LayersInADict", r"model: inner\.0\.by_name is a plain dict, whose weights torch neither trains nor saves"),
        ("PlainTensor", "model: scale is a plain Tensor, whose weights .* nn.Parameter make them the model's"),
        ("Renamed", "model: body.weight is trained, and its state dict has nothing of this name"),
        ("Dropped", "model: head.bias is trained, and its state dict has nothing of this name"),
        ("Stamped", 'model._target_: .*cannot be trained: .*Unexpected key.*"version"'),
        ("BrokenHook", "model: gives no state dict: RuntimeError: "),
        ("ForInference", "model._target_: .*cannot be put into evaluation mode: NotImplementedError: inference only"),
        ("NoChain", r"model._target_: .*its train\(\) does not return the model"),
        ("NoGradients", "model._target_: .*cannot be trained: .*does not require grad"),
        ("LateText", "model._target_: .*does not take images of shape 1x8x8: no such bed$"),
        ("OnlyDropout", "model: has no parameter that could be trained"),
    ],
)
def test_what_would_be_lost_in_silence_gets_a_line(model: str, expected: str) -> None:
    said = complaint(f"{MY}.{model}")
    assert re.match(expected, said), said


def test_layers_in_a_list_are_what_torch_would_lose() -> None:
    """Why they are refused: they are in no state dict, so a model that is taken away would have others."""
    net = wrapped_models.LayersInAList((1, 8, 8), 10)
    assert not any("blocks" in name for name in net.state_dict())
    other = wrapped_models.LayersInAList((1, 8, 8), 10)
    other.load_state_dict(net.state_dict())
    x = torch.rand(2, 1, 8, 8)
    assert not torch.equal(net(x), other(x))

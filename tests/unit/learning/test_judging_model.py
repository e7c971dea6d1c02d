"""The copy of a model in which peers' updates are judged."""

from __future__ import annotations

import torch
from torch import nn

from rayfed.learning.cnn import SmallCNN
from rayfed.learning.judging_model import JudgingModel


def test_it_holds_a_state_without_a_copy_and_leaves_the_model_that_it_was_made_from() -> None:
    torch.manual_seed(0)
    model, other = SmallCNN((1, 8, 8), 3, 4, 8), SmallCNN((1, 8, 8), 3, 4, 8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = {name: value.clone() for name, value in other.state_dict().items()}
    images = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        held = JudgingModel(model).holding(given)
        torch.testing.assert_close(held(images), other.eval()(images))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    biases = [name for name, value in held.named_parameters() if value.dim() == 1]
    assert biases
    assert all(held.get_parameter(name).data_ptr() == given[name].data_ptr() for name in biases)


def test_what_a_model_counts_in_a_buffer_is_not_counted_in_the_callers_state() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x

    given = {"calls": torch.tensor(7)}
    held = JudgingModel(Counting()).holding(given)
    held(torch.zeros(1))
    assert int(held.calls) == 8
    assert int(given["calls"]) == 7


def test_weights_of_another_type_are_taken_as_the_model_has_them() -> None:
    model = nn.Linear(2, 1).to(torch.bfloat16)
    held = JudgingModel(model).holding({"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
    assert held(torch.ones(1, 2, dtype=torch.bfloat16)).item() == 2.0


def test_a_model_that_keeps_what_it_computed_from_its_weights_is_judged_in_place() -> None:
    model = nn.Linear(2, 1)
    assert JudgingModel.suits(model)
    model.doubled = model.weight * 2
    assert not JudgingModel.suits(model)
    assert not JudgingModel.suits(torch.jit.ScriptModule())

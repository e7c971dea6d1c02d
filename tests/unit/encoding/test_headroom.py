"""Each tensor's fixed point: the usual one where it leaves room, coarser where values are large, a refusal beyond."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfed.encoding import codec
from rayfed.encoding.headroom import GROWTH, HEADROOM, fitted
from rayfed.encoding.layout import COARSEST, Layout
from rayfed.errors import CodecError


def exponent(value: float, trained: bool = True, after: float | None = None) -> int:
    state = {"w": np.array([0.0, -value], np.float32)}
    later = None if after is None else {"w": np.array([after], np.float32)}
    layout = fitted(state, {"w"} if trained else set(), later)
    assert codec.encode(layout, state, codec.Header.merged(0)).saturated == 0
    return layout.tensors[0].exponent


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 24), (1.0, 24), (32.0, 24), (32.01, 23), (200.0, 21), (4096.0, COARSEST)]
)
def test_a_weight_may_grow_fourfold(value: float, expected: int) -> None:
    assert exponent(value) == expected
    assert HEADROOM * value <= 2.0 ** (31 - expected)


@pytest.mark.parametrize(("value", "expected"), [(1.0, 16), (8192.0, 16), (8193.0, 15), (1e5, 12), (5e8, 0)])
def test_a_statistic_has_fewer_bits_and_more_room(value: float, expected: int) -> None:
    assert exponent(value, trained=False, after=0.0) == expected


@pytest.mark.parametrize(("after", "expected"), [(1.0, 16), (128.0, 16), (129.0, 15), (1e6, 3), (1e8, 0)])
def test_a_statistic_that_moves_gets_room_for_where_it_is_going(after: float, expected: int) -> None:
    assert exponent(1.0, trained=False, after=after) == expected
    assert GROWTH * after <= 2.0 ** (31 - expected) or expected == 0


def test_what_training_does_to_a_weight_does_not_matter() -> None:
    assert exponent(1.0, after=1e6) == 24


@pytest.mark.parametrize(
    ("value", "trained", "said"),
    [
        (4097.0, True, "w: it reaches 4097, and 4096 is the most"),
        (6e8, False, "w: it reaches 6e\\+08, and 5.36871e\\+08 is the most"),
        (1e-9, True, "w: it is 1e-09 at most, and all below 2.98023e-08 would become 0"),
        (1e-6, False, "w: it is 1e-06 at most"),
    ],
)
def test_what_cannot_travel_is_named(value: float, trained: bool, said: str) -> None:
    with pytest.raises(CodecError, match=f"^{said}"):
        exponent(value, trained)


def test_usual_models_keep_their_layout() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(8, 2)
    )
    state, parameters = net.state_dict(), dict(net.named_parameters())
    assert fitted(state, parameters) == Layout.of(state, parameters)
    assert [spec.name for spec in Layout.of(state, parameters).trained] == list(parameters)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_of_every_float_type(dtype: torch.dtype) -> None:
    assert fitted({"w": torch.tensor([200.0, -1.0], dtype=dtype)}, {"w"}).tensors[0].exponent == 21


def test_whole_numbers_and_empty_tensors_are_as_they_were() -> None:
    state = {"n": torch.tensor([2**30]), "w": torch.zeros(0, 3), "one": torch.ones(())}
    assert fitted(state, {"w", "one"}) == Layout.of(state, {"w", "one"})

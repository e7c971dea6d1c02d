"""Momentum and adaptive steps: against the papers' algorithms in floats, and exact in what matters."""

from __future__ import annotations

from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from rayfed.aggregation import rules
from rayfed.aggregation.rules.optimizer import HIGH, MOMENTS, Optimizer, Stepped, _part, _root, extended
from rayfed.encoding.layout import Layout, TensorSpec
from rayfed.errors import ConfigError

NAMES = ("fedavgm", "fedadam", "fedyogi")
BITS = 24
UNIT = 2.0**BITS
LAYOUT = Layout(
    (
        TensorSpec("conv.weight", (4, 3), "float", "float32", BITS),
        TensorSpec("norm.running_mean", (5,), "float", "float32", 16),
        TensorSpec("norm.num_batches_tracked", (), "int", "int64", 0),
        TensorSpec("head.weight", (7,), "float", "float32", BITS),
        TensorSpec("head.bias", (2,), "float", "float32", BITS),
    )
)
TRAINED = np.r_[0:12, 18:27]
Values = NDArray[np.int32]
int32 = st.integers(-(2**31), 2**31 - 1)


def optimizer(name: str, **changes: int) -> Optimizer:
    rate = 700_000 if name == "fedavgm" else 20_000
    return Optimizer(**{"name": name, "rate": rate, "momentum": 9_000, "second": 9_900, "tau": 1_000_000} | changes)  # type: ignore[arg-type]


def reference(
    chosen: Optimizer, d: NDArray[np.float64], m: NDArray[np.float64], s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Reddi et al. 2021, algorithm 2, and Hsu et al. 2019, in floats: step, first moment, root of the second."""
    rate, b1, b2, tau = chosen.rate / 1e6, chosen.momentum / 1e4, chosen.second / 1e4, chosen.tau / 1e9
    if chosen.name == "fedavgm":
        m = b1 * m + d
        return rate * m, m, s
    m = b1 * m + (1 - b1) * d
    v = s**2
    v = b2 * v + (1 - b2) * d**2 if chosen.name == "fedadam" else v - (1 - b2) * d**2 * np.sign(v - d**2)
    return rate * m / (np.sqrt(v) + tau), m, np.sqrt(v)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32), scale=st.floats(1e-6, 2.0))
def test_a_step_is_the_papers_to_one_unit_of_the_fixed_point(name: str, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    d, m, s = (np.rint(rng.normal(0, scale, 50) * UNIT).clip(-HIGH, HIGH) for _ in range(3))
    s = abs(s)
    made = [np.empty(50, np.int32) for _ in MOMENTS[name]]
    step = optimizer(name).step(d.astype(np.int64), [m.astype(np.int32), s.astype(np.int32)], BITS, made)
    _, first, second = reference(optimizer(name), d / UNIT, m / UNIT, s / UNIT)
    assert np.abs(made[0] - (first * UNIT).clip(-(2**31), HIGH)).max() <= 1
    if len(made) == 2:
        assert np.abs(made[1] - (second * UNIT).clip(0, HIGH)).max() <= 1
    # The step from the moments as they have been rounded: that their rounding moves it further is no error of its own.
    # Rate and tau are in units of the fixed point, like everything else.
    rate, tau = optimizer(name).rate / 1e6, optimizer(name).tau * UNIT // 1e9
    wanted = rate * made[0] if name == "fedavgm" else rate * UNIT // 1 * made[0] / (made[1] + tau)
    assert np.abs(step - wanted).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_many_steps_stay_with_the_float_reference(name: str) -> None:
    """Twenty rounds of a quadratic: each round's merge lies a fifth of the way to the target, with noise."""
    rng = np.random.default_rng(1)
    layout = Layout((TensorSpec("w", (200,), "float", "float32", BITS),))
    chosen, target = optimizer(name), rng.normal(0, 1, 200)
    rule = Stepped(rules.make("mean"), chosen, layout)
    size = extended(layout, name).size
    blob = np.zeros(size, np.int32)
    w, m, s = np.zeros(200), np.zeros(200), np.zeros(200)
    for _ in range(20):
        noise = rng.normal(0, 0.05, 200)
        update = np.zeros(size, np.int32)
        update[:200] = np.rint((blob[:200] / UNIT + 0.2 * (target - blob[:200] / UNIT) + noise) * UNIT)
        out = np.empty(size, np.int32)
        rule.merge([update], [1], out, base=blob)
        step, m, s = reference(chosen, 0.2 * (target - w) + noise, m, s)
        w, blob = w + step, out
        assert np.abs(blob[:200] / UNIT - w).max() < 1e-4, "a thousandth of a step, after all of them"
    assert np.abs(w - target).mean() < np.abs(target).mean(), "and it learns"


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_no_value_whatever_leaves_the_integers(name: str, data: st.DataObject) -> None:
    d = data.draw(arrays(np.int64, 6, elements=st.integers(-(2**32), 2**32)))
    m, s = data.draw(arrays(np.int32, 6, elements=int32)), data.draw(arrays(np.int32, 6, elements=st.integers(0, HIGH)))
    chosen = optimizer(name, rate=data.draw(st.integers(1, 100_000_000)), momentum=data.draw(st.integers(0, 9_999)),
                       second=data.draw(st.integers(0, 9_999)), tau=data.draw(st.integers(1, 10**9)))  # fmt: skip
    made = [np.empty(6, np.int32) for _ in MOMENTS[name]]
    step = chosen.step(d.copy(), [m, s], BITS, made)
    for i in range(6):
        assert [int(step[i]), *(int(one[i]) for one in made)] == _in_whole_numbers(
            chosen, int(d[i]), int(m[i]), int(s[i])
        )


def _in_whole_numbers(chosen: Optimizer, d: int, m: int, s: int) -> list[int]:
    """The same with Python's numbers of any size."""

    def cut(number: int, divisor: int) -> int:
        return abs(number) // divisor * (1 if number > 0 else -1)

    d = min(max(d, -HIGH), HIGH)
    if chosen.name == "fedavgm":
        m = min(max(cut(m * chosen.momentum, 10_000) + d, -(2**31)), HIGH)
        return [cut(m * chosen.rate, 1_000_000), m]
    m = cut(m * chosen.momentum + d * (10_000 - chosen.momentum), 10_000)
    part = 10_000 - chosen.second
    if chosen.name == "fedadam":
        v = s * s + (d * d - s * s) * part // 10_000
    else:
        v = s * s - (d * d * part // 10_000) * ((s * s > d * d) - (s * s < d * d))
    s = isqrt(v)
    s = min(s + (v - s * s > s), HIGH)
    rate, below = (chosen.rate << BITS) // 1_000_000, s + max(1, (chosen.tau << BITS) // 10**9)
    return [(m * rate + below // 2) // below, m, s]


@given(st.lists(st.integers(0, 2**63 - 2**33), min_size=1))
def test_roots_are_exact(numbers: list[int]) -> None:
    numbers += [isqrt(n) ** 2 for n in numbers] + [max(0, isqrt(n) ** 2 - 1) for n in numbers]
    found = _root(np.array(numbers, np.int64))
    assert found.tolist() == [(isqrt(4 * n) + 1) // 2 for n in numbers]


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1), st.integers(0, 10_000))
def test_parts_are_exact(numbers: list[int], part: int) -> None:
    assert _part(np.array(numbers, np.int64), part).tolist() == [n * part // 10_000 for n in numbers]


@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_trained_takes_a_step(name: str) -> None:
    whole, size = extended(LAYOUT, name), LAYOUT.size
    rng = np.random.default_rng(0)
    base = rng.integers(-(2**20), 2**20, whole.size, dtype=np.int32)
    base[size:] = abs(base[size:])
    updates = [
        np.r_[base[:size] + rng.integers(-1000, 1000, size), np.zeros(whole.size - size)].astype(np.int32)
        for _ in range(3)
    ]
    out = np.empty(whole.size, np.int32)
    Stepped(rules.make("mean"), optimizer(name), LAYOUT).merge(updates, [1, 2, 3], out, base=base)
    mean = np.empty(size, np.int32)
    rules.make("mean").merge([u[:size] for u in updates], [1, 2, 3], mean)
    rest = np.setdiff1d(np.arange(size), TRAINED)
    np.testing.assert_array_equal(out[rest], mean[rest])
    moments = [base[size + k * 21 : size + (k + 1) * 21] for k in range(len(MOMENTS[name]))]
    made = [np.empty(21, np.int32) for _ in moments]
    step = optimizer(name).step((mean[TRAINED].astype(np.int64) - base[TRAINED]), moments, BITS, made)
    np.testing.assert_array_equal(out[TRAINED], base[TRAINED] + step)
    np.testing.assert_array_equal(out[size:], np.concatenate(made))


@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_threads_and_any_order_gives_the_same_bits(name: str) -> None:
    layout = Layout((TensorSpec("w", (300_000,), "float", "float32", BITS),))
    size = extended(layout, name).size
    rng = np.random.default_rng(0)
    base, *updates = (rng.integers(-(2**31), 2**31 - 1, size, dtype=np.int32) for _ in range(4))
    base[300_000:] = abs(base[300_000:])
    rule = Stepped(rules.make("centred_clipping"), optimizer(name), layout)
    one, three = np.empty(size, np.int32), np.empty(size, np.int32)
    rule.merge(updates, [1] * 3, one, threads=1, base=base)
    rule.merge(updates[::-1], [1] * 3, three, threads=3, base=base)
    np.testing.assert_array_equal(one, three)


def test_a_momentum_ends() -> None:
    """Rounded down, the smallest negative one would stay for ever, and move the model by a unit in every round."""
    layout = Layout((TensorSpec("w", (2,), "float", "float32", BITS),))
    rule = Stepped(rules.make("mean"), optimizer("fedavgm", rate=1_000_000), layout)
    blob = np.array([0, 0, 9, -9], np.int32)
    for _ in range(9):
        out = np.empty(4, np.int32)
        rule.merge([np.r_[blob[:2], 0, 0].astype(np.int32)], [1], out, base=blob)
        blob = out
    assert blob[2:].tolist() == [0, 0]


def test_the_layout_has_each_trained_tensor_once_more_for_each_moment() -> None:
    assert extended(LAYOUT, "none") is LAYOUT
    names = [spec.name for spec in extended(LAYOUT, "fedyogi").tensors]
    assert names[:5] == [spec.name for spec in LAYOUT.tensors]
    assert names[5:] == [
        f"optimizer.{m}/{n}" for m in ("momentum", "scale") for n in ("conv.weight", "head.weight", "head.bias")
    ]


def test_the_contract_cannot_recompute_it_and_it_starts_from_the_base() -> None:
    rule = Stepped(rules.make("mean"), optimizer("fedadam"), LAYOUT)
    assert (rule.code, rule.needs_base, rule.name) == (0, True, "mean+fedadam")
    model = np.zeros(LAYOUT.size, np.int32)
    with pytest.raises(ValueError, match="of the model and its moments"):
        rule.merge([model], [1], model.copy(), base=model)


@pytest.mark.parametrize(
    ("name", "changes", "setting"),
    [
        ("fedsgd", {}, "merge.optimizer"),
        ("none", {}, "merge.optimizer"),
        ("fedadam", {"rate": 0}, "merge.server_lr"),
        ("fedadam", {"momentum": 10_000}, "merge.momentum"),
        ("fedadam", {"second": -1}, "merge.second_momentum"),
        ("fedadam", {"tau": 0}, "merge.tau"),
    ],
)
def test_settings_that_make_no_sense_are_named(name: str, changes: dict[str, int], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        optimizer(name, **changes)
    assert caught.value.setting == setting


def test_a_step_that_would_leave_the_integers_is_refused() -> None:
    fine = Layout((TensorSpec("w", (2,), "float", "float32", 30),))
    with pytest.raises(ConfigError, match="too large for 30 bits"):
        Stepped(rules.make("mean"), optimizer("fedadam", rate=2_000_000), fine)
    Stepped(rules.make("mean"), optimizer("fedavgm", rate=2_000_000), fine)

"""Accounting: between two bounds that do not come from the accountants, and kept on the disk."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from rayfed.learning.budget import Budget, Spent, epsilon, noise_for

DELTA = 1e-5


def exact_gaussian(mu: float, delta: float) -> float:
    """Return epsilon of the Gaussian mechanism of sensitivity mu and unit noise (Balle and Wang 2018, theorem 8)."""

    def excess(eps: float) -> float:
        return float(norm.cdf(mu / 2 - eps / mu) - math.exp(eps) * norm.cdf(-mu / 2 - eps / mu) - delta)

    return float(brentq(excess, 1e-9, 100.0))


def entry(noise: float, rate: float, steps: int, run: str = "a", round: int = 1) -> Spent:
    return Spent(round, run, noise, rate, steps)


@pytest.mark.parametrize("noise", [4.0, 10.0])
@pytest.mark.parametrize("accountant", ["rdp", "prv"])
def test_without_sampling_it_is_the_gaussian_mechanisms(noise: float, accountant: str) -> None:
    steps = 10
    mu = math.sqrt(steps) / noise
    exact = exact_gaussian(mu, DELTA)
    renyi = mu**2 / 2 + mu * math.sqrt(2 * math.log(1 / DELTA))  # Mironov 2017, proposition 3 at its best order
    found = epsilon([entry(noise, 1.0, steps)], DELTA, accountant)
    assert exact - 0.02 <= found <= renyi * 1.01


def test_rounds_of_different_kinds_add_up() -> None:
    one, other = entry(1.0, 0.1, 20, "a"), entry(2.0, 0.05, 40, "b")
    both = epsilon([one, other], DELTA)
    assert max(epsilon([one], DELTA), epsilon([other], DELTA)) < both
    assert both < epsilon([one], DELTA) + epsilon([other], DELTA)
    assert epsilon([], DELTA) == 0


def test_noise_keeps_a_target_and_no_more_than_that() -> None:
    noise = noise_for(2.0, DELTA, 0.1, 500)
    assert 1.95 < epsilon([entry(noise, 0.1, 500)], DELTA) <= 2.0


def test_a_budget_survives_being_killed_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "privacy.jsonl"
    first = Budget(path, DELTA).spend(entry(1.0, 0.1, 20, "a"))
    second = Budget(path, DELTA).spend(entry(1.0, 0.1, 20, "b", 2))
    assert second > first
    path.write_bytes(path.read_bytes()[:-9])
    again = Budget(path, DELTA)
    assert again.epsilon() == first
    assert again.spend(entry(1.0, 0.1, 20, "b", 2)) == second
    assert Budget(path, DELTA).epsilon() == second
    assert Budget(path, DELTA).spend(entry(1.0, 0.1, 20, "b", 2)) == second

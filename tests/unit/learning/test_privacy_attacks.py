"""The attacks of ``benchmarks.privacy`` find what is there, and nothing where there is nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.attacks import Strided, auc, gradients_of, invert, label_of, losses, psnr

LOW, HIGH = torch.full((1, 1, 1, 1), -1.0), torch.full((1, 1, 1, 1), 1.0)


def test_the_area_counts_pairs_in_the_right_order_and_ties_by_half() -> None:
    low, high = np.array([0.1, 0.2, 0.3]), np.array([0.4, 0.5])
    assert auc(low, high) == 1.0
    assert auc(high, low) == 0.0
    assert auc(low, low) == 0.5
    assert auc(np.array([0.1, 0.4]), np.array([0.2, 0.4])) == pytest.approx(2.5 / 4)


def test_members_stand_out_in_a_model_that_learned_them_by_heart_and_in_no_other() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(80, 64), torch.randint(0, 10, (80,))
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def area() -> float:
        return auc(losses(model, x[:40], y[:40]), losses(model, x[40:], y[40:]))

    assert abs(area() - 0.5) < 0.15
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(100):
        optimizer.zero_grad()
        cross_entropy(model(x[:40]), y[:40]).backward()
        optimizer.step()
    assert area() > 0.95


def picture() -> torch.Tensor:
    """Return a (1, 8, 8) cross in -1..1."""
    image = torch.full((1, 8, 8), -1.0)
    image[0, 3:5], image[0, :, 3:5] = 0.8, 0.3
    return image


def test_a_picture_is_read_off_the_update_that_it_made_and_not_off_a_noisy_one() -> None:
    torch.manual_seed(1)
    model, lr = Strided(), 0.1
    base = {name: value.clone() for name, value in model.state_dict().items()}
    cross_entropy(model(picture().unsqueeze(0)), torch.tensor([7])).backward()
    after = {name: base[name] - lr * p.grad for name, p in model.named_parameters() if p.grad is not None}
    gradients = gradients_of(base, after, lr, model)
    assert label_of(gradients) == 7

    def reconstructed(from_: list[torch.Tensor]) -> float:
        found, _ = invert(model, from_, (1, 8, 8), 7, LOW, HIGH, steps=150)
        return psnr((found + 1) / 2, (picture() + 1) / 2)

    assert reconstructed(gradients) > 30
    assert reconstructed([g + torch.randn_like(g) for g in gradients]) < 15


def test_psnr_is_in_decibels() -> None:
    black = torch.zeros(1, 4, 4)
    assert psnr(black, black) == math.inf
    assert psnr(black, black + 1) == pytest.approx(0)
    assert psnr(black, black + 0.1) == pytest.approx(20, abs=1e-5)

"""What an update gives away: two attacks by somebody who sees it, as every peer does.

Membership inference: was this picture in the training set? Here by its loss alone (Yeom et al. 2018,
arXiv:1709.01604): what a model was trained on it finds easier. Gradient inversion: what did the picture look like?
Here by a search for the picture whose gradient points the same way (Geiping et al. 2020, arXiv:2003.14053), with the
label read off the gradient first (Zhao et al. 2020, arXiv:2001.02610).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import nn
from torch.nn.functional import cosine_similarity, cross_entropy


def losses(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> NDArray[np.float64]:
    """Return (n,) the model's cross-entropy on each normalised picture, in nats."""
    model.eval()
    with torch.inference_mode():
        return cross_entropy(model(images), labels, reduction="none").double().numpy()


def auc(members: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return the probability that a member's loss is below another picture's, ties counting half.

    That is the area under the curve of the attack that calls a member whatever has a small loss: 0.5 is guessing.
    """
    ranks = rankdata(-np.concatenate([members, others]))
    n, m = len(members), len(others)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def label_of(gradients: Sequence[torch.Tensor]) -> int:
    """Return the class of the one picture behind the gradients: the last bias has a single negative entry there."""
    return int(gradients[-1].argmin())


class Strided(nn.Sequential):
    """Two convolutions and two dense layers for (1, 8, 8), without pooling: nothing stands in an inversion's way."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, stride=2), nn.ReLU(),
            nn.Flatten(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, num_classes),
        )  # fmt: skip


def gradients_of(
    base: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], lr: float, model: nn.Module
) -> list[torch.Tensor]:
    """Return what one step of plain SGD with this learning rate must have followed, parameter by parameter."""
    return [(base[name] - after[name]) / lr for name, _ in model.named_parameters()]


def invert(
    model: nn.Module,
    gradients: Sequence[torch.Tensor],
    shape: Sequence[int],
    label: int,
    low: torch.Tensor,
    high: torch.Tensor,
    *,
    steps: int = 300,
    lr: float = 0.1,
    seed: int = 0,
) -> tuple[torch.Tensor, float]:
    """Search for the normalised picture (c, h, w) whose gradient points where ``gradients`` do.

    Args:
        low, high: of black and white after normalisation, broadcast over (1, c, h, w).

    Returns:
        The picture, and one minus the cosine that it reached.
    """
    model.eval()
    parameters = list(model.parameters())
    wanted = torch.cat([g.flatten() for g in gradients])
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand((1, *shape), generator=generator).mul(high - low).add(low).requires_grad_()
    optimizer = torch.optim.Adam([image], lr=lr * float((high - low).mean()))
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [steps // 2, steps * 3 // 4], gamma=0.3)
    target = torch.tensor([label])
    gap = math.inf
    for _ in range(steps):
        found = torch.autograd.grad(cross_entropy(model(image), target), parameters, create_graph=True)
        distance = 1 - cosine_similarity(torch.cat([g.flatten() for g in found]), wanted, dim=0)
        (image.grad,) = torch.autograd.grad(distance, [image])
        image.grad.sign_()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            image.copy_(image.clamp(low, high))
        gap = float(distance.detach())
    return image.detach()[0], gap


def psnr(found: torch.Tensor, original: torch.Tensor) -> float:
    """Return the peak signal-to-noise ratio in decibels of two pictures with values in 0..1; infinite if equal."""
    error = float((found - original).double().pow(2).mean())
    return math.inf if error == 0 else -10 * math.log10(error)

"""What DP-SGD buys and costs: two attacks on a node's updates, with and without it, on handwritten digits.

The attacker sees what every peer sees: the update. Membership is inferred from the model that a node offers after its
last round (trained on its own pictures alone: the worst case, with nobody else's in the merge); a picture is
reconstructed from an update that was made of it alone. A tenth of the labels is wrong, as in data that nobody checked:
odd pictures are the ones that a model has to learn by heart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attacks import auc, gradients_of, invert, label_of, losses, psnr
from benchmarks.machine import Figure, report
from rayfed.config.groups.learning import PrivacySettings
from rayfed.learning import data, models
from rayfed.learning.budget import Budget
from rayfed.learning.dp_sgd import PrivateTrainer
from rayfed.learning.images import Normalise
from rayfed.learning.noise import SecretStream
from rayfed.learning.private import Private
from rayfed.learning.train import Trainer

MEMBERS = 400
ROUNDS, EPOCHS, BATCH = 10, 4, 80
DELTA = 1e-3
EPSILONS = (None, 8.0, 2.0)
NOISES = (None, 0.0, 0.01, 0.1, 1.0)
PICTURES = 8
ODD = 0.1
STRIDED = {"_target_": "benchmarks.attacks.Strided"}
MODEL = {"_target_": "rayfed.learning.models.SmallCNN", "width": 8, "hidden": 64}


def training(lr: float, batch: int, epochs: int, momentum: float) -> dict[str, Any]:
    optimizer = {"_target_": "torch.optim.SGD", "lr": lr, "momentum": momentum}
    return {"optimizer": optimizer, "batch_size": batch, "epochs": epochs, "device": "cpu", "threads": 1}


def with_odd_labels(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the labels, a tenth of them drawn anew."""
    dice = np.random.default_rng(0)
    return np.where(dice.random(len(labels)) < ODD, dice.integers(0, 10, len(labels)), labels)


def membership(
    pictures: data.Dataset, epsilon: float | None, seed: int, rounds: int = ROUNDS
) -> tuple[float, float, float]:
    """Return (AUC, accuracy on the test pictures, epsilon spent) of a node after its rounds."""
    order = np.random.default_rng(seed).permutation(len(pictures.train_y))
    inside, outside = order[:MEMBERS], order[MEMBERS:]
    labels = with_odd_labels(pictures.train_y)
    x, y = np.ascontiguousarray(pictures.train_x[inside]), labels[inside]
    model = models.build(MODEL, pictures.shape, 10, seed)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    mean, std = pictures.mean, pictures.std
    spent = 0.0
    if epsilon is None:
        plain = trainer = Trainer(model, training(0.05, BATCH, EPOCHS, 0.9))
        for round in range(1, rounds + 1):
            state = plain.fit(state, x, y, mean, std, seed, round).state
    else:
        trainer = noisy = PrivateTrainer(model, training(0.5, BATCH, EPOCHS, 0.0), 1.0)
        settings = PrivacySettings(kind="dp", target_epsilon=epsilon, delta=DELTA)
        with tempfile.TemporaryDirectory() as folder:
            budget = Budget(Path(folder) / "privacy.jsonl", DELTA)
            node = Private(settings, ROUNDS, seed.to_bytes(32, "big"), budget)
            for round in range(1, rounds + 1):
                fit, spent = node.fit(noisy, state, x, y, mean, std, round)
                state = fit.state
    accuracy = trainer.evaluate(state, pictures.test_x, pictures.test_y, mean, std).accuracy
    model.load_state_dict(state)

    def of(chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        images = Normalise(mean, std, torch.device("cpu"), False)(torch.from_numpy(pictures.train_x[chosen]))
        return losses(model, images, torch.from_numpy(labels[chosen]))

    return auc(of(inside), of(outside)), accuracy, spent


def inversion(spec: dict[str, Any], pictures: data.Dataset, noise: float | None, seed: int, steps: int) -> float:
    """Return the PSNR in dB of what is reconstructed from one step on one picture; noise 0 only clips."""
    chosen = int(np.random.default_rng(seed).integers(len(pictures.train_y)))
    x, y = np.ascontiguousarray(pictures.train_x[chosen : chosen + 1]), pictures.train_y[chosen : chosen + 1]
    model = models.build(spec, pictures.shape, 10, seed)
    base = {name: value.clone() for name, value in model.state_dict().items()}
    mean, std = pictures.mean, pictures.std
    settings = training(1.0, 1, 1, 0.0)
    if noise is None:
        after = Trainer(model, settings).fit(base, x, y, mean, std, seed, 1).state
    else:
        trainer = PrivateTrainer(model, settings, 1.0)
        after = trainer.fit_privately(base, x, y, mean, std, SecretStream(seed.to_bytes(32, "big")), noise, 1).state
    attacked = models.build(spec, pictures.shape, 10, seed)
    normalise = Normalise(mean, std, torch.device("cpu"), False)
    low, high = (normalise(torch.full((1, *pictures.shape), value, dtype=torch.uint8)) for value in (0, 255))
    gradients = gradients_of(base, after, 1.0, attacked)
    image, _ = invert(attacked, gradients, pictures.shape, label_of(gradients), low, high, steps=steps, seed=seed)
    return psnr((image - low[0]) / (high - low)[0], torch.from_numpy(x[0]).float() / 255)


def blind(pictures: data.Dataset, seed: int) -> float:
    """Return the PSNR of the mean training picture: what somebody guesses who saw no update."""
    chosen = int(np.random.default_rng(seed).integers(len(pictures.train_y)))
    return psnr(torch.from_numpy(pictures.train_x.mean(0) / 255), torch.from_numpy(pictures.train_x[chosen] / 255))


def main(seeds: int = 5, pictures_each: int = PICTURES, steps: int = 300) -> None:
    """Run both attacks and write ``results/privacy.json``."""
    torch.set_num_threads(1)
    digits = data.load("digits", None, False, None, None, None)
    figures: list[Figure] = []

    def add(name: str, unit: str, values: Sequence[float], note: str = "") -> None:
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        mean = statistics.fmean(values)
        told = f"mean {mean:.3f}, standard deviation {spread:.3f}"
        figures.append(Figure(name, unit, list(values), f"{told}; {note}" if note else told))

    for epsilon in EPSILONS:
        found = [membership(digits, epsilon, seed) for seed in range(seeds)]
        told = "no noise" if epsilon is None else f"epsilon {epsilon:g}"
        add(f"membership, {told}", "AUC", [area for area, _, _ in found], "0.5 is guessing")
        add(f"accuracy, {told}", "of 1", [accuracy for _, accuracy, _ in found])
        if epsilon is not None:
            add(f"spent, {told}", "epsilon", [spent for _, _, spent in found], f"delta {DELTA:g}")
    untrained = [membership(digits, None, seed, rounds=0)[0] for seed in range(seeds)]
    add("membership, untrained", "AUC", untrained, "what the draw of the members alone does")
    for noise in NOISES:
        told = "no clipping, no noise" if noise is None else f"clipped, noise multiplier {noise:g}"
        found_psnr = [inversion(STRIDED, digits, noise, seed, steps) for seed in range(pictures_each)]
        add(f"inversion, {told}", "dB", found_psnr)
    pooled = [inversion(MODEL, digits, None, seed, steps) for seed in range(pictures_each)]
    add("inversion, SmallCNN, no clipping, no noise", "dB", pooled, "max pooling hides most of the picture")
    add("inversion, blind", "dB", [blind(digits, seed) for seed in range(pictures_each)], "the mean picture")
    report(
        "privacy",
        "attacks on a node's updates (handwritten digits)",
        figures,
        packages=("torch", "opacus", "numpy"),
        details={
            "model": MODEL,
            "inverted_model": STRIDED, "odd_labels": ODD, "members": MEMBERS,
            "rounds": ROUNDS, "epochs": EPOCHS, "batch": BATCH, "delta": DELTA,
            "max_grad_norm": 1.0, "seeds": seeds, "pictures": pictures_each, "steps": steps,
        },
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()
    main(args.seeds, args.pictures, args.steps)

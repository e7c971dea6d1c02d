"""``simulation``'s world with real images and a small convolutional network, not digits and one hidden layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from benchmarks.worlds import FRACTION, Values, World
from rayfed.attacks.backdoor import success
from rayfed.learning.cnn import SmallCNN
from rayfed.learning.data import Dataset
from rayfed.learning.seeding import seeded


class ImageWorld(World):
    """Images dealt to n nodes, and rayfed's ``SmallCNN``, narrow enough for a round to take seconds on one core."""

    def __init__(self, data: Dataset, nodes: int, alpha: float | None, seed: int) -> None:
        with seeded(seed, []):
            self.model = SmallCNN(data.shape, len(data.classes), width=8, hidden=64)
        self._parameters = list(self.model.parameters())
        super().__init__(data, nodes, alpha, seed, steps=100, batch=32, rate=0.02)

    def sizes(self, hidden: int) -> list[tuple[int, ...]]:
        """See ``World``."""
        return [tuple(parameter.shape) for parameter in self._parameters]

    def pixels(self, x: NDArray[np.uint8]) -> torch.Tensor:
        """Return images (n, c, h, w) as floats of the same shape, normalised."""
        return super().pixels(x).reshape(x.shape)

    @cached_property
    def genesis(self) -> Values:
        """The model that round 1 starts from."""
        return self._values()

    def _values(self) -> Values:
        flat = torch.cat([parameter.detach().reshape(-1) for parameter in self._parameters]).double().numpy()
        return np.clip(np.rint(flat * FRACTION), -(2**31), 2**31 - 128).astype(np.int32)

    def _load(self, values: Values) -> None:
        with torch.no_grad():
            for parameter, part in zip(self._parameters, self.tensors([values]), strict=True):
                parameter.copy_(part[0])

    def scores(self, models: Sequence[Values], x: torch.Tensor) -> torch.Tensor:
        """Return (m, n, classes) scores of m models on n images."""
        found = []
        with torch.inference_mode():
            for model in models:
                self._load(model)
                found.append(torch.cat([self.model(part) for part in x.split(256)]))
        return torch.stack(found)

    def train(self, base: Values, shares: Sequence[tuple[torch.Tensor, torch.Tensor]], round: int) -> list[Values]:
        """Return every node's honest update: the same number of SGD steps for each, on its own images."""
        made = []
        for node, (x, y) in enumerate(shares):
            self._load(base)
            optimizer = torch.optim.SGD(self._parameters, self.rate, momentum=0.9)
            generator = np.random.default_rng([self.seed, round, node])
            for chosen in torch.from_numpy(generator.integers(0, len(y), (self.steps, self.batch))):
                optimizer.zero_grad()
                cross_entropy(self.model(x[chosen]), y[chosen]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            made.append(self._values())
        return made

    def accuracy(self, model: Values) -> tuple[float, float]:
        """Return the accuracy on the test images, and the backdoor's success on the stamped ones."""
        predicted, seen = (self.scores([model], x)[0].argmax(1) for x in (self.test_x, self.stamped_x))
        return float((predicted == self.test_y).double().mean()), success(seen.numpy(), self.test_y.numpy())

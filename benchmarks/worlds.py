"""Images dealt to n nodes with a small network each, trained side by side in one batch: what ``simulation`` judges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from rayfed.attacks.backdoor import stamped, success
from rayfed.learning import partition
from rayfed.learning.data import Dataset

FRACTION = 1 << 24
JUDGED = 64
"""Private images a node on which updates are judged."""

Values = NDArray[np.int32]


class World:
    """Images dealt to n nodes, and a network of one hidden layer.

    Args:
        data: whose images.
        nodes: how many.
        alpha: of the Dirichlet distribution; None is iid.
        shards: of images sorted by class, so many a node, instead; None: not.
        seed: of everything random.
        hidden: width of the hidden layer.
        steps, batch, rate: of a node's SGD in a round.
    """

    def __init__(
        self,
        data: Dataset,
        nodes: int,
        alpha: float | None,
        seed: int,
        hidden: int = 64,
        steps: int = 45,
        batch: int = 16,
        rate: float = 0.1,
        shards: int | None = None,
    ) -> None:
        self.data, self.nodes, self.seed = data, nodes, seed
        self.steps, self.batch, self.rate = steps, batch, rate
        self.classes = len(data.classes)
        self.inputs = int(np.prod(data.shape))
        self.shapes = self.sizes(hidden)
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)
        kind = "shards" if shards else "iid" if alpha is None else "dirichlet"
        self.parts = partition.split(
            kind, data.train_y, nodes, seed, alpha=alpha or 1.0, classes_per_node=shards or 1, min_examples=10
        )
        self.test_x, self.test_y = self.pixels(data.test_x), torch.from_numpy(np.array(data.test_y))
        self.stamped_x = self.pixels(stamped(np.array(data.test_x)))
        drawn = np.random.default_rng([seed, 99])
        chosen = [drawn.permutation(part)[:JUDGED] for part in self.parts]
        self.judged_x = self.pixels(data.train_x[np.concatenate(chosen)])
        self.judged_y = torch.from_numpy(data.train_y[np.concatenate(chosen)])
        self.judged_of = np.repeat(np.arange(nodes), [len(one) for one in chosen])

    def sizes(self, hidden: int) -> list[tuple[int, ...]]:
        """Return the shapes of the network's parameters."""
        return [(self.inputs, hidden), (hidden,), (hidden, self.classes), (self.classes,)]

    def pixels(self, x: NDArray[np.uint8]) -> torch.Tensor:
        """Return images (n, c, h, w) as (n, inputs) floats, normalised."""
        mean = np.array(self.data.mean, np.float32)[:, None, None] / 1e6
        std = np.array(self.data.std, np.float32)[:, None, None] / 1e6
        return torch.from_numpy(((x.astype(np.float32) / 255 - mean) / std).reshape(len(x), -1))

    @cached_property
    def genesis(self) -> Values:
        """The model that round 1 starts from."""
        generator = np.random.default_rng([self.seed, 7])
        parts = [
            generator.normal(0, (2 / shape[0]) ** 0.5, shape).ravel() if len(shape) > 1 else np.zeros(shape)
            for shape in self.shapes
        ]
        return np.rint(np.concatenate(parts) * FRACTION).astype(np.int32)

    def tensors(self, models: Sequence[Values]) -> list[torch.Tensor]:
        """Return m models' parameters, each (m, *shape)."""
        flat = torch.from_numpy(np.array(models, np.float32) / FRACTION)
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        return [
            part.reshape(len(models), *shape) for part, shape in zip(flat.split(sizes, 1), self.shapes, strict=True)
        ]

    def scores(self, models: Sequence[Values], x: torch.Tensor) -> torch.Tensor:
        """Return (m, n, classes) scores of m models on n images."""
        w1, b1, w2, b2 = self.tensors(models)
        return torch.relu(x @ w1 + b1[:, None]) @ w2 + b2[:, None]

    def train(self, base: Values, shares: Sequence[tuple[torch.Tensor, torch.Tensor]], round: int) -> list[Values]:
        """Return every node's honest update: the same number of SGD steps for each, on its own images."""
        n = len(shares)
        offsets = np.cumsum([0, *(len(y) for _, y in shares[:-1])])
        x, y = torch.cat([x for x, _ in shares]), torch.cat([y for _, y in shares])
        draws = np.empty((self.steps, n, self.batch), np.int64)
        for node, (_, labels) in enumerate(shares):
            generator = np.random.default_rng([self.seed, round, node])
            draws[:, node] = offsets[node] + generator.integers(0, len(labels), (self.steps, self.batch))
        onehot = torch.nn.functional.one_hot(y, self.classes).float()
        w1, b1, w2, b2 = (part.repeat(n, *[1] * (part.dim() - 1)) for part in self.tensors([base]))
        for chosen in torch.from_numpy(draws):
            inputs, wanted = x[chosen], onehot[chosen]  # (n, batch, inputs), (n, batch, classes)
            hidden = torch.relu(torch.baddbmm(b1[:, None], inputs, w1))
            slope = (torch.softmax(torch.baddbmm(b2[:, None], hidden, w2), 2) - wanted) / self.batch
            back = torch.bmm(slope, w2.transpose(1, 2)) * (hidden > 0)
            w2.baddbmm_(hidden.transpose(1, 2), slope, alpha=-self.rate)
            b2.sub_(slope.sum(1), alpha=self.rate)
            w1.baddbmm_(inputs.transpose(1, 2), back, alpha=-self.rate)
            b1.sub_(back.sum(1), alpha=self.rate)
        flat = torch.cat([part.reshape(n, -1) for part in (w1, b1, w2, b2)], 1).double().numpy() * FRACTION
        return list(np.clip(np.rint(flat), -(2**31), 2**31 - 128).astype(np.int32))

    def losses(self, models: Sequence[Values]) -> NDArray[np.float64]:
        """Return (m, nodes) mean losses of m models on each node's private images."""
        with torch.no_grad():
            logits = self.scores(models, self.judged_x)
            each = -torch.log_softmax(logits, 2).gather(2, self.judged_y[None, :, None].expand(len(models), -1, 1))
        lost = each[:, :, 0].double().numpy()
        return np.stack([lost[:, self.judged_of == node].mean(1) for node in range(self.nodes)], 1)

    def accuracy(self, model: Values) -> tuple[float, float]:
        """Return the accuracy on the test images, and the backdoor's success on the stamped ones."""
        predicted = self.scores([model], self.test_x)[0].argmax(1)
        seen = self.scores([model], self.stamped_x)[0].argmax(1)
        return float((predicted == self.test_y).double().mean()), success(seen.numpy(), self.test_y.numpy())

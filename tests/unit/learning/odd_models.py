"""Models as people bring them, each with one oddity: ``model._target_=tests.unit.learning.odd_models.NAME``."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import nn

Shape = tuple[int, int, int]


class Plain(nn.Module):
    """Two dense layers: what the others are made from."""

    def __init__(self, in_shape: Shape, num_classes: int, hidden: int = 8) -> None:
        super().__init__()
        c, h, w = in_shape
        self.body, self.head = nn.Linear(c * h * w, hidden), nn.Linear(hidden, num_classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x.flatten(1)))

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.features(x))


# -- shapes that the first forward pass decides --------------------------------------------------------------------


def lazy_dense(num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, num_classes))


def lazy_convolutions(num_classes: int) -> nn.Module:
    """Every layer is lazy, batch norm's statistics too."""
    body = [nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*body, nn.LazyLinear(num_classes))


class LazyAside(Plain):
    """A lazy layer that only training uses."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.aside = nn.LazyLinear(num_classes)

    def forward(self, x: torch.Tensor) -> Any:
        seen = self.features(x)
        return self.head(seen) + self.aside(seen) if self.training else self.head(seen)


# -- weights from elsewhere than torch's generator -------------------------------------------------------------------


class NumpyWeights(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        drawn = np.random.standard_normal(self.body.weight.shape)
        self.body.weight.data.copy_(torch.from_numpy(drawn) * 0.1)


class PythonWeights(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        import random

        super().__init__(in_shape, num_classes)
        nn.init.constant_(self.head.bias, random.random())


class UnseededWeights(Plain):
    """NumPy's new generators cannot be seeded from outside."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        drawn = np.random.default_rng().standard_normal(self.body.weight.shape)
        self.body.weight.data.copy_(torch.from_numpy(drawn) * 0.1)


class Counted(Plain):
    """Each one that is built is another one."""

    built = 0

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        Counted.built += 1
        nn.init.constant_(self.head.bias, Counted.built)


# -- one tensor, two names ------------------------------------------------------------------------------------------


class Tied(nn.Module):
    """Two layers share a weight."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__()
        c, h, w = in_shape
        self.stem, self.a, self.b = nn.Linear(c * h * w, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.b.weight = self.a.weight
        self.head = nn.Linear(16, num_classes)

    def forward(self, x: torch.Tensor) -> Any:
        x = torch.relu(self.stem(x.flatten(1)))
        return self.head(torch.relu(self.b(torch.relu(self.a(x)))))


class OneLayerTwice(Plain):
    """A whole layer under two names, batch norm's statistics too."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.first = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
        self.again = self.first

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.again(self.first(super().features(x)))


class SharedTable(Plain):
    """A buffer and a weight, each under two names."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("one", torch.full((8,), 0.5))
        self.register_buffer("two", self.one)
        self.wide = nn.Linear(8, 8, bias=False)
        self.mirror = self.wide.weight

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.wide(super().features(x)) @ self.mirror + self.one * self.two


# -- more than scores ------------------------------------------------------------------------------------------------


class TrainTuple(Plain):
    """A pair while training, as GoogLeNet gives it."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.aux = nn.Linear(8, num_classes)

    def forward(self, x: torch.Tensor) -> Any:
        seen = self.features(x)
        return (self.head(seen), self.aux(seen)) if self.training else self.head(seen)


class AlwaysList(Plain):
    """Its scores and what it saw, in evaluation too."""

    def forward(self, x: torch.Tensor) -> Any:
        seen = self.features(x)
        return [self.head(seen), seen]


class Wrapped(Plain):
    """As Hugging Face's models give them."""

    def forward(self, x: torch.Tensor) -> Any:
        seen = self.features(x)
        return OrderedDict(hidden=seen, logits=self.head(seen))


class TrainNothing(Plain):
    """Gives no scores while it is trained."""

    def forward(self, x: torch.Tensor) -> Any:
        return {"loss": self.features(x).sum()} if self.training else super().forward(x)


# -- what fails in training alone --------------------------------------------------------------------------------------


class BatchNorm(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.norm = nn.BatchNorm1d(8)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(super().features(x))


class FixedBatch(Plain):
    """Reckons with a batch of 32, in training."""

    def forward(self, x: torch.Tensor) -> Any:
        seen = self.features(x)
        return self.head(seen.view(32, -1) if self.training else seen)


class Detached(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        with torch.no_grad():
            return super().forward(x)


class Grows(Plain):
    """Its state dict gets another name with the first batch it is trained on."""

    def forward(self, x: torch.Tensor) -> Any:
        if self.training and not hasattr(self, "late"):
            self.register_buffer("late", torch.ones(1))
        return super().forward(x)


class Keeps(Plain):
    """Keeps what it computed in the first forward pass and trains with it."""

    def forward(self, x: torch.Tensor) -> Any:
        if not hasattr(self, "kept"):
            self.kept = torch.ones(8) * 2
        return self.head(self.features(x) * self.kept)


# -- what no fixed point holds --------------------------------------------------------------------------------


class Infinite(Plain):
    """A mask of -inf, as many transformers keep it."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("mask", torch.triu(torch.full((4, 4), float("-inf")), 1))


class Complex(Plain):
    """Turns by complex numbers, as rotary embeddings do."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("turns", torch.polar(torch.ones(8), torch.arange(8.0)))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(super().features(x) * self.turns)[..., 0]


class BigBuffer(Plain):
    """A buffer of 100,000."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("scale", torch.tensor([100_000.0]))

    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x) * (self.scale / 100_000)


class Sines(Plain):
    """A table that comes out a little different on another machine; this one, on each."""

    shift = 0.0

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("table", torch.sin(torch.arange(8.0)) + Sines.shift)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return super().features(x) + self.table


class LargeTable(Plain):
    """A buffer of random numbers, too large for a charter; finite."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("table", torch.randn(100_000))


class LargeMask(Plain):
    """As ``LargeTable``, with an infinity in it."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("table", torch.randn(100_000))
        self.table[7] = float("inf")


class InfiniteCount(Plain):
    """A buffer that changes, and is infinite."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("least", torch.tensor([float("inf"), 0.0]))

    def forward(self, x: torch.Tensor) -> Any:
        if self.training:
            self.least[1] += 1
        return super().forward(x)


class LateCount(Plain):
    """A buffer that stands still for ten batches, and then does not."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("tens", torch.zeros(1))
        self.seen = 0

    def forward(self, x: torch.Tensor) -> Any:
        self.seen += self.training
        if self.seen >= 10:
            self.tens += 1
        return super().forward(x)


class LongIntegers(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.register_buffer("salt", torch.tensor([2**40]))


class ComplexWeight(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.turn = nn.Parameter(torch.ones(8, dtype=torch.complex64))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return (super().features(x) * self.turn).real


class InfiniteWeight(Plain):
    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.never = nn.Parameter(torch.tensor([float("-inf")]))


class BigWeight(Plain):
    """A weight of 200, or of whatever."""

    def __init__(self, in_shape: Shape, num_classes: int, value: float = 200.0) -> None:
        super().__init__(in_shape, num_classes)
        self.gain = nn.Parameter(torch.tensor([value, 1.0]))

    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x) * self.gain[1]


class LoudFeatures(BatchNorm):
    """What batch norm sees is in the thousands, its variance in the millions."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.body(x.flatten(1)) * 10_000)


class ExtraState(Plain):
    def get_extra_state(self) -> dict[str, int]:
        return {"version": 2}

    def set_extra_state(self, state: Any) -> None:
        del state


def refuses(num_classes: int) -> nn.Module:
    raise FileNotFoundError(f"weights for {num_classes} classes")


class NeedsClosure(torch.optim.SGD):
    """A user's own optimizer that evaluates the loss anew, as sharpness-aware minimisation does."""

    def step(self, closure: Any) -> None:  # type: ignore[override]
        closure()
        super().step()


# -- parts that stay as they are ---------------------------------------------------------------------------------------


class FrozenTrunk(Plain):
    """A trunk with batch norm, which is frozen, and a table in it; the head alone is trained."""

    shift = 0.0

    def __init__(self, in_shape: Shape, num_classes: int, hidden: int = 8) -> None:
        super().__init__(in_shape, num_classes, hidden)
        self.trunk = nn.Sequential(
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.BatchNorm1d(hidden, affine=False)
        )
        self.trunk.register_buffer("table", torch.full((hidden,), float("inf")))
        for parameter in [*self.body.parameters(), *self.trunk.parameters()]:
            parameter.requires_grad = False
        with torch.no_grad():
            for parameter in self.parameters():  # so that a fixed point, if it travels, holds it as it is
                parameter.mul_(2**16).round_().div_(2**16)
            self.body.weight.add_(FrozenTrunk.shift)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.trunk(super().features(x)))


class AllTravels(FrozenTrunk):
    """The same, with all of it trained as far as anybody can tell, and moved nowhere."""

    def __init__(self, in_shape: Shape, num_classes: int, hidden: int = 8) -> None:
        super().__init__(in_shape, num_classes, hidden)
        del self.trunk.table
        for module in self.trunk[1:]:
            module.momentum = 0.0
        self.trunk.train = lambda mode=True: nn.Module.train(self.trunk, False)  # type: ignore[method-assign]
        for parameter in self.parameters():
            parameter.requires_grad = True

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return super().features(x).detach()


class HalfFrozenNorm(BatchNorm):
    """Batch norm of which a scale is frozen and a shift is not: it is trained."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.norm.weight.requires_grad = False


class MomentumEncoder(Plain):
    """Weights without gradient that move all the same, after those that have one."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        super().__init__(in_shape, num_classes)
        self.slow = nn.Linear(self.body.in_features, 8)
        self.slow.requires_grad_(False)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            with torch.no_grad():
                self.slow.weight.lerp_(self.body.weight, 0.1)
        return super().features(x) + torch.relu(self.slow(x.flatten(1)))


class LateThaw(FrozenTrunk):
    """Its frozen weights stand still for ten batches, and then do not."""

    seen = 0

    def features(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += self.training
        if self.training and self.seen >= 10:
            with torch.no_grad():
                self.body.bias.add_(1)
        return super().features(x)


# -- what a forward pass or a constructor asks for ---------------------------------------------------------------------


class NeedsMask(Plain):
    def forward(self, x: torch.Tensor, *, mask: torch.Tensor) -> Any:
        return super().forward(x) * mask


class Unsure(Plain):
    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x) * float("nan")


class Downloads(Plain):
    """Fetches something as it is built, from where nobody answers."""

    def __init__(self, in_shape: Shape, num_classes: int) -> None:
        from urllib.request import urlopen

        super().__init__(in_shape, num_classes)
        urlopen("http://127.0.0.1:1/weights.pt", timeout=5)


class SharedEmbedding(nn.Module):
    """One table of words for what comes in and what goes out, as language models have it."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(17, 8), nn.Linear(8, 17, bias=False)
        self.out.weight = self.words.weight
        self.head = nn.Linear(17, num_classes)

    def forward(self, x: torch.Tensor) -> Any:
        tokens = ((x - x.amin()) * 5).long().clamp(0, 16).flatten(1)
        return {"logits": self.head(self.out(self.words(tokens)).mean(1))}

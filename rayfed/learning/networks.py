"""Small networks for rows of numbers and sequences of tokens. Run folders carry a copy, as of ``cnn``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention


class Perceptron(nn.Module):
    """Dense layers with ReLU between them, for rows of numbers.

    Args:
        in_shape: of an example; it is flattened.
        num_classes: numbers that come out.
        hidden: widths of the layers in between; none: a linear model.
        dropout: part of each of them that is left out in training.
    """

    def __init__(
        self, in_shape: Sequence[int], num_classes: int, hidden: Sequence[int] = (32, 16), dropout: float = 0.0
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = 1
        for side in in_shape:
            width *= side
        for wide in hidden:
            layers += [nn.Linear(width, wide), nn.ReLU()]
            layers += [nn.Dropout(dropout)] if dropout else []
            width = wide
        self.layers = nn.Sequential(*layers, nn.Linear(width, num_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, ...) -> (b, num_classes)."""
        outputs: torch.Tensor = self.layers(x)
        return outputs


class TinyTransformer(nn.Module):
    """A decoder of a few layers (Vaswani et al. 2017, arXiv:1706.03762; layer norm first) over tokens.

    Written with linear layers alone, so that DP-SGD can tell the gradients of single examples apart.

    Args:
        in_shape: (length,) tokens of an example.
        num_classes: the vocabulary's size, or the number of classes with ``pool``.
        vocabulary: how many tokens there are; by default as many as ``num_classes``.
        width, depth, heads: of the model, its layers, their attention.
        pool: give one answer a sequence, from the mean over it, in place of one a token.
        dropout: part of each layer's result that is left out in training.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_classes: int,
        vocabulary: int | None = None,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        pool: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(in_shape) != 1:
            raise ValueError(f"it takes sequences of tokens, not inputs of shape {in_shape}")
        if width % heads:
            raise ValueError(f"{heads} heads do not share a width of {width}")
        self.pool = pool
        self.tokens = nn.Embedding(vocabulary or num_classes, width)
        self.positions = nn.Embedding(in_shape[0], width)
        self.layers = nn.Sequential(*(_Layer(width, heads, not pool, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(b, length) int64 -> (b, length, num_classes), or (b, num_classes) with ``pool``."""
        places = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape)  # (b, length)
        x = self.norm(self.layers(self.tokens(tokens) + self.positions(places)))
        outputs: torch.Tensor = self.head(x.mean(1) if self.pool else x)
        return outputs


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, length, width) twice."""
        b, length, width = x.shape
        parts = self.mix(self.norms[0](x)).view(b, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (b, heads, length, width / heads)
        seen = scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        x = x + self.dropout(self.out(seen.transpose(1, 2).reshape(b, length, width)))
        after: torch.Tensor = x + self.dropout(self.dense(self.norms[1](x)))
        return after

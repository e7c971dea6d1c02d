"""The convolutional networks that come with rayfed. Run folders carry a copy, so torch alone is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn

Shape = Sequence[int]
"""Channels, height, width of an image."""


class SmallCNN(nn.Module):
    """Three convolutions and two dense layers; 586,250 parameters for 3x32x32 images and 10 classes.

    Each convolution is followed by a pooling that halves the sides, as long as they are longer than 4; what is then
    still larger than 4x4 is averaged down to it. So 8x8 digits and 64x64 images meet dense layers of the same size.

    Args:
        in_shape: channels, height, width.
        num_classes: scores that come out.
        width: channels of the first convolution; the other two have twice as many.
        hidden: width of the first dense layer.
        dropout: part of the dense layer that is left out in training.
    """

    def __init__(
        self, in_shape: Shape, num_classes: int, width: int = 32, hidden: int = 512, dropout: float = 0.0
    ) -> None:
        super().__init__()
        channels, height, width_in = in_shape
        layers: list[nn.Module] = []
        for out in (width, 2 * width, 2 * width):
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
            if min(height, width_in) > 4:
                layers.append(nn.MaxPool2d(2))
                height, width_in = height // 2, width_in // 2
        if max(height, width_in) > 4:
            layers.append(nn.AdaptiveAvgPool2d(4))
            height = width_in = 4
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * height * width_in, hidden),
            nn.ReLU(),
            nn.Dropout(dropout) if dropout else nn.Identity(),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, c, h, w) -> (b, num_classes)."""
        scores: torch.Tensor = self.classifier(self.features(x))
        return scores


class PaperCNN(nn.Module):
    """The networks of the papers on decentralised learning that the ``*_paper`` experiments repeat.

    ``cifar``: convolutions 64-64, 128-128, 256-256, each with batch norm, a pooling after each pair; dense 128 with
    an L2 penalty, dropout 0.5. ``tiny_imagenet``: five such pairs, 64, 128, 256, 512, 512; dense 256 and 128.

    Attributes:
        l2: by name of a parameter, the coefficient of its squared norm in the loss.
        idle_biases: convolutions whose bias does nothing in training, by name, with the batch norm behind each: it
            takes away whatever the bias adds.

    Args:
        in_shape: channels, height, width; the sides must survive three (five) halvings.
        num_classes: scores that come out.
        variant: ``cifar`` or ``tiny_imagenet``.
        l2: coefficient of the squared weights of the dense layers in the loss.
        dropout: part of the last dense layer that is left out in training.
    """

    VARIANTS: ClassVar[dict[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
        "cifar": ((64, 128, 256), (128,)),
        "tiny_imagenet": ((64, 128, 256, 512, 512), (256, 128)),
    }

    def __init__(
        self, in_shape: Shape, num_classes: int, variant: str = "cifar", l2: float = 1e-4, dropout: float = 0.5
    ) -> None:
        super().__init__()
        if variant not in self.VARIANTS:
            raise ValueError(f"variant {variant!r} is unknown; choose one of {', '.join(self.VARIANTS)}")
        stages, dense = self.VARIANTS[variant]
        channels, height, width = in_shape
        if min(height, width) >> len(stages) == 0:
            raise ValueError(f"variant {variant!r} needs images of at least {2 ** len(stages)} pixels a side")
        layers: list[nn.Module] = []
        self.idle_biases: dict[str, str] = {}
        for out in stages:
            for source in (channels, out):
                self.idle_biases[f"features.{len(layers)}"] = f"features.{len(layers) + 1}"
                layers += [nn.Conv2d(source, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
            layers.append(nn.MaxPool2d(2))
            channels, height, width = out, height // 2, width // 2
        self.features = nn.Sequential(*layers)
        layers, inputs = [nn.Flatten()], channels * height * width
        self.l2: dict[str, float] = {}
        for out in dense:
            self.l2[f"classifier.{len(layers)}.weight"] = l2
            layers += [nn.Linear(inputs, out), nn.ReLU()]
            inputs = out
        self.classifier = nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(inputs, num_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, c, h, w) -> (b, num_classes)."""
        scores: torch.Tensor = self.classifier(self.features(x))
        return scores

"""What is done to inputs before a model gets them, as modules that an exported file holds: numbers in, numbers out.

A word is no number: of a column of categories such a file takes the category's place in the column's list, and of a
text the bytes. What is left to the caller is said by ``left``, in a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning.images import Normalise
from rayfed.protocol.charter_parts import DataTerms

WHERE = "in the file's metadata, and in model.py under COLUMNS"


class PixelInputs(nn.Module):
    """(n, channels, height, width) uint8 pixels -> float32, normalised channel by channel."""

    def __init__(self, data: DataTerms) -> None:
        super().__init__()
        normalise = Normalise(data.mean, data.std, torch.device("cpu"), False)
        self.scale, self.shift = nn.Buffer(normalise.scale), nn.Buffer(normalise.shift)
        self.shape = data.shape

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Follow ``nn.Module``."""
        return pixels.to(torch.float32) * self.scale + self.shift

    def example(self, count: int, draw: torch.Generator) -> torch.Tensor:
        """Return inputs of the right form that tell nothing of anybody."""
        return torch.randint(0, 256, (count, *self.shape), generator=draw, dtype=torch.uint8)


class RowInputs(nn.Module):
    """(n, columns) float32, a table's rows -> (n, width) float32: numbers standardised, 1 in the place of a category.

    A missing number is nan: the column's mean then, where the charter fills what is missing. Whatever is no place in a
    column's list of categories is none of them.

    Args:
        columns: of the charter's ``prepare``; ``fill``: as there.
    """

    def __init__(self, columns: list[Mapping[str, Any]], fill: bool) -> None:
        super().__init__()
        rows = [
            (number, 0.0, 1.0, place)
            if "values" in column
            else (number, float(column["mean"]), float(column["std"]), -1)
            for number, column in enumerate(columns)
            for place in range(len(column.get("values", [0])))
        ]
        source, mean, std, place = (np.array(part) for part in zip(*rows, strict=True))
        self.source = nn.Buffer(torch.from_numpy(source))
        self.mean, self.std, self.place = (nn.Buffer(torch.from_numpy(one).float()) for one in (mean, std, place))
        self.fill = fill
        self.widths = [len(column.get("values", [])) for column in columns]
        self.spread = [(float(one.get("mean", 0)), float(one.get("std", 0))) for one in columns]

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Follow ``nn.Module``."""
        cells = torch.index_select(rows, 1, self.source)
        numbers = (cells - self.mean) / self.std
        if self.fill:
            numbers = torch.where(torch.isnan(cells), torch.zeros_like(cells), numbers)
        return torch.where(self.place < 0, numbers, (cells == self.place).to(torch.float32))

    def example(self, count: int, draw: torch.Generator) -> torch.Tensor:
        """Return inputs of the right form that tell nothing of anybody."""
        columns = [
            torch.randint(0, width, (count,), generator=draw).float()
            if width
            else mean + std * torch.randn(count, generator=draw)
            for width, (mean, std) in zip(self.widths, self.spread, strict=True)
        ]
        return torch.stack(columns, 1)


class ByteInputs(nn.Module):
    """(n, length) uint8, the bytes of texts -> int64 tokens."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, texts: torch.Tensor) -> torch.Tensor:
        """Follow ``nn.Module``."""
        return texts.to(torch.int64)

    def example(self, count: int, draw: torch.Generator) -> torch.Tensor:
        """Return inputs of the right form that tell nothing of anybody."""
        return torch.randint(32, 127, (count, self.length), generator=draw, dtype=torch.uint8)


def of(data: DataTerms) -> PixelInputs | RowInputs | ByteInputs:
    """Return what prepares a federation's inputs.

    Raises:
        ConfigError: naming ``--preprocess``: its members prepared them by themselves.
    """
    if not data.prepare:
        return PixelInputs(data)
    if "columns" in data.prepare:
        return RowInputs(list(data.prepare["columns"]), bool(data.prepare["fill"]))
    if data.prepare["kind"] == "text":
        return ByteInputs(int(data.prepare["inputs"][0]["shape"][0]))
    words = "the data's owners prepare what the network takes by themselves: export without it, and do as model.md says"
    raise ConfigError("--preprocess", f"{words} (data of the kind {data.prepare['kind']})")


def left(data: DataTerms) -> str:
    """Return in a line what is left to who calls a file with its preprocessing in it; empty: nothing."""
    if "columns" in data.prepare and any("values" in column for column in data.prepare["columns"]):
        return f"a category is given by its place in the column's list, from 0; the lists are {WHERE}"
    if data.prepare.get("kind") == "text":
        return f"a text is given by its bytes in UTF-8, the last {data.prepare['inputs'][0]['shape'][0]} of them"
    return ""


def fields(data: DataTerms) -> list[dict[str, Any]]:
    """Return the columns that a file with its preprocessing takes, in order, with the lists of categories."""
    columns = data.prepare.get("columns", [])
    return [{key: one[key] for key in ("name", "values") if key in one} for one in columns]

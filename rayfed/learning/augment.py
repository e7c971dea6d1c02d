"""Random flips and shifts of a whole batch at once: one gather, no picture is looked at by Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from rayfed.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Augment:
    """What is done to a training picture each time it is seen.

    Attributes:
        flip: mirror left and right, every second time.
        shift: move by up to this fraction of the side, both ways, whole pixels; the edge is filled by reflection.
    """

    flip: bool = False
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= 0.5:
            raise ConfigError("data.augment.shift", f"must be a fraction from 0 to 0.5, is {self.shift}")

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> Self:
        """Build from the config group ``data.augment``; None is nothing at all."""
        known = {"flip", "shift"}
        if unknown := set(settings or {}) - known:
            raise ConfigError(f"data.augment.{min(unknown)}", f"is unknown; choose from {', '.join(sorted(known))}")
        settings = settings or {}
        return cls(bool(settings.get("flip", False)), float(settings.get("shift", 0.0)))

    def draw(self, n: int, shape: Sequence[int], generator: torch.Generator, device: torch.device) -> Draws:
        """Draw what happens to each of ``n`` pictures of ``shape`` (h, w) in one epoch.

        ``generator`` is on the CPU, so that every device gets the same numbers.
        """

        def whole(low: int, high: int) -> torch.Tensor:
            return torch.randint(low, high + 1, (n, 1), generator=generator).to(device)

        reach = [round(self.shift * side) for side in shape]
        down, right = (whole(-most, most) if most else None for most in reach)
        return Draws(down, right, whole(0, 1).bool() if self.flip else None)


@dataclass(frozen=True, slots=True)
class Draws:
    """What happens to each picture of an epoch: (n, 1) pixels down and right, and whether it is mirrored."""

    down: torch.Tensor | None
    right: torch.Tensor | None
    mirror: torch.Tensor | None

    def apply(self, x: torch.Tensor, start: int) -> torch.Tensor:
        """Return the batch (b, c, h, w) that begins at picture ``start`` of the epoch, augmented."""
        if self.down is None and self.right is None and self.mirror is None:
            return x
        b, c, h, w = x.shape
        part = slice(start, start + b)
        rows = _places(h, None if self.down is None else self.down[part], x.device)  # (b or 1, h): taken from there
        columns = _places(w, None if self.right is None else self.right[part], x.device)
        if self.mirror is not None:
            columns = torch.where(self.mirror[part], w - 1 - columns, columns)
        source = (rows.unsqueeze(2) * w + columns.unsqueeze(1)).view(-1, 1, h * w)
        return x.view(b, c, h * w).gather(2, source.expand(b, c, h * w)).view(b, c, h, w)


def _places(side: int, moved: torch.Tensor | None, device: torch.device) -> torch.Tensor:
    """Return (b, side): the positions along one side from which a moved picture is read, reflected at the edges."""
    places = torch.arange(side, device=device).unsqueeze(0)
    if moved is None:
        return places
    places = (places - moved).abs()
    return torch.minimum(places, 2 * (side - 1) - places)

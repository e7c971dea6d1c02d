"""What a host is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rayfed.runtime.place import Place

if TYPE_CHECKING:
    from rayfed.config import Settings


@dataclass(frozen=True, slots=True)
class HostSpec:
    """What a host is told: settings and places, never a key, a weight or an image.

    Attributes:
        name: by which the other hosts know it.
        slots: which parts of the data its nodes own (-1: all that is at ``data.root``).
        state_dir: folder on the host's own disk; each node has its own folder below it.
    """

    name: str
    slots: tuple[int, ...]
    place: Place
    settings: Settings
    state_dir: str

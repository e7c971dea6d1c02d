"""What a scenario over real parts is; ``faults`` has those that there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Fault = Callable[[Any], None]
"""Does something to a ``Testbed``; its name and the first line of its docstring say what."""

FATAL = ("kill_starter", "kill_raylet", "kill_all")
"""After these faults a run ends, and is carried on by ``resume=``."""


@dataclass(frozen=True, slots=True)
class RealScenario:
    """A few faults, at moments that the seed draws.

    Attributes:
        name, about: for the command line and the table.
        faults: what is done, in an order that the seed draws.
        draws: how many of them a seed draws; 0: all.
        store: where blobs travel.
        track: whether the run is recorded by an MLflow server.
        loses: whether a round may be lost by it; where none may, a check says so.
    """

    name: str
    about: str
    faults: tuple[Fault, ...]
    draws: int = 0
    store: str = "ray_peers"
    track: bool = False
    loses: bool = True

    @property
    def own_cluster(self) -> bool:
        """Whether a run starts Ray by itself, because that is hit, or to have it tried."""
        return not self.faults or any(fault.__name__ in FATAL for fault in self.faults)

    @property
    def injected(self) -> int:
        """How many faults there are in a run."""
        return self.draws or len(self.faults)

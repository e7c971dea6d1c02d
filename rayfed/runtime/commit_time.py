"""How long a commit phase lasts: by what a rehearsal has measured, where nobody has said it, and never shorter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rayfed.encoding import blocks
from rayfed.errors import ConfigError
from rayfed.reporting.words import duration

if TYPE_CHECKING:
    from rayfed.config import Settings

TIMES = 4
"""How many times as long as the founder trains a commit phase lasts: others' machines may be slower, or busy."""

LEAST_SECONDS = 300
"""What it lasts at least: a node may have to be started again meanwhile, and blocks take their time."""

SURE = 3
"""So many times longer than a deadline training must seem to be refused: with a few steps, what is made once a round
counts as much as they do, and a machine that is busy now may have more time later."""

MINUTE = 60


@dataclass(frozen=True, slots=True)
class TrainingPace:
    """How fast training is.

    Attributes:
        examples: of an epoch, of the node that has most; ``epochs``: of a round.
        rate: examples a second, of one node that has a processor to itself.
        sharing: nodes of this party a processor, at least 1.
    """

    examples: int
    epochs: int
    rate: float
    sharing: float = 1.0

    @classmethod
    def of(cls, settings: Settings, examples: int, rate: float, nodes: int) -> TrainingPace:
        """Return the pace of so many nodes on this machine."""
        sharing = nodes * (settings.train.threads or 1) / blocks.cores()
        return cls(examples, settings.train.epochs, rate, max(1.0, sharing))

    @property
    def seconds(self) -> float:
        """What a round's training takes."""
        return self.epochs * self.examples * self.sharing / self.rate

    @property
    def words(self) -> str:
        """The same with what it comes from, in words."""
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        nodes = "" if self.sharing == 1 else f", {self.sharing:.3g} nodes a processor"
        return (
            f"about {duration(self.seconds)} here ({epochs} of {self.examples:,} examples, {self.rate:,.3g} a "
            f"second{nodes})"
        )


def chosen(settings: Settings, pace: TrainingPace | None) -> int:
    """Return what a founder's charter says of the commit phase, in seconds.

    Args:
        pace: of its slowest node; None: it was not measured.

    Raises:
        ConfigError: the setting is clearly shorter than training takes.
    """
    wanted = settings.federation.commit_seconds
    if pace is None:
        return settings.federation.commit
    least = max(LEAST_SECONDS, MINUTE * math.ceil(TIMES * pace.seconds / MINUTE))
    if wanted is None:
        return least
    if pace.seconds > SURE * wanted:
        raise ConfigError(
            "federation.commit_seconds",
            f"{wanted} s are over before a node has trained: that takes {pace.words}; {least} leave others time, too",
        )
    return wanted


def check(commit_seconds: int, pace: TrainingPace | None) -> None:
    """Check that a node that joins can train within the federation's commit phase.

    Raises:
        ConfigError: naming ``train.epochs``.
    """
    if pace is not None and pace.seconds > SURE * commit_seconds:
        raise ConfigError(
            "train.epochs",
            f"the federation leaves {duration(commit_seconds)} for a round's training, which takes {pace.words}: fewer "
            "epochs, or a faster machine",
        )

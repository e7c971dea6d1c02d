"""How training that is no longer wanted is told to stop: asked between batches, which is as soon as it can."""

from __future__ import annotations

from collections.abc import Callable

from rayfed.learning import TrainingStopped


def never() -> bool:
    """Say that training should not stop."""
    return False


def check(should_stop: Callable[[], bool]) -> None:
    """End training here if it should stop.

    Raises:
        TrainingStopped: it should.
    """
    if should_stop():
        raise TrainingStopped("training was stopped: its round has gone on without it")

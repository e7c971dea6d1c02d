"""A learner that takes its time: what a large model does on a slow machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rayfed.learning import Update
from rayfed.learning.learner import TorchLearner

ROUND = 2
SECONDS = 100.0


class SlowLearner(TorchLearner):
    """Trains in round ``ROUND`` for ``SECONDS`` longer than it needs."""

    def train(self, base: Mapping[str, Any], round: int) -> Update:
        """See ``TorchLearner``."""
        if round == ROUND:
            time.sleep(SECONDS)
        return super().train(base, round)

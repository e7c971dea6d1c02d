"""Learners that note when they are called: what the benchmarks time rounds by, from outside of what is measured."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rayfed.learning import Update
from rayfed.learning.learner import TorchLearner


class Stamped(TorchLearner):
    """Trains as usual. The setting ``learner.stamps`` names the folder for the notes."""

    @contextmanager
    def _stamp(self, what: str, round: int) -> Iterator[None]:
        begin = time.time()
        try:
            yield
        finally:
            line = json.dumps({"what": what, "round": round, "begin": begin, "end": time.time()})
            folder = Path(self._workshop.settings.learner["stamps"])
            with (folder / f"{os.getpid()}-{id(self)}.jsonl").open("a") as file:
                file.write(line + "\n")

    def train(self, base: Mapping[str, Any], round: int) -> Update:
        """See ``Learner``."""
        with self._stamp("train", round):
            return self._update(base, round)

    def evaluate(self, state: Mapping[str, Any]) -> tuple[float, int]:
        """See ``Learner``."""
        with self._stamp("evaluate", 0):
            return self._evaluation(state)

    def _update(self, base: Mapping[str, Any], round: int) -> Update:
        return super().train(base, round)

    def _evaluation(self, state: Mapping[str, Any]) -> tuple[float, int]:
        return super().evaluate(state)

"""What a node does while others work: it scores the merged model, and at the end it trains alone, for comparison."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rayfed.learning import Learner, State
from rayfed.node.round_log import RoundLog
from rayfed.node.status import StatusBoard
from rayfed.node.training import Stops, TrainingWorker, stoppably

WAITING = 3
"""Models that wait to be scored at most."""


@dataclass(frozen=True, slots=True)
class Score:
    """A job: how good the model is that a round has made."""

    round: int


@dataclass(frozen=True, slots=True)
class Alone:
    """A job: the next round of training alone."""

    round: int


class Scores:
    """Uses a worker whenever nothing else does.

    Args:
        learner, worker: the node's.
        log: where scores are written down.
        board: where they are shown.
        alone: whether to train alone at the end.
    """

    def __init__(
        self, learner: Learner, worker: TrainingWorker, log: RoundLog, board: StatusBoard, alone: bool
    ) -> None:
        self._learner = learner
        self._worker = worker
        self._log = log
        self._board = board
        self._alone = alone
        self._curve: Iterator[float] | None = None
        self._waiting: deque[tuple[int, State]] = deque()

    def add(self, round: int, state: State) -> None:
        """Have a round's model scored when there is time.

        Each that waits is a whole model, so of more than WAITING the oldest that is not being scored stays without.
        """
        self._waiting.append((round, state))
        if len(self._waiting) > WAITING:
            del self._waiting[1]

    def forget_alone(self) -> None:
        """Begin anew to train alone, once that is due again."""
        self._curve = None
        self._board.show(alone_accuracy=None, alone_curve=())

    def wants(self, round: int) -> bool:
        """Whether a round's score is yet to come."""
        return any(number == round for number, _ in self._waiting)

    def advance(self) -> bool:
        """Score what waits for it, if the worker is free; say whether anything came of it."""
        if not self._waiting:
            return False
        round, state = self._waiting[0]
        if self._worker.is_free:
            self._worker.start(Score(round), lambda stops: _timed(lambda: self._learner.evaluate(state)))
        return self.collect()

    def collect(self) -> bool:
        """Write down what has been finished; say whether there was anything."""
        if self._waiting:
            round = self._waiting[0][0]
            done = self._worker.poll(Score(round))
            if done is not None:
                (accuracy, examples), seconds = done.result
                self._waiting.popleft()
                self._log.add_seconds(round, "evaluate", seconds)
                self._log.amend(round, accuracy=accuracy, test_examples=examples)
                self._board.show(accuracy=accuracy, scored=round)
                return True
        return False

    def train_alone(self) -> bool:
        """Train alone for a round more, if that is asked for; say whether anything came of it."""
        if not self._alone:
            return False
        job = Alone(len(self._board.now.alone_curve) + 1)
        if self._worker.is_free:
            self._board.show(doing="training alone")
            self._worker.start(job, self._next_alone)
        done = self._worker.poll(job)
        if done is None:
            return False
        if done.result is None:
            self._alone = False
            return False
        self._board.show(alone_accuracy=done.result, alone_curve=(*self._board.now.alone_curve, done.result))
        return True

    def _next_alone(self, stops: Stops) -> float | None:
        stoppably(self._learner, stops)
        if self._curve is None:
            self._curve = self._learner.alone()
        return next(self._curve, None)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start

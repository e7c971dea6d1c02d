"""Work that takes minutes, beside a node's steps: training, and scoring what came of it.

A worker does one job at a time and has one owner, the thread that steps the node: it alone starts, polls and stops.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

from rayfed.learning import Stoppable, TrainingStopped

log = logging.getLogger(__name__)

Stops = Callable[[], bool]
"""Says whether the work is in vain by now."""

Work = Callable[[Stops], Any]
"""What is to be done; it may raise ``TrainingStopped`` once it is told to stop."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job."""

    result: Any


class TrainingWorker(Protocol):
    """Does one job at a time."""

    @property
    def job(self) -> Hashable | None:
        """What it is working on, or has finished and not yet given out; None if it was stopped, or there is nothing."""

    @property
    def is_free(self) -> bool:
        """Whether a job can be started. After ``stop`` it may take a batch until then."""

    def start(self, job: Hashable, work: Work) -> None:
        """Begin a job; only where ``is_free``."""

    def poll(self, job: Hashable) -> Done | None:
        """Return what came of this job, once; None while it goes on, or if it is not this worker's. Never waits.

        Raises:
            Exception: what the work raised.
        """

    def stop(self) -> None:
        """Tell the job to end, and throw its result away, if there is one already. Never waits."""


class InlineWorker:
    """Works where it stands: ``start`` returns when the job is done. For worlds in which time stands still then."""

    def __init__(self) -> None:
        self._job: Hashable | None = None
        self._result: Any = None

    @property
    def job(self) -> Hashable | None:
        """See ``TrainingWorker``."""
        return self._job

    @property
    def is_free(self) -> bool:
        """See ``TrainingWorker``."""
        return self._job is None

    def start(self, job: Hashable, work: Work) -> None:
        """See ``TrainingWorker``; raises what the work raises."""
        self._result = work(lambda: False)
        self._job = job

    def poll(self, job: Hashable) -> Done | None:
        """See ``TrainingWorker``."""
        if self._job is None or self._job != job:
            return None
        done = Done(self._result)
        self.stop()
        return done

    def stop(self) -> None:
        """See ``TrainingWorker``."""
        self._job = self._result = None


@dataclass(slots=True)
class _Run:
    """One job in its thread, which writes ``result`` and ``error`` before it sets ``over``, and nothing afterwards."""

    job: Hashable
    stopped: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: BaseException | None = None


class ThreadWorker:
    """Works in a thread that lives as long as its job.

    Args:
        wake: called in that thread when a job is over, so that the node is stepped again.
    """

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        self._wake = wake
        self._run: _Run | None = None

    @property
    def job(self) -> Hashable | None:
        """See ``TrainingWorker``."""
        return None if self._run is None or self._run.stopped.is_set() else self._run.job

    @property
    def is_free(self) -> bool:
        """See ``TrainingWorker``."""
        return self._run is None or (self._run.stopped.is_set() and self._run.over.is_set())

    def start(self, job: Hashable, work: Work) -> None:
        """See ``TrainingWorker``.

        Raises:
            RuntimeError: it is not free, or no thread can be started.
        """
        if not self.is_free:
            raise RuntimeError("a worker does one job at a time")
        run = _Run(job)
        threading.Thread(target=self._work, args=(run, work), name="rayfed-training", daemon=True).start()
        self._run = run

    def poll(self, job: Hashable) -> Done | None:
        """See ``TrainingWorker``."""
        run = self._run
        if run is None or run.stopped.is_set() or run.job != job or not run.over.is_set():
            return None
        self._run = None
        if run.error is not None:
            raise run.error
        return Done(run.result)

    def stop(self) -> None:
        """See ``TrainingWorker``."""
        if self._run is not None:
            self._run.stopped.set()

    def _work(self, run: _Run, work: Work) -> None:
        try:
            run.result = work(run.stopped.is_set)
        except TrainingStopped:
            run.stopped.set()
        except BaseException as error:  # told in the owner's thread
            run.error = error
            if run.stopped.is_set():
                log.warning("what was stopped had failed", exc_info=error)  # nobody asks for its result
        run.over.set()
        self._wake()


def stoppably(learner: object, stops: Stops) -> None:
    """Have a learner end its training, by ``TrainingStopped``, once ``stops`` says so; one that cannot trains on."""
    if isinstance(learner, Stoppable):
        learner.stop_when(stops)

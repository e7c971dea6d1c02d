"""Tells MLflow what becomes of a federation, from a thread of its own; see the package's docstring."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rayfed.encoding.primitives import Address
from rayfed.encoding.urls import public, public_text
from rayfed.protocol.messages import NodeRecord
from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.mlflow.ahead import ahead, import_mlflow, import_tracing
from rayfed.reporting.mlflow.metrics import round_metrics
from rayfed.reporting.mlflow.new_database import artifact_location
from rayfed.reporting.mlflow.system import SystemLoad
from rayfed.reporting.summary import Summary

if TYPE_CHECKING:
    import numpy as np
    import torch
    from matplotlib.figure import Figure

    from rayfed.reporting.mlflow.datasets import LearnedFrom
    from rayfed.reporting.mlflow.runs import MlflowRuns

log = logging.getLogger(__name__)

CAPACITY = 10_000
"""Records that wait for a dead server at most; then the oldest go. One is about 2 kB."""
INCOMPLETE = 64
"""Rounds whose figures wait for nodes that have not reported; those of older ones go to the parent run at the end."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two tries to reach a server that does not answer; doubled each time."""
NEVER_SECONDS = 10.0
"""How long the end of a run waits for a server that has not answered once."""


class Tracker:
    """Tells MLflow what becomes of one federation. Safe to use from several threads; plain Python, no Ray."""

    def __init__(
        self,
        tracking_uri: str,
        experiment: str,
        run_name: str,
        params: Mapping[str, Any],
        charter_json: str,
        tags: Mapping[str, Any],
        *,
        identity: str | None = None,
        nodes: int = 0,
        texts: Mapping[str, str] | None = None,
        capacity: int = CAPACITY,
        metric: Metric = ACCURACY,
        data: LearnedFrom | None = None,
        system: bool = False,
        model: bool = False,
    ) -> None:
        """Start the thread and return at once.

        Args:
            tracking_uri: any that MLflow knows; see ``config.files.tracking_uri``.
            experiment: its name; made if there is none.
            run_name: the parent run's name.
            params: flat settings; long values are cut to what MLflow stores.
            charter_json: the charter's canonical JSON.
            tags: of the parent run, without the prefix ``rayfed.``: ``federation``, ``chain_id``, ``charter_hash``,
                ``deploy_tx``, ...
            identity: by which a restarted tracker finds its runs again; unique to this federation. (An address is
                not: a fresh development chain gives the same one again.) None: never found again.
            nodes: how many nodes report each round; when all have, the round's figures go to the parent run.
                0: they go there at the end.
            texts: further artifacts by name, logged at the start, for instance ``config.json``.
            metric, data: by which the model is measured, and what is learned from, for the dataset column.
            system: whether the load of the machine that this runs on is recorded in the parent run.
            model: whether a model will be logged at the end: what that takes is imported meanwhile.
            capacity: records that wait at most while the server is dead.
        """
        self._uri = tracking_uri
        self._experiment = experiment
        self._run_name = run_name
        self._params = dict(params)
        self._tags = {f"rayfed.{key}": str(value) for key, value in tags.items()}
        self._identity = identity or uuid.uuid4().hex
        self._nodes = nodes
        self._metric = metric
        self._data = data
        self._load = SystemLoad(tracking_uri) if system else None
        self._texts = {"charter.json": charter_json, **(texts or {})}
        self._queue: deque[tuple[NodeRecord, int]] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._told: dict[int, dict[Address, NodeRecord]] = {}  # by round, of rounds that are not complete
        self._dropped = 0
        self._problem = ""
        self._warned = False
        self._refused = ""
        self._runs: MlflowRuns | None = None
        self._last_steps: deque[tuple[str, Callable[[MlflowRuns], None]]] | None = None
        self._done = threading.Event()
        self._given_up = False
        self._ready = threading.Event()
        if not model:
            self._ready.set()
        self._thread = threading.Thread(target=self._work, name="rayfed-track", daemon=True)
        self._thread.start()

    def record(self, record: NodeRecord, epoch_ms: int | None = None) -> None:
        """Take in what one node reports of one round; returns at once.

        Args:
            epoch_ms: when it was, in milliseconds since the epoch; now, if None.
        """
        at = time.time_ns() // 1_000_000 if epoch_ms is None else epoch_ms
        with self._changed:
            if len(self._queue) == self._queue.maxlen:
                self._dropped += 1
            self._queue.append((record, at))
            self._changed.notify_all()

    def run_id(self) -> str | None:
        """Return the parent run's id, or None while MLflow has not answered yet."""
        return self._runs.parent if self._runs else None

    def wait_until_ready(self, seconds: float = 60.0) -> None:
        """Return once nothing is imported here any more, or MLflow has not answered yet: the caller may import now."""
        if self._runs is not None:
            self._ready.wait(seconds)

    def problem(self) -> str:
        """Return in one line what is wrong with tracking now; empty if nothing is."""
        return self._problem

    def finish(
        self,
        summary: Summary,
        *,
        figures: Mapping[str, Figure] | None = None,
        texts: Mapping[str, str] | None = None,
        model: torch.nn.Module | None = None,
        input_example: np.ndarray | None = None,
        model_format: str = "pt2",
        register: str | None = None,
        status: str = "FINISHED",
        timeout: float = 60.0,
    ) -> bool:
        """Send all that is left, then the results, end the runs, and stop.

        Args:
            summary: the run; where it has no MLflow run id, the logged one gets it.
            figures: by name; None to have them drawn here.
            texts: further artifacts by name, for instance ``report.html``.
            model: the final model; None to log none.
            input_example: (n >= 2, ...) inputs; needed for the signature.
            model_format: ``pt2`` (traced, loads without the model's code and runs nothing on loading; about 6 s for
                the first one in a process) or ``pickle`` (at once, needs the model's class when it is loaded). A
                model that cannot be traced is pickled.
            register: name under which the model is registered; None: it is not.
            status: the parent run's: FINISHED, FAILED or KILLED. A child run is FAILED if its node has an error.
            timeout: seconds for each of these at most; no more than ``NEVER_SECONDS`` for one that never answered.

        Returns:
            Whether everything reached MLflow. If not, a warning has said why.
        """
        if self._runs is None and self._problem:
            timeout = min(timeout, NEVER_SECONDS)
        steps: deque[tuple[str, Callable[[MlflowRuns], None]]] = deque()
        steps.append(("texts", lambda runs: runs.log_texts(self._texts | dict(texts or {}))))
        steps.append(("summary", lambda runs: runs.log_summary(summary)))
        steps.append(("figures", lambda runs: runs.log_figures(summary, figures)))
        if model is not None:
            steps.append(("model", lambda runs: runs.log_model(model, input_example, model_format)))
            if register:
                steps.append(("registered model", lambda runs: runs.register(register)))
        if self._load is not None:
            steps.append(("system metrics", self._load.end))
        steps.append(("end", lambda runs: runs.end(summary, status)))
        with self._changed:
            self._last_steps = steps
            self._changed.notify_all()
        to_do = len(steps) + 1
        while not (complete := self._done.wait(timeout)) and len(steps) < to_do:  # slow is not gone
            to_do = len(steps)
        with self._changed:
            self._given_up = not (complete := complete and not self._given_up)
            self._changed.notify_all()
        if not complete:
            # MLflow tries again by itself, for minutes, to open a database, and says nothing meanwhile.
            self._problem = self._problem or f"MLflow did not take everything in {timeout:.0f} s"
            log.warning(
                "MLflow at %s did not take everything in %.0f s: %d records and %s were not logged%s",
                public(self._uri),
                timeout,
                len(self._queue) + self._dropped,
                ", ".join(name for name, _ in steps) or "nothing else",
                f" ({self._problem})" if self._problem else "",
            )
        elif self._dropped:
            log.warning("MLflow was unreachable for too long: the %d oldest records were not logged", self._dropped)
            complete = False
        return complete and not self._refused

    def _work(self) -> None:
        """Send until told to finish. The only place from which MLflow is called."""
        ahead(import_mlflow)
        pause = FIRST_PAUSE
        while not self._given_up:
            try:
                self._send()
                if not self._ready.is_set():  # meanwhile nothing is sent: see ahead
                    ahead(import_tracing)
                    self._ready.set()
            except Exception as error:  # whatever goes wrong here must not cost a round: it is told, and tried again
                self._trouble(error)
                with self._changed:
                    if self._last_steps is not None:  # somebody waits for the end: no long pauses any more
                        self._changed.wait_for(lambda: self._given_up, timeout=FIRST_PAUSE)
                    else:
                        self._changed.wait_for(lambda: self._last_steps is not None, timeout=pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if self._problem:
                log.warning("MLflow at %s answers again", public(self._uri))
                self._problem, self._warned = "", False
            pause = FIRST_PAUSE
            with self._changed:
                if self._last_steps is not None and not self._last_steps and not self._queue:
                    self._done.set()
                    return
                self._changed.wait_for(lambda: self._given_up or bool(self._queue) or self._last_steps is not None)

    def _send(self) -> None:
        from rayfed.reporting.mlflow.model import Refused
        from rayfed.reporting.mlflow.runs import MlflowRuns

        if self._runs is None:
            runs = MlflowRuns(
                self._uri,
                self._experiment,
                artifact_location(self._uri, self._experiment),
                self._identity,
                self._run_name,
                self._tags,
                self._params,
                self._metric,
                self._data,
            )
            runs.log_texts(self._texts)
            self._runs = runs
            if self._load is not None:
                self._load.begin(runs)
        with self._changed:
            batch = list(self._queue)
        by_node: dict[Address, list[tuple[NodeRecord, int]]] = {}
        for record, at in batch:
            by_node.setdefault(record.address, []).append((record, at))
        for records in by_node.values():
            self._runs.log_node(records)
        for record, at in batch:
            self._complete(self._runs, record, at)
        with self._changed:
            for item in batch:
                if self._queue and self._queue[0] is item:
                    self._queue.popleft()
                else:  # pushed out of a full queue while it was being sent: not lost after all
                    self._dropped -= 1
        while self._last_steps and not self._queue:
            _, step = self._last_steps[0]
            try:
                step(self._runs)
            except Refused as refused:
                self._refused = str(refused)
            self._last_steps.popleft()

    def _complete(self, runs: MlflowRuns, record: NodeRecord, at: int) -> None:
        """Tell the parent run of a round that all nodes have reported."""
        if not self._nodes:
            return
        told = self._told.setdefault(record.round, {})
        told[record.address] = record
        if len(told) >= self._nodes:
            runs.log_round(record.round, round_metrics(list(told.values()), self._metric), at)
            del self._told[record.round]
        for round in sorted(self._told)[:-INCOMPLETE]:
            del self._told[round]

    def _trouble(self, error: Exception) -> None:
        first_line = str(error).strip().partition("\n")[0][:300]
        self._problem = f"{type(error).__name__}: {public_text(first_line)}"
        if not self._warned:
            self._warned = True
            log.warning(
                "MLflow at %s refuses what it is sent; training goes on, and it will be sent again (%s)",
                public(self._uri),
                self._problem,
            )

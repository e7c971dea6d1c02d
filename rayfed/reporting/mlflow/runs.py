"""What is written to MLflow, and how. Imports MLflow; called from the tracker's thread only.

Every method may be called again after it failed half-way: what is there already is found or written over.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import Metric as Point
from mlflow.entities import Param, Run, RunTag
from mlflow.exceptions import MlflowException

from rayfed.encoding.primitives import Address
from rayfed.protocol.messages import NodeRecord
from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.mlflow import new_database
from rayfed.reporting.mlflow.environment import is_outage, mlflow
from rayfed.reporting.mlflow.metrics import closed_metrics, final_metrics, member_metrics, node_metrics
from rayfed.reporting.mlflow.model import log_model, register
from rayfed.reporting.mlflow.note import note
from rayfed.reporting.summary import Summary, plain

if TYPE_CHECKING:
    import numpy as np
    import torch
    from matplotlib.figure import Figure

    from rayfed.reporting.mlflow.datasets import LearnedFrom

log = logging.getLogger(__name__)

METRICS, PARAMS_TAGS, PARAM_LENGTH, TAG_LENGTH = 1000, 100, 6000, 8000
"""What one request, and one value, may hold (MLflow 3)."""

FINAL, ROOT, MODEL = "rayfed.final_root", "rayfed.root.round-", "rayfed.model"
"""Tags of the parent run by which it is known what an end has recorded."""

KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"
"""The tag by which MLflow's pages show an experiment as model training, and not as work with chat models."""


class MlflowRuns:
    """The parent run of a federation and the child runs of its nodes.

    Attributes:
        parent: the parent run's id.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        artifact_location: str | None,
        identity: str,
        run_name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        metric: Metric = ACCURACY,
        data: LearnedFrom | None = None,
    ) -> None:
        """Connect, and make the parent run, or find it by its tag ``rayfed.run``: a recorder was started again, or the
        chain has taken back an end that was recorded."""
        logging.getLogger("mlflow").setLevel(logging.ERROR)  # its advice is for those who call it by hand
        logging.getLogger("alembic").setLevel(logging.WARNING)
        new_database.prepare(uri)
        mlflow.set_tracking_uri(uri)
        self._client = MlflowClient(uri)
        self._identity = identity
        self._metric = metric
        self._data = data
        self._experiment = self._find_experiment(experiment, artifact_location)
        self._nodes: dict[Address, str] = {}
        parent = None
        for run in self._search():
            if run.data.tags.get("rayfed.role") == "federation":
                parent = run
            elif "rayfed.address" in run.data.tags:
                self._nodes[run.data.tags["rayfed.address"]] = run.info.run_id
                if "rayfed.error" in run.data.tags:
                    self._client.delete_tag(run.info.run_id, "rayfed.error")
        if parent is None:
            own = {"rayfed.run": identity, "rayfed.role": "federation", "mlflow.source.name": "rayfed"}
            parent = self._client.create_run(self._experiment, run_name=run_name, tags=_tags(tags) | own)
        elif parent.info.status != "RUNNING":
            self._client.update_run(parent.info.run_id, status="RUNNING")
        self.parent: str = parent.info.run_id
        if data is not None:
            self._client.log_inputs(self.parent, [data.as_input()])
        self._ended: Mapping[str, str] = parent.data.tags if FINAL in parent.data.tags else {}  # as that end was
        self._model_uri = self._ended.get(MODEL, "")
        self._has_model = False
        self._closed_rounds: set[int] = set()
        if parent.data.metrics:  # found again: do not draw its curves twice
            self._closed_rounds = {m.step for m in self._client.get_metric_history(self.parent, "updates/saturated")}
        wanted = [Param(_key(name), str(value)[:PARAM_LENGTH]) for name, value in params.items()]
        wanted = [param for param in wanted if parent.data.params.get(param.key) != param.value]
        for start in range(0, len(wanted), PARAMS_TAGS):
            self._client.log_batch(self.parent, params=wanted[start : start + PARAMS_TAGS])

    def log_node(self, records: Sequence[tuple[NodeRecord, int]]) -> None:
        """Log some records of one node, each with its time in milliseconds since the epoch."""
        first = records[0][0]
        run_id = self._nodes.get(first.address) or self._new_node(first)
        metrics = [
            Point(_key(name), value, at, record.round)
            for record, at in records
            for name, value in node_metrics(record, self._metric).items()
        ]
        tags = {
            f"rayfed.tx.round-{record.round}": " ".join(f"{verb} {tx}" for verb, tx in record.transactions.items())
            for record, _ in records
            if record.transactions
        }
        try:
            self._log(run_id, metrics, tags)
        except MlflowException as error:
            if is_outage(error):
                raise
            # It will not take this tomorrow either: somebody deleted the run, or a name is not to its liking.
            log.warning("MLflow refused figures of node %s, which are left out: %s", first.address, error)

    def log_round(self, round: int, metrics: Mapping[str, float], at: int) -> None:
        """Log the federation's figures of one round."""
        self._log(self.parent, [Point(_key(name), value, at, round) for name, value in metrics.items()])
        self._closed_rounds.add(round)

    def log_texts(self, texts: Mapping[str, str]) -> None:
        """Keep texts as artifacts of the parent run, by file name."""
        for name, text in texts.items():
            self._client.log_text(self.parent, text, name)

    def log_summary(self, summary: Summary) -> None:
        """Log what was not known before the end: the alone curves, who was included, the roots, and the tables."""
        now = _now()
        self._has_model = bool(self._model_uri) and self._ended.get(FINAL) == summary.final_root
        anew = [one for one in summary.rounds if not self._ended or self._ended.get(ROOT + str(one.round)) != one.root]
        for closed in summary.rounds:
            if closed.round not in self._closed_rounds or (self._ended and closed in anew):
                self.log_round(closed.round, closed_metrics(closed, self._metric), now)
        metrics = [Point(name, value, now, 0) for name, value in final_metrics(summary).items()]
        for closed in anew:
            metrics.append(Point("updates/included", len(closed.included), now, closed.round))
            metrics.append(Point("updates/attesters", len(closed.attesters), now, closed.round))
        name = self._metric.name
        curves = [node.alone_curve for node in summary.nodes if node.alone_curve]
        for place in range(min(map(len, curves), default=0)):
            mean = sum(curve[place] for curve in curves) / len(curves)
            metrics.append(Point(f"eval/alone_{name}", mean, now, place + 1))
        tags = {ROOT + str(one.round): one.root or "none" for one in anew if one.root or self._ended}
        self._log(self.parent, metrics, tags | {FINAL: summary.final_root or "none"})
        for node in summary.nodes:
            if node.address in self._nodes:
                alone = f"eval/alone_{name}"
                curve = [Point(alone, value, now, r) for r, value in enumerate(node.alone_curve, start=1)]
                curve += [Point(_key(name), value, now, 0) for name, value in member_metrics(summary, node).items()]
                self._log(self._nodes[node.address], curve, {"rayfed.error": node.error} if node.error else {})
        told = summary.to_dict()
        told["mlflow_run_id"] = told["mlflow_run_id"] or self.parent
        self._client.log_text(self.parent, json.dumps(told, indent=2, allow_nan=False) + "\n", "summary.json")
        slots = {node.address: node.slot for node in summary.nodes}
        self._table(
            "rounds.json",
            ["round", "status", name, "loss", "root", "included", "attesters"],
            [
                [c.round, c.status, _digits(c.accuracy), _digits(c.loss), c.root, len(c.included), len(c.attesters)]
                for c in summary.rounds
            ],
        )
        self._table(
            "transactions.json",
            ["round", "node", "address", "verb", "transaction"],
            [
                [closed.round, slots.get(address, -1), address, verb, tx]
                for closed in summary.rounds
                for address, sent in closed.transactions.items()
                for verb, tx in sent.items()
            ],
        )

    def log_figures(self, summary: Summary, figures: Mapping[str, Figure] | None) -> None:
        """Keep the figures; draw them first if there are none."""
        if figures is None:
            from rayfed.reporting.figures import figures as draw

            figures = draw(summary)
        for name, figure in figures.items():
            self._client.log_figure(self.parent, figure, f"figures/{name}.png")

    def log_model(self, model: torch.nn.Module, example: np.ndarray | None, model_format: str) -> None:
        """Log the final model into the parent run, with its signature, unless an end before this one had the same."""
        if not self._has_model:
            self._model_uri = log_model(self.parent, model, example, model_format)
            self._client.set_tag(self.parent, MODEL, self._model_uri)

    def register(self, name: str) -> None:
        """Register the logged model under a name, as a new version; once, however often this is called."""
        register(self._client, self._model_uri, name)

    def end(self, summary: Summary, status: str) -> None:
        """Write the note that the UI shows first, and end all runs."""
        self._client.set_tag(self.parent, "mlflow.note.content", note(summary, self._model_uri))
        errors = {node.address for node in summary.nodes if node.error}
        for address, run_id in self._nodes.items():
            self._client.set_terminated(run_id, "FAILED" if address in errors else "FINISHED")
        self._client.set_terminated(self.parent, status)

    def _find_experiment(self, name: str, artifact_location: str | None) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._client.create_experiment(name, artifact_location=artifact_location, tags={KIND: TRAINING}))
        if found.lifecycle_stage == "deleted":
            raise MlflowException(f"track.experiment: {name!r} was deleted in MLflow; restore it or choose another")
        if KIND not in found.tags:
            self._client.set_experiment_tag(found.experiment_id, KIND, TRAINING)
        return str(found.experiment_id)

    def _search(self) -> list[Run]:
        return list(
            self._client.search_runs([self._experiment], f"tags.`rayfed.run` = '{self._identity}'", max_results=1000)
        )

    def _new_node(self, record: NodeRecord) -> str:
        """Make a node's run, unless a request that seemed to fail has made it already."""
        for run in self._search():
            if run.data.tags.get("rayfed.address") == record.address:
                self._nodes[record.address] = run.info.run_id
                return self._nodes[record.address]
        name = f"node-{record.slot}" if record.slot >= 0 else f"node-{record.address[:8]}"
        tags = {
            "mlflow.parentRunId": self.parent,
            "mlflow.source.name": "rayfed",
            "rayfed.run": self._identity,
            "rayfed.role": "node",
            "rayfed.address": record.address,
            "rayfed.slot": str(record.slot),
        }
        run_id = str(self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id)
        self._nodes[record.address] = run_id
        self._client.log_batch(
            run_id, params=[Param("node.slot", str(record.slot)), Param("node.examples", str(record.examples))]
        )
        if self._data is not None:
            self._client.log_inputs(run_id, [self._data.as_input(record.examples)])
        return run_id

    def _log(self, run_id: str, metrics: Sequence[Point], tags: Mapping[str, str] | None = None) -> None:
        for start in range(0, len(metrics), METRICS):
            self._client.log_batch(run_id, metrics=metrics[start : start + METRICS])
        kept = [RunTag(key, value) for key, value in _tags(tags or {}).items()]
        for start in range(0, len(kept), PARAMS_TAGS):
            self._client.log_batch(run_id, tags=kept[start : start + PARAMS_TAGS])

    def _table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Keep a table in the form (and with the tag) by which MLflow shows it as one."""
        text = json.dumps({"columns": columns, "data": plain(rows)}, allow_nan=False)
        self._client.log_text(self.parent, text, name)
        tag = "mlflow.loggedArtifacts"
        known = json.loads(self._client.get_run(self.parent).data.tags.get(tag, "[]"))
        entry = {"path": name, "type": "table"}
        if entry not in known:
            self._client.set_tag(self.parent, tag, json.dumps([*known, entry]))


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {_key(key): str(value)[:TAG_LENGTH] for key, value in tags.items()}


def _key(name: str) -> str:
    """Return a name with the characters that MLflow takes in keys."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250]


def _digits(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _now() -> int:
    return time.time_ns() // 1_000_000

"""What the figures are called in MLflow: the same names for all experiments, listed in the package's docstring.

Its pages make a section of charts of each word before a ``/``, in the order of the alphabet, and what has none comes
last: ``eval`` is there so that the first chart is the model's accuracy by round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rayfed.protocol.messages import NodeRecord
from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.closed_round import RoundSummary
from rayfed.reporting.summary import NodeSummary, Summary
from rayfed.reporting.totals import mean_seconds, summed_gas, weighted_accuracy, weighted_loss


def node_metrics(record: NodeRecord, metric: Metric = ACCURACY) -> dict[str, float]:
    """Return one node's metrics of one round."""
    return _finite(
        {
            f"eval/{metric.name}": record.accuracy,
            "train/loss": record.loss,
            "updates/saturated": record.saturated,
            "updates/refused": _refused(record),
            "train/epsilon": record.epsilon,
        }
        | _grouped(record.seconds, record.gas)
    )


def round_metrics(records: Sequence[NodeRecord], metric: Metric = ACCURACY) -> dict[str, float]:
    """Return the federation's metrics of one round, from the records of its nodes."""
    return _finite(
        {
            f"eval/{metric.name}": weighted_accuracy(records, metric),
            "train/loss": weighted_loss(records),
            "updates/saturated": sum(record.saturated for record in records),
            "updates/refused": sum(_refused(record) for record in records),
            "train/epsilon": max((record.epsilon for record in records if record.epsilon is not None), default=None),
        }
        | _grouped(mean_seconds(records), summed_gas(records))
    )


def closed_metrics(closed: RoundSummary, metric: Metric = ACCURACY) -> dict[str, float]:
    """Return the same as ``round_metrics``, from the summary of the round."""
    return _finite(
        {
            f"eval/{metric.name}": closed.accuracy,
            "train/loss": closed.loss,
            "updates/saturated": closed.saturated,
            "updates/refused": len({(refusal.by, refusal.update) for refusal in closed.refusals}),
            "train/epsilon": max(closed.epsilons.values(), default=None),
        }
        | _grouped(closed.seconds, closed.gas)
    )


def final_metrics(summary: Summary) -> dict[str, float]:
    """Return the metrics of the whole run."""
    alone = [value for value in summary.alone_accuracy.values() if value is not None]
    name = summary.metric.name
    return _finite(
        {
            f"final/{name}": summary.final_accuracy,
            f"final/alone_{name}_mean": math.fsum(alone) / len(alone) if alone else None,
            f"final/alone_{name}_best": summary.metric.sorted(alone)[-1] if alone else None,
            "final/gas_per_node_round": summary.gas_per_node_round,
            "final/wall_seconds": summary.wall_seconds,
            "final/unsettled": summary.unsettled,
            "final/update_bytes": summary.update_bytes,
            "final/earned": math.fsum(node.earned for node in summary.nodes),
            "final/slashed": math.fsum(node.slashed for node in summary.nodes),
        }
    )


def member_metrics(summary: Summary, node: NodeSummary) -> dict[str, float]:
    """Return one node's metrics of the whole run."""
    told = summary.left_out.get(node.address, {"rounds": 0, "screens": {}})
    by_screen = {f"left_out/{screen}": rounds for screen, rounds in told["screens"].items()}
    held = {"stake": node.stake, "bonds": node.bonds, "earned": node.earned, "slashed": node.slashed}
    money = {f"money/{name}": coins for name, coins in held.items()}
    return _finite(money | {"left_out/rounds": told["rounds"]} | by_screen)


def _refused(record: NodeRecord) -> int:
    return len({verdict.index for verdict in record.verdicts if not verdict.accepted})


def _grouped(seconds: Mapping[str, float], gas: Mapping[str, int]) -> dict[str, float | None]:
    grouped: dict[str, float | None] = {f"seconds/{step}": value for step, value in seconds.items()}
    return grouped | {f"gas/{verb}": float(used) for verb, used in gas.items()}


def _finite(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """Leave out what is missing or no number: a chart has a gap there."""
    return {name: float(value) for name, value in metrics.items() if value is not None and math.isfinite(value)}

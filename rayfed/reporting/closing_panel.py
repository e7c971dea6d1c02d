"""What a run's last panel says: accuracies, together and alone, and what else matters at the end."""

from __future__ import annotations

import shlex
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.text import Text

from rayfed.config.files import CARD, REPORT, WEIGHTS
from rayfed.encoding.urls import public
from rayfed.protocol.metric import Metric
from rayfed.reporting.words import duration, near, node_name, rounds_in_words, size

if TYPE_CHECKING:
    from rayfed.reporting.summary import Summary

ALL_ALONE = 10
"""Up to so many nodes the final panel names each one's accuracy alone; of more the worst, the middle and the best."""

BAR = 24
"""Characters of a bar."""


def took(summary: Summary) -> str:
    """Return how many rounds there were, and in what time."""
    lost = {word: sum(closed.status == word for closed in summary.rounds) for word in ("void", "undone")}
    words = ", ".join(f"{count} {word}" for word, count in lost.items() if count)
    how_many = rounds_in_words(len(summary.rounds))
    return f"{how_many}{f' ({words})' if words else ''} in {duration(summary.wall_seconds)}"


def scores(summary: Summary) -> list[tuple[str, Text]]:
    """Return the accuracies, or what the metric is, together and alone: whose it is, and the value as a bar."""
    rows: list[tuple[str, Text]] = []
    metric = summary.metric
    if summary.final_accuracy is not None:
        rows.append(("merged", _bar(metric, summary.final_accuracy, "bold green")))
    elif summary.final_root is None:
        rows.append(("merged", Text("no round was final: the model is still genesis", "yellow")))
    alone = [node for node in summary.nodes if node.alone_accuracy is not None]
    values = [node.alone_accuracy or 0.0 for node in alone]
    if len(alone) <= ALL_ALONE:
        for node, value in zip(alone, values, strict=True):
            rows.append((f"{node_name(node)} alone", _bar(metric, value, "blue")))
    else:
        ordered = metric.sorted(values)
        for what, value in (("worst", ordered[0]), ("median", median(values)), ("best", ordered[-1])):
            rows.append((f"{what} alone", _bar(metric, value, "blue")))
    return rows


def facts(summary: Summary) -> list[tuple[str, Text]]:
    """Return what else matters at the end. No label is longer than 9: beside it, a root needs 66 of 80 columns."""
    rows = [
        (f"node {node.slot}" if node.slot >= 0 else "node", Text(node.error, "red"))
        for node in summary.nodes
        if node.error
    ]
    if summary.final_root:
        rows.append(("root", Text(summary.final_root)))
    if summary.unsettled:
        what = rounds_in_words(summary.unsettled)
        lasts = summary.settings.get("ledger") != "devchain"
        then = "can still be contested; then: python -m rayfed claim" if lasts else "to settle when the chain ended"
        rows.append(("open", Text(f"{what} {then}", "yellow" if lasts else "dim")))
    rows.append(("contract", Text(f"{summary.federation} (chain {summary.chain_id})")))
    if summary.gas_per_node_round is not None:
        rows.append(("gas", Text(f"{summary.gas_per_node_round:,.0f} a node and round")))
    if summary.parameters is not None and summary.update_bytes is not None:
        frozen = f" trained, {summary.frozen:,} frozen" if summary.frozen else ""
        sent = f"{summary.parameters:,} parameters{frozen}, {size(summary.update_bytes)} a node and round"
        rows.append(("update", Text(sent)))
    if any(node.earned for node in summary.nodes):
        rows.append(("earned", Text(", ".join(f"{node.earned:.4g}" for node in summary.nodes[:ALL_ALONE]))))
    lost = [f"{node_name(node)}: {node.slashed:.4g}" for node in summary.nodes if node.slashed]
    if lost:
        rows.append(("slashed", Text(", ".join(lost[:ALL_ALONE]), "red")))
    return rows


def ways_on(summary: Summary, output_dir: Path, tracking: str | None) -> list[tuple[str, Text]]:
    """Return where the results are, and the commands for what one does with them.

    Args:
        tracking: where MLflow's runs are, as ``track.tracking_uri`` says it; None for where they are by default.
    """
    folder = near(output_dir)
    rows = [("results", Text(folder)), ("report", Text(near(output_dir / REPORT)))]
    if summary.final_root is not None:
        rows.append(("model", Text(f"{WEIGHTS} there, {CARD} says how to use it")))
        rows.append(("export", Text(f"python -m rayfed export {shlex.quote(folder)} --onnx model.onnx")))
    rows.append(("audit", Text(f"python -m rayfed audit {shlex.quote(folder)}")))
    if summary.mlflow_run_id is not None:
        if tracking is not None and tracking.startswith(("http://", "https://")):
            rows.append(("MLflow", Text(public(tracking))))
        else:
            other = "" if tracking is None else f" --tracking-uri {shlex.quote(public(tracking))}"
            rows.append(("MLflow", Text(f"python -m rayfed ui{other}")))
    return rows


def _bar(metric: Metric, value: float, style: str) -> Text:
    if not metric.percent:
        return Text.assemble((f"{metric.shown(value):>7}", style), f"  {metric.words}")
    full = round(BAR * max(0.0, min(1.0, value)))
    return Text.assemble(f"{metric.shown(value):>7}  ", ("█" * full, style), ("░" * (BAR - full), "dim"))

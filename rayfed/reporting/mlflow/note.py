"""The note that MLflow shows first of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rayfed.reporting.summary import Summary


def note(summary: Summary, model_uri: str) -> str:
    """Return it in Markdown.

    Args:
        model_uri: the logged model's address; empty: there is none.
    """
    lines = [
        f"Federation `{summary.federation}` on chain {summary.chain_id}.",
        "",
        f"| model | {summary.metric.words} |",
        "| --- | --- |",
    ]
    if summary.final_accuracy is not None:
        lines.append(f"| **merged** | **{summary.final_accuracy:.4f}** |")
    lines += [
        f"| node {node.slot} alone | {node.alone_accuracy:.4f} |"
        for node in summary.nodes
        if node.alone_accuracy is not None
    ]
    lines += ["", f"Final root: `{summary.final_root or 'none: no round was final'}`"]
    if model_uri:
        lines += ["", f'Load the model: `mlflow.pytorch.load_model("{model_uri}")`']
    return "\n".join(lines)

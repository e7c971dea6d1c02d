"""The page's charts: the metric by round, and what the rounds cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from rayfed.protocol.messages import Verb
from rayfed.reporting import svg
from rayfed.reporting.closed_round import RoundSummary
from rayfed.reporting.figures import label as node_label
from rayfed.reporting.html_parts import capital, key_of
from rayfed.reporting.steps import css_class
from rayfed.reporting.summary import Summary

CURVES = 32
"""How many nodes' own curves are drawn at most."""


def charts(summary: Summary) -> str:
    """Return the metric of the merged model and of each node alone, seconds by step and gas by message, as HTML."""
    rounds = summary.rounds
    if not rounds:
        return "<p>No round was closed.</p>"
    numbers = [closed.round for closed in rounds]
    alone = {node_label(node): node.alone_curve for node in summary.nodes[:CURVES] if node.alone_curve}
    merged = [(closed.round, closed.accuracy) for closed in rounds if closed.accuracy is not None]
    void = [closed.round for closed in rounds if not closed.stands]
    metric = summary.metric
    told = f"{capital(metric)} of the merged model and of each node alone, by round"
    curves = svg.lines(merged, alone, void, numbers[-1], told, metric)
    caption = f"The merged model (solid) and each node alone (dashed): test {metric.words}."
    caption += " Shaded: void and undone rounds."
    steps = _layers(rounds, [closed.seconds for closed in rounds])
    sent = [max(1, len(closed.transactions)) for closed in rounds]
    gas = _layers(rounds, [{v: c.gas[v] / n / 1000 for v in c.gas} for c, n in zip(rounds, sent, strict=True)], [*Verb])
    parts = [
        f"<figure>{curves}<figcaption>{caption}</figcaption></figure>",
        _bars(steps, numbers, "s", "Seconds by step, mean over the nodes."),
        _bars(gas, numbers, "thousand", "Gas by message, in thousands per node."),
    ]
    return f'<div class="two">{"".join(parts)}</div>'


def _layers(
    rounds: Sequence[RoundSummary], values: Sequence[Mapping[str, float]], order: Iterable[str] = ()
) -> dict[str, list[float]]:
    seen = dict.fromkeys(name for each in values for name in each)
    names = [str(name) for name in order if name in seen] + [name for name in seen if name not in {*order}]
    return {name: [each.get(name, 0.0) for each in values] for name in names}


def _bars(layers: Mapping[str, Sequence[float]], numbers: Sequence[int], unit: str, caption: str) -> str:
    if not layers:
        return ""
    classes = {name: css_class(name) for name in layers}
    drawn = svg.bars(layers, numbers, unit, caption, classes)
    return f"<figure>{drawn}{key_of(classes)}<figcaption>{escape(caption)}</figcaption></figure>"

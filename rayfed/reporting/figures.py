"""The figures of a run. Each function takes the summary and returns a matplotlib figure; nothing is shown or saved.

Colours are Okabe and Ito's (2008), which colour-blind readers can tell apart; markers and hatches say the same again.
Figures are made without pyplot, so they may be drawn in any thread and need no display.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rayfed.protocol.messages import Verb
from rayfed.protocol.metric import Metric
from rayfed.reporting.closed_round import RoundSummary
from rayfed.reporting.steps import colour
from rayfed.reporting.summary import NodeSummary, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, YELLOW, RED = "#0072B2", "#E69F00", "#F0E442", "#D55E00"
GREY = "#8c8c8c"
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo", "**", "||")
MANY_NODES = 10
"""Above this, lines of single nodes become a band and labels of single nodes are left out."""
MATRICES = 12
"""How many rounds of ballots one figure shows at most; of more rounds it shows the last ones."""


def figures(summary: Summary) -> dict[str, Figure]:
    """Return all figures by name: that of the metric (``accuracy``), ``ballots``, ``seconds``, ``gas``."""
    return {
        summary.metric.name: accuracy(summary),
        "ballots": ballots(summary),
        "seconds": seconds(summary),
        "gas": gas(summary),
    }


def accuracy(summary: Summary) -> Figure:
    """Draw the merged model's accuracy, or what the metric is, by round against each node's alone."""
    figure, axes = _figure()
    metric = summary.metric
    alone = [node for node in summary.nodes if node.alone_curve]
    if len(alone) > MANY_NODES:
        _band(axes, alone, metric)
    else:
        for place, node in enumerate(alone):
            axes.plot(
                range(1, len(node.alone_curve) + 1),
                _scaled(node.alone_curve, metric),
                color=GREY,
                linewidth=1,
                linestyle=("--", ":", "-.")[place % 3],
                label="each node alone" if place == 0 else None,
            )
    merged = [(closed.round, closed.accuracy) for closed in summary.rounds if closed.accuracy is not None]
    if merged:
        values = _scaled([value for _, value in merged], metric)
        axes.plot([r for r, _ in merged], values, color=BLUE, marker="o", linewidth=2.2, label="merged model")
        axes.annotate(
            metric.shown(merged[-1][1]),
            (merged[-1][0], values[-1]),
            xytext=(0, 7),
            textcoords="offset points",
            color=BLUE,
            ha="center",
            weight="bold",
        )
    void = [closed.round for closed in summary.rounds if not closed.stands]
    for place, number in enumerate(void):
        axes.axvspan(
            number - 0.5,
            number + 0.5,
            color=ORANGE,
            alpha=0.15,
            lw=0,
            label="void or undone round" if place == 0 else None,
        )
    _by_round(axes, summary.rounds)
    axes.set_ylabel(f"test {metric.words} [%]" if metric.percent else f"test {metric.words}")
    if metric.percent:
        axes.set_ylim(top=min(104.0, axes.get_ylim()[1] + 4))
    if len(alone) <= MANY_NODES:
        _ends(axes, alone, metric)
    words = metric.words if metric.name.islower() and not metric.percent else metric.words.capitalize()
    axes.set_title(_title(summary, f"{words}, together and alone"))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right" if metric.higher else "upper right", frameon=False)
    return figure


def ballots(summary: Summary) -> Figure:
    """Draw who accepted whose update: a matrix a round, voters down, updates across."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = [closed for closed in summary.rounds if closed.ballots][-MATRICES:]
    columns = min(max(len(shown), 1), 4)
    lines = max(1, math.ceil(len(shown) / columns))
    nodes = [node for node in summary.nodes if node.index is not None]
    side = 2.3 if len(nodes) <= MANY_NODES else 2.9
    figure = Figure(
        figsize=(max(4.8, side * columns + 1.0), side * lines + 1.6), dpi=120, layout="constrained", facecolor="white"
    )
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    legend = {
        "accepted": "#a9d3ee",
        "refused": RED,
        "no update": "#dddddd",
        "did not vote": "#f6f6f6",
        "did not get it": YELLOW,
    }
    for place, (axes, closed) in enumerate(zip(panels, shown, strict=False)):
        cells = matrix(closed, nodes)
        axes.imshow(cells, cmap=ListedColormap(list(legend.values())), vmin=-0.5, vmax=4.5)
        refused = [(x, y) for y, row in enumerate(cells) for x, cell in enumerate(row) if cell == 1]
        if refused and len(nodes) <= MANY_NODES:  # the cross says it to those who see no colour
            axes.scatter(*zip(*refused, strict=True), marker="x", color="white", s=36)
        axes.set_title(f"round {closed.round}" + ("" if closed.stands else f" ({closed.status})"), fontsize=10)
        axes.set_xticks([x - 0.5 for x in range(1, len(nodes))], minor=True)
        axes.set_yticks([x - 0.5 for x in range(1, len(nodes))], minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5 if len(nodes) <= MANY_NODES else 0.3)
        axes.tick_params(which="both", length=0, labelsize=8)
        if len(nodes) <= MANY_NODES:
            axes.set_xticks(range(len(nodes)), [label(node) for node in nodes])
            axes.set_yticks(range(len(nodes)), [label(node) for node in nodes])
        if place % columns == 0:
            axes.set_ylabel("voter", fontsize=9)
        if place >= len(shown) - columns:
            axes.set_xlabel("update of", fontsize=9)
    figure.suptitle(_title(summary, "Ballots"), fontsize=12)
    figure.legend(
        handles=[Patch(facecolor=color, edgecolor="#999999", label=name) for name, color in legend.items()],
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize=8,
    )
    return figure


def matrix(closed: RoundSummary, nodes: Sequence[NodeSummary]) -> list[list[int]]:
    """Return a round's ballots, (n_nodes, n_nodes): 0 accepted, 1 refused, 2 no such update, 3 did not vote, 4 did not
    get it."""
    known = closed.roots or {node.address: "" for node in nodes}
    rows = []
    for voter in nodes:
        ballot = closed.ballots.get(voter.address)
        if ballot is None:
            rows.append([3] * len(nodes))
            continue
        missed = closed.misses.get(voter.address, ())
        rows.append(
            [0 if n.address in ballot else 4 if n.address in missed else 1 if n.address in known else 2 for n in nodes]
        )
    return rows


def seconds(summary: Summary) -> Figure:
    """Draw where a round's time goes: wall seconds by step, mean over the nodes, stacked."""
    figure, axes = _figure()
    steps = list(dict.fromkeys(step for closed in summary.rounds for step in closed.seconds))
    _stack(axes, summary.rounds, {step: [c.seconds.get(step, 0.0) for c in summary.rounds] for step in steps})
    axes.set_ylabel("wall time, mean over nodes [s]")
    axes.set_title(_title(summary, "Seconds by step"))
    return figure


def gas(summary: Summary) -> Figure:
    """Draw what the rounds cost: gas by verb, mean over the nodes that are in the round, stacked."""
    figure, axes = _figure()
    seen = {verb for closed in summary.rounds for verb in closed.gas}
    verbs = [v.value for v in Verb if v.value in seen] + sorted(seen - {v.value for v in Verb})
    counts = [max(1, len(closed.transactions)) for closed in summary.rounds]
    _stack(
        axes,
        summary.rounds,
        {v: [c.gas.get(v, 0) / n / 1000 for c, n in zip(summary.rounds, counts, strict=True)] for v in verbs},
    )
    axes.set_ylabel("gas a node [thousand]")
    axes.set_title(_title(summary, "Gas by message"))
    return figure


def label(node: NodeSummary) -> str:
    """Return the few characters by which figures name a node: its number, or its address if it has none."""
    return f"node {node.slot}" if node.slot >= 0 else f"{node.address[:6]}…"


def _figure() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), dpi=120, layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _by_round(axes: Axes, rounds: Sequence[RoundSummary]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if rounds:
        axes.set_xlim(rounds[0].round - 0.5, rounds[-1].round + 0.5)


def _stack(axes: Axes, rounds: Sequence[RoundSummary], layers: dict[str, list[float]]) -> None:
    numbers = [closed.round for closed in rounds]
    floor = [0.0] * len(numbers)
    for place, (name, heights) in enumerate(layers.items()):
        axes.bar(
            numbers,
            heights,
            bottom=floor,
            width=0.7,
            color=colour(name),
            hatch=HATCHES[place % len(HATCHES)],
            edgecolor="white",
            linewidth=0.4,
            label=name,
        )
        floor = [a + b for a, b in zip(floor, heights, strict=True)]
    _by_round(axes, rounds)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def _band(axes: Axes, nodes: Sequence[NodeSummary], metric: Metric) -> None:
    """Draw many nodes' curves as their span and their median."""
    length = min(len(node.alone_curve) for node in nodes)
    columns = [sorted(_scaled([node.alone_curve[r] for node in nodes], metric)) for r in range(length)]
    numbers = range(1, length + 1)
    axes.fill_between(
        numbers,
        [c[0] for c in columns],
        [c[-1] for c in columns],
        color=GREY,
        alpha=0.25,
        lw=0,
        label=f"{len(nodes)} nodes alone, worst to best",
    )
    axes.plot(numbers, [c[len(c) // 2] for c in columns], color=GREY, linestyle="--", label="their median")


def _ends(axes: Axes, nodes: Sequence[NodeSummary], metric: Metric) -> None:
    """Name each node at the end of its curve, pushed apart where curves end close together."""
    bottom, top = axes.get_ylim()
    gap, lowest = 0.04 * (top - bottom), -math.inf
    for node in sorted(nodes, key=lambda node: node.alone_curve[-1]):
        lowest = max(metric.scaled(node.alone_curve[-1]), lowest + gap)
        axes.annotate(
            label(node),
            (len(node.alone_curve), lowest),
            xytext=(6, 0),
            textcoords="offset points",
            fontsize=8,
            color="#555555",
            va="center",
        )


def _scaled(values: Sequence[float], metric: Metric) -> list[float]:
    return [metric.scaled(value) for value in values]


def _title(summary: Summary, what: str) -> str:
    name = summary.settings.get("name")
    return f"{what} · {name}" if name else what

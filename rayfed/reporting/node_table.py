"""The live table's rows, one a node, in as many columns as the terminal has room for."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from rayfed.protocol.messages import NodeStatus
from rayfed.protocol.metric import Metric
from rayfed.reporting.steps import colour, is_still
from rayfed.reporting.words import coins, mean_accuracy, short

STYLE = {"failed": "bold red", "finished": "green"}

NEEDS = {"node": 4, "doing": 16, "round": 5, "metric": 8, "loss": 5, "gas": 10, "earned": 6, "address": 11, "txs": 3}
"""Characters of each column, the most important first: where the terminal is narrow, the last ones are left out."""

ORDER = ("node", "address", "doing", "round", "loss", "metric", "txs", "gas", "earned")

GAP = 2
"""Characters between two columns."""


def node_table(statuses: Sequence[NodeStatus], metric: Metric, width: int, rows: int) -> Table:
    """Return the table.

    Args:
        width: characters of the terminal.
        rows: how many nodes are shown at most; of more the first ones, and how many there are besides.
    """
    names = columns(width)
    table = Table(box=None, padding=(0, GAP // 2), header_style="dim", pad_edge=False)
    for name in names:
        words = name in ("address", "doing")
        table.add_column(
            metric.words if name == "metric" else name,
            justify="left" if words else "right",
            min_width=NEEDS["doing"] if name == "doing" else None,
            no_wrap=True,
        )
    shown = statuses if len(statuses) <= rows else statuses[: rows - 1]
    for status in shown:
        cells = _cells(status, metric)
        table.add_row(*(cells[name] for name in names))
    if len(shown) < len(statuses):
        more = {"doing": Text(f"+ {len(statuses) - len(shown)} more", "dim")}
        table.add_row(*(more.get(name, "") for name in names))
    if len(statuses) > 1:
        sums = _sums(statuses, metric)
        table.add_row(*(sums.get(name, "") for name in names), style="bold")
    return table


def columns(width: int) -> list[str]:
    """Return the columns for which a terminal has room, in their order."""
    left, kept = width + GAP, set[str]()
    for name, needed in NEEDS.items():
        left -= needed + GAP
        if left < 0:
            break
        kept.add(name)
    return [name for name in ORDER if name in kept]


def _cells(status: NodeStatus, metric: Metric) -> dict[str, str | Text]:
    style = STYLE.get(status.doing) or ("dim" if is_still(status.doing) else colour(status.doing))
    lost = (f" -{coins(status.slashed)}", "bold red") if status.slashed else ("", "")
    return {
        "node": str(status.slot) if status.slot >= 0 else "·",
        "address": short(status.address) or "…",
        "doing": Text(status.doing, style),
        "round": str(status.round or ""),
        "loss": "" if status.loss is None else f"{status.loss:.3f}",
        "metric": metric.shown(status.accuracy),
        "txs": str(status.transactions or ""),
        "gas": f"{status.gas:,}" if status.gas else "",
        "earned": Text.assemble(coins(status.earned), lost),
    }


def _sums(statuses: Sequence[NodeStatus], metric: Metric) -> dict[str, str | Text]:
    return {
        "doing": Text("all", "dim"),
        "metric": metric.shown(mean_accuracy(statuses, metric)),
        "txs": str(sum(status.transactions for status in statuses)),
        "gas": f"{sum(status.gas for status in statuses):,}",
        "earned": coins(sum(status.earned for status in statuses)),
    }

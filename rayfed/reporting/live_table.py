"""What a user sees while a federation runs, and at its end.

In a terminal: a table that is drawn anew a few times a second, one row a node. Where the output goes elsewhere (a
file, a pipe, a log): one plain line for each thing that happened, and nothing in between. Both fit 80 columns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rayfed.encoding.primitives import Address
from rayfed.protocol.messages import COIN, NodeStatus, Outcome, Phase, Status, View

if TYPE_CHECKING:
    from rayfed.reporting.summary import NodeSummary, Summary

REFRESH = 4.0
"""Times a second that the table is drawn; one drawing costs some milliseconds of a core."""
ALL_ALONE = 10
"""Up to so many nodes the final panel names each one's accuracy alone; of more the worst, the middle and the best."""
OTHER_LINES = 9
"""Lines of the display besides one a node."""
BAR = 24
STYLE = {"failed": "bold red", "finished": "green", "waiting": "dim", "finishing": "dim", "starting": "dim"}


class LiveDisplay:
    """Shows one federation; a context manager. Not safe to use from several threads."""

    def __init__(self, rounds: int, output_dir: Path, *, name: str = "", console: Console | None = None) -> None:
        """Prepare; nothing is shown before the context is entered.

        Args:
            rounds: how many there will be.
            output_dir: where the results lie, for the panel at the end.
            name: of the experiment.
            console: where to write; standard output by default.
        """
        self._rounds = rounds
        self._output_dir = output_dir
        self._name = name
        self._console = console or Console(highlight=False)
        self._interactive = self._console.is_terminal and not self._console.is_dumb_terminal
        self._federation: Address = ""
        self._view: View | None = None
        self._statuses: tuple[NodeStatus, ...] = ()
        self._saying = ""
        self._began = time.monotonic()
        self._live: Live | None = None
        self._plain = _PlainLines(rounds, self._line)

    def __enter__(self) -> LiveDisplay:
        if self._interactive:
            self._live = Live(
                console=self._console, get_renderable=self._draw, refresh_per_second=REFRESH, vertical_overflow="crop"
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def say(self, line: str) -> None:
        """Tell what is going on while there is no federation to show yet."""
        if self._live is not None and self._saying:
            self._live.console.print(Text.assemble(("✓ ", "green"), self._saying))
        self._saying = line
        if self._live is None:
            self._line(line)

    def found(self, federation: Address) -> None:
        """Tell the federation's address, for the header."""
        self._federation = federation

    def update(self, view: View | None, statuses: Sequence[NodeStatus]) -> None:
        """Show how things are now. A view of None (the ledger did not answer) leaves the last one standing."""
        if self._live is not None and self._saying and view is not None:
            self._live.console.print(Text.assemble(("✓ ", "green"), self._saying))
            self._saying = ""
        self._view = view or self._view
        self._statuses = tuple(statuses)
        if self._live is None:
            self._plain.update(view, self._statuses)

    def final(self, summary: Summary) -> None:
        """End the display and print what came of the run."""
        self._stop()
        scores, facts = _scores(summary), _facts(summary, self._output_dir)
        if not self._interactive:
            width = max(len(label) for label, _ in [*scores, *facts])
            for label, value in [*scores, *facts]:
                self._line(f"{label:<{width}}  {value.plain.rstrip('█░ ')}")
            return
        grids: list[RenderableType] = []
        for rows in (scores, facts):
            grid = Table.grid(padding=(0, 1))
            grid.add_column(style="dim", no_wrap=True)
            grid.add_column(overflow="fold")
            for label, value in rows:
                grid.add_row(label, value)
            grids += [grid, Text("")] if rows is scores else [grid]
        title = f"{self._name or summary.settings.get('name') or 'rayfed'}: {_took(summary)}"
        color = "green" if summary.final_root else "yellow"
        self._console.print(Panel(Group(*grids), title=title, title_align="left", border_style=color, expand=False))

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)

    def _draw(self) -> RenderableType:
        if self._view is None and not any(status.address for status in self._statuses):
            return Spinner("dots", Text(self._saying or "starting"), style="cyan")
        parts = [self._header(), self._table()]
        parts += [
            Text(f"{'node ' + str(s.slot) if s.slot >= 0 else short(s.address)}: {s.error}", "red", overflow="ellipsis")
            for s in self._statuses
            if s.error
        ][:3]
        if self._saying:
            parts.append(Spinner("dots", Text(self._saying), style="cyan"))
        return Group(*parts)

    def _header(self) -> RenderableType:
        view = self._view
        first = Text(self._name or "rayfed", "bold")
        if self._federation:
            first.append(f"  federation {self._federation}", "dim")
        second = Table.grid(padding=(0, 2))
        second.add_column(min_width=38)  # so that the bar stays where it is
        done = 0
        words = Text("forming")
        if view is not None:
            done = self._rounds if view.phase is Phase.DONE else max(0, view.round - 1)
            words = Text(standing(view, self._rounds))
        second.add_row(
            words,
            ProgressBar(total=max(1, self._rounds), completed=done, width=BAR),
            Text(f"{_clock(time.monotonic() - self._began)}", "dim"),
        )
        return Group(first, second)

    def _table(self) -> RenderableType:
        table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
        table.add_column("node", justify="right")
        table.add_column("address", no_wrap=True)
        table.add_column("doing", min_width=16, no_wrap=True)
        for title in ("round", "loss", "accuracy", "txs", "gas", "earned"):
            table.add_column(title, justify="right", no_wrap=True)
        room = max(3, self._console.size.height - OTHER_LINES)
        shown = self._statuses if len(self._statuses) <= room else self._statuses[: room - 1]
        for status in shown:
            table.add_row(
                str(status.slot) if status.slot >= 0 else "·",
                short(status.address) or "…",
                Text(status.doing, STYLE.get(status.doing, "cyan")),
                str(status.round or ""),
                "" if status.loss is None else f"{status.loss:.3f}",
                percent(status.accuracy),
                str(status.transactions or ""),
                f"{status.gas:,}" if status.gas else "",
                _money(status),
            )
        if len(shown) < len(self._statuses):
            table.add_row("", "", Text(f"+ {len(self._statuses) - len(shown)} more", "dim"))
        if len(self._statuses) > 1:
            table.add_row(
                "",
                "",
                Text("all", "dim"),
                "",
                "",
                percent(mean_accuracy(self._statuses)),
                str(sum(s.transactions for s in self._statuses)),
                f"{sum(s.gas for s in self._statuses):,}",
                coins(sum(s.earned for s in self._statuses)),
                style="bold",
            )
        return table


class _PlainLines:
    """Turns what is seen again and again into one line for each thing that happened."""

    def __init__(self, rounds: int, line: Callable[[str], None]) -> None:
        self._rounds = rounds
        self._line = line
        self._phase: tuple[int, Phase] | None = None
        self._joined = 0
        self._closed = 0
        self._seen: dict[int, float | None] = {}  # accuracy by slot at the last look
        self._before: dict[int, float | None] | None = None  # the same before the last round closed, while it matters
        self._ended: set[int] = set()
        self._errors: dict[int, str] = {}

    def update(self, view: View | None, statuses: Sequence[NodeStatus]) -> None:
        if view is not None:
            self._ledger(view, statuses)
        for status in statuses:
            who = f"node {status.slot} ({short(status.address)})"
            if status.error and self._errors.get(status.slot) != status.error:
                self._line(f"{who}: {status.error}")
            self._errors[status.slot] = status.error
            if status.doing in ("finished", "failed") and status.slot not in self._ended:
                self._ended.add(status.slot)
                alone = "" if status.alone_accuracy is None else f"; alone {percent(status.alone_accuracy)}"
                self._line(f"{who} {status.doing}: accuracy {percent(status.accuracy) or 'not measured'}{alone}")
        self._scores(statuses, patient=True)
        self._seen = {status.slot: status.accuracy for status in statuses}

    def _ledger(self, view: View, statuses: Sequence[NodeStatus]) -> None:
        joined = view.active.bit_count()
        if view.phase is Phase.FORMING and joined != self._joined:
            self._line(f"{joined} joined")
        self._joined = joined
        previous = view.previous
        if previous is not None and previous.round > self._closed:
            self._scores(statuses, patient=False)
            self._line(closing(previous, self._rounds, view.members))
            self._closed = previous.round
            if previous.status is Status.FINAL:
                self._before = self._seen
        if (view.round, view.phase) != self._phase and view.phase is not Phase.FORMING:
            self._phase = view.round, view.phase
            self._line(opening(view, self._rounds))

    def _scores(self, statuses: Sequence[NodeStatus], patient: bool) -> None:
        """Tell the accuracy of the round closed last, once all nodes have measured it, or at the latest now."""
        if self._before is None:
            return
        new = [s for s in statuses if s.accuracy is not None and s.accuracy != self._before.get(s.slot)]
        over = all(status.doing in ("finished", "failed") for status in statuses)
        if len(new) == len(statuses) or over or not patient:
            self._before = None
            if new:
                self._line(f"round {self._closed}/{self._rounds}: accuracy {percent(mean_accuracy(statuses))}")


def standing(view: View, rounds: int) -> str:
    """Return in a few words where a federation stands."""
    if view.phase is Phase.FORMING:
        return f"forming · {view.active.bit_count()} joined"
    if view.phase is Phase.DONE:
        return f"done after {view.round} rounds"
    done = {Phase.COMMIT: view.committed, Phase.VOTE: view.voted, Phase.ATTEST: view.attested}[view.phase]
    left = f"{max(0, view.deadline - view.time)} s left"
    return f"round {view.round}/{rounds} · {view.phase.name.lower()} {_of(done, view.roster)} · {left}"


def opening(view: View, rounds: int) -> str:
    """Return in one line which phase has opened."""
    if view.phase is Phase.DONE:
        return standing(view, rounds)
    return f"round {view.round}/{rounds}: {view.phase.name.lower()} opened, {max(0, view.deadline - view.time)} s left"


def closing(outcome: Outcome, rounds: int, members: Sequence[Address]) -> str:
    """Return in one line what became of a round."""
    if outcome.status is Status.VOID:
        return f"round {outcome.round}/{rounds}: void, the base stays"
    merged = f"{outcome.included.bit_count()} updates merged"
    return f"round {outcome.round}/{rounds}: final, {merged}, root 0x{outcome.root.hex()[:16]}…"


def mean_accuracy(statuses: Sequence[NodeStatus]) -> float | None:
    """Return the plain mean of what the nodes measured last; the exact figure is in the summary."""
    measured = [status.accuracy for status in statuses if status.accuracy is not None]
    return sum(measured) / len(measured) if measured else None


def short(address: Address) -> str:
    """Return an address as people recognise it, in 11 characters."""
    return f"{address[:6]}…{address[-4:]}" if address else ""


def percent(value: float | None) -> str:
    """Return a part of one in per cent, or nothing."""
    return "" if value is None else f"{100 * value:.1f} %"


def coins(amount: int) -> str:
    """Return an amount in the coin's smallest unit as whole coins, or nothing."""
    return f"{amount / COIN:,.4g}" if amount else ""


def _money(status: NodeStatus) -> Text:
    """Return what a node has earned, and in red what it has lost."""
    lost = (f" -{coins(status.slashed)}", "bold red") if status.slashed else ("", "")
    return Text.assemble(coins(status.earned), lost)


def _of(bitmap: int, roster: int) -> str:
    return f"{bitmap.bit_count()}/{roster.bit_count()}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _took(summary: Summary) -> str:
    void = sum(closed.status == "void" for closed in summary.rounds)
    return f"{len(summary.rounds)} rounds{f' ({void} void)' if void else ''} in {summary.wall_seconds:.0f} s"


def _scores(summary: Summary) -> list[tuple[str, Text]]:
    """Return the accuracies, together and alone: whose it is, and the value as a bar."""
    rows: list[tuple[str, Text]] = []
    if summary.final_accuracy is not None:
        rows.append(("merged", _bar(summary.final_accuracy, "bold green")))
    elif summary.final_root is None:
        rows.append(("merged", Text("no round was final: the model is still genesis", "yellow")))
    alone = [node for node in summary.nodes if node.alone_accuracy is not None]
    values = [node.alone_accuracy or 0.0 for node in alone]
    if len(alone) <= ALL_ALONE:
        for node, value in zip(alone, values, strict=True):
            rows.append((f"{node_name(node)} alone", _bar(value, "blue")))
    else:
        for what, value in (("worst", min(values)), ("median", median(values)), ("best", max(values))):
            rows.append((f"{what} alone", _bar(value, "blue")))
    return rows


def _facts(summary: Summary, output_dir: Path) -> list[tuple[str, Text]]:
    """Return what else matters at the end. No label is longer than 9: beside it, a root needs 66 of 80 columns."""
    rows = [
        (f"node {node.slot}" if node.slot >= 0 else "node", Text(node.error, "red"))
        for node in summary.nodes
        if node.error
    ]
    if summary.final_root:
        rows.append(("root", Text(summary.final_root)))
    rows.append(("contract", Text(f"{summary.federation} (chain {summary.chain_id})")))
    if summary.gas_per_node_round is not None:
        rows.append(("gas", Text(f"{summary.gas_per_node_round:,.0f} a node and round")))
    if any(node.earned for node in summary.nodes):
        rows.append(("earned", Text(", ".join(f"{node.earned:.4g}" for node in summary.nodes[:ALL_ALONE]))))
    lost = [f"{node_name(node)}: {node.slashed:.4g}" for node in summary.nodes if node.slashed]
    if lost:
        rows.append(("slashed", Text(", ".join(lost[:ALL_ALONE]), "red")))
    rows.append(("results", Text(_near(output_dir))))
    if summary.mlflow_run_id is not None:
        rows.append(("look", Text("make ui, or: python -m rayfed ui")))
    return rows


def node_name(node: NodeSummary) -> str:
    """Return what people call a node: its slot, or its address if it joined by itself."""
    return f"node {node.slot}" if node.slot >= 0 else short(node.address)


def _bar(value: float, style: str) -> Text:
    full = round(BAR * max(0.0, min(1.0, value)))
    return Text.assemble(f"{percent(value):>7}  ", ("█" * full, style), ("░" * (BAR - full), "dim"))


def _near(path: Path) -> str:
    """Return a path the shorter way: from here, or from the root."""
    relative = os.path.relpath(path)
    return min(relative, str(path), key=len)

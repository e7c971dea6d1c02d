"""What a user sees while a federation runs, and at its end.

In a terminal: a table that is drawn anew a few times a second, one row a node. Where the output goes elsewhere (a
file, a pipe): one plain line for each thing that happened, and nothing in between. Both fit 80 columns. The log has the
plain lines either way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
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
from rayfed.protocol.messages import NodeStatus, View
from rayfed.protocol.metric import ACCURACY, Metric
from rayfed.reporting.closing_panel import BAR, facts, scores, took, ways_on
from rayfed.reporting.node_table import node_table
from rayfed.reporting.plain_lines import PlainLines
from rayfed.reporting.told import told
from rayfed.reporting.words import awaited_names, duration, node_name, short, standing

if TYPE_CHECKING:
    from rayfed.reporting.summary import Summary

REFRESH = 4.0
"""Times a second that the table is drawn; one drawing costs some milliseconds of a core."""
OTHER_LINES = 10
"""Lines of the display besides one a node."""
SHORTEST_BAR = 8
"""Characters below which a bar is left out."""
HEADER = 38
"""Columns of the words before the bar, so that it stays where it is."""


class LiveDisplay:
    """Shows one federation; a context manager. Not safe to use from several threads."""

    def __init__(self, rounds: int, output_dir: Path, *, name: str = "", console: Console | None = None) -> None:
        """Prepare; nothing is shown before the context is entered.

        Args:
            rounds: how many final ones there will be.
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
        self._tracking: str | None = None
        self._view: View | None = None
        self._statuses: tuple[NodeStatus, ...] = ()
        self._saying = ""
        self._began = time.monotonic()
        self._live: Live | None = None
        self._plain = PlainLines(rounds, self._happened)
        self._noticed = 0

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
        self._happened(line)

    def found(self, federation: Address, metric: Metric = ACCURACY, tracking: str | None = None) -> None:
        """Tell the federation's address, for the header, and by what its model is measured.

        Args:
            tracking: where MLflow's runs are, if that is not the default.
        """
        self._federation = federation
        self._plain.metric = metric
        self._tracking = tracking

    def tell(self, lines: Sequence[str]) -> None:
        """Print lines that stay, above the table where there is one."""
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)

    def update(self, view: View | None, statuses: Sequence[NodeStatus]) -> None:
        """Show how things are now. A view of None (the ledger did not answer) leaves the last one standing."""
        if self._live is not None and self._saying and view is not None:
            self._live.console.print(Text.assemble(("✓ ", "green"), self._saying))
            self._saying = ""
        self._view = view or self._view
        self._statuses = tuple(statuses)
        self._plain.update(view, self._statuses)

    def notices(self, lines: Sequence[str]) -> None:
        """Tell what people should know, each line once: above the table it stays when the table is drawn anew.

        Args:
            lines: all notices so far, the oldest first.
        """
        for line in lines[self._noticed :]:
            told.info(line)
            self._console.print(Text(line, "yellow"), soft_wrap=True)
        self._noticed = len(lines)

    def final(self, summary: Summary) -> None:
        """End the display and print what came of the run."""
        self._stop()
        parts = scores(summary), facts(summary), ways_on(summary, self._output_dir, self._tracking)
        rows = [row for part in parts for row in part]
        width = max(len(label) for label, _ in rows)
        for label, value in rows:
            self._happened(f"{label:<{width}}  {value.plain.rstrip('█░ ')}")
        if not self._interactive:
            return
        grids: list[RenderableType] = []
        for part in parts:
            grid = Table.grid(padding=(0, 1))
            grid.add_column(style="dim", no_wrap=True)
            grid.add_column(overflow="fold")
            for label, value in part:
                grid.add_row(label, value)
            grids += [Text(""), grid] if grids else [grid]
        title = f"{self._name or summary.settings.get('name') or 'rayfed'}: {took(summary)}"
        color = "green" if summary.final_root else "yellow"
        self._console.print(Panel(Group(*grids), title=title, title_align="left", border_style=color, expand=False))

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _happened(self, line: str) -> None:
        """Write a line into the log, and where there is no table to show it, on the console too."""
        told.info(line)
        if not self._interactive:
            self._console.print(Text(line), soft_wrap=True)

    def _draw(self) -> RenderableType:
        if self._view is None and not any(status.address for status in self._statuses):
            return Spinner("dots", Text(self._saying or "starting"), style="cyan")
        room = max(3, self._console.size.height - OTHER_LINES)
        parts = [self._header(), node_table(self._statuses, self._plain.metric, self._console.width, room)]
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
        view, wide = self._view, self._console.width
        words = Text("forming") if view is None else Text(standing(view, self._rounds))
        ago, left = time.monotonic() - self._began, self._plain.pace.left(time.monotonic())
        clock = Text(duration(int(ago)), "dim")
        if left is not None and view is not None and view.finals < self._rounds:
            clock.append(f", about {duration(round(left))} left")
        room = min(BAR, wide - max(HEADER, len(words.plain)) - len(clock.plain) - 2 * 2)
        if room >= SHORTEST_BAR:
            second.add_column(min_width=HEADER, no_wrap=True)
            done = 0 if view is None else view.finals
            second.add_row(words, ProgressBar(total=max(1, self._rounds), completed=done, width=room), clock)
        else:
            second.add_row(words, clock)
        return Group(first, second, *self._waits())

    def _waits(self) -> list[RenderableType]:
        """Return for whom the open phase waits, in a line, once it does not wait for all."""
        view = self._view
        if view is None or not view.spoken:
            return []
        names = awaited_names(view, {status.address: node_name(status) for status in self._statuses})
        return [Text(f"waiting for {names}", "dim", overflow="ellipsis")] if names else []

"""Do parties that share nothing but a chain get through? ``python -m benchmarks parties``, as root, a quarter of an
hour a store.

Four parties in four network namespaces, each with a Ray cluster, a home and images of its own, and a geth over lines on
which every packet takes 80 ms and one in a hundred is lost. One founds and invites; two join by its file; a third one
joins late; one is killed with all its processes for a minute and started again by the same command; one has no store
for a minute; the founder is killed for good. A fifth, who has no seat, audits by chain and stores. Once by peers and
IPFS in order, once by each alone. Written to benchmarks/results/parties.json as they are done; what is there is not
run again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.apart.story import STORES, Plan, Story
from benchmarks.cells import resume
from benchmarks.federated import ROOT
from benchmarks.machine import RESULTS, Unavailable, describe
from benchmarks.robustness_page import placed

PATH = RESULTS / "parties.json"
PAGE = ROOT / "docs" / "how-to" / "parties.md"
NEEDED = ("ip", "iptables")

PAIRS = (
    ("d runs join", "the late one has been merged"),
    ("b runs join", "b is merged again"),
    ("the store of c is back", "c is merged again"),
)
"""Events between which time is told."""

Cell = tuple[str]
"""The store."""


def measure(cell: Cell) -> dict[str, Any]:
    """Play it with one store.

    Raises:
        AssertionError: something did not happen; what was written down is kept, and where is printed.
    """
    folder = Path(tempfile.mkdtemp(prefix="apart", dir="/tmp"))
    try:
        with Story(Plan(cell[0]), folder, print) as story:
            told = story.play()
    except BaseException:
        print(f"kept for a look: {folder}", flush=True)
        raise
    shutil.rmtree(folder)
    return told


def table(content: Mapping[str, Any]) -> str:
    """Return a row a store that has been tried."""
    head = ("store", "rounds final", "void", "late: join to merged", "killed: back to merged", "store: back to merged")
    head += ("judged right as it went", "verified by the audit", "whole run")
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for store, cell in content["cells"].items():
        stands = sum(status in ("final", "settled") for status in cell["status"])
        verified = cell["audit"]["merges"].get("verified", 0)
        row = [store, str(stands), str(len(cell["status"]) - stands)]
        row += [f"{_between(cell['events'], *pair)} s" for pair in PAIRS]
        row += [str(cell["watched"]), str(verified), f"{cell['seconds']} s"]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def _between(events: Sequence[tuple[int, str]], first: str, last: str) -> int:
    """Return the seconds between the last event of a name and that of another."""
    return max(at for at, what in events if what == last) - max(at for at, what in events if what == first)


def main() -> None:
    """Play it with each store that has not been tried; or say why not."""
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        raise Unavailable(f"no {' and no '.join(missing)}")
    machine = describe(("ray", "torch", "iroh"))
    head = {"question": __doc__, "command": "python -m benchmarks parties", "machine": machine}
    show(resume(PATH, head, [(store,) for store in STORES], measure))


def show(content: Mapping[str, Any]) -> None:
    """Print the table, and put it into the document."""
    print(table(content))
    PAGE.write_text(placed(PAGE.read_text(), "apart", table(content)))


if __name__ == "__main__":
    main()

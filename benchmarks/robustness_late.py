"""What can attacks do that wait until all have converged, or that try to have an honest member left out?

Sixty rounds; late attacks are honest until round 30. The default beside the one it replaced, and the plain mean;
resumable as ``fairness`` is, and on the same seeds. Points lost are to the plain mean's run without an attack.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.cells import resume
from benchmarks.fairness import SEEDS, defences, member, world
from benchmarks.machine import RESULTS, describe
from benchmarks.robustness_page import PAGE, placed
from benchmarks.simulation import Threat, run

ROUNDS, LAST, LATE = 60, 10, 31
PATH = RESULTS / "robustness_late.json"

THREATS = {
    threat.name: threat
    for threat in (
        Threat("none"),
        Threat("late sign flip", "sign_flip", since=LATE),
        Threat("late sign flip x 30", "sign_flip", {"scale": 30}, LATE),
        Threat("late sign flip, hidden", "sign_flip", {"along": 0.1, "since": LATE}),
        Threat("late label flip", "label_flip", since=LATE),
        Threat("late IPM", "ipm", since=LATE),
        Threat("late IPM, optimised", "ipm", {"optimised": True}, LATE),
        Threat("late ALIE, optimised", "alie", {"optimised": True}, LATE),
        Threat("late overflow", "overflow", since=LATE),
        Threat("late backdoor x 5", "backdoor", {"boost": 5}, LATE),
        Threat("away until round 30", "silent", until=LATE - 1),
        Threat("shunned by votes", "shun", {"against": 0.0}),
        Threat("shunned", "shun"),
        Threat("shunned, others still", "shun", {"still": 10.0}),
        Threat("shunned, late", "shun", {"against": 3.0}, LATE),
    )
}

GROUPS = (("iid", 10, 3), ("Dirichlet 0.3", 10, 2), ("iid", 4, 1), ("Dirichlet 0.3", 7, 2))
"""Split, nodes, liars."""

DEFENCES = ("default", "former default", "mean")

Cell = tuple[str, int, int, int, str, str]
"""Split, nodes, liars, seed, defence, attack."""


def cells() -> Iterable[Cell]:
    """Yield every cell, in the order in which they are run."""
    for seed in SEEDS:
        for split, nodes, f in GROUPS:
            for threat in THREATS:
                for name in DEFENCES:
                    yield split, nodes, f, seed, name, threat.replace(", ", " - ")


def measure(cell: Cell) -> dict[str, Any]:
    """Run one cell."""
    split, nodes, f, seed, name, threat = cell
    chosen = THREATS[threat.replace(" - ", ", ")]
    liars = f if chosen.kind else 0
    trace = run(world(split, nodes, seed), defences(nodes)[name], chosen, liars, ROUNDS)
    return {
        "accuracy": round(statistics.mean(trace.accuracy[-LAST:]), 5),
        "success": round(trace.success[-1], 4),
        "members": [member(trace.included, index) for index in range(nodes - liars)],
        "ballots_against_honest": trace.against,
    }


def main() -> None:
    """Run what is missing, write it cell by cell, print the table."""
    head = {
        "benchmark": "robustness_late",
        "question": (__doc__ or "").split("\n\n")[0],
        "machine": describe(("numpy", "torch")),
        "rounds": ROUNDS,
        "late": LATE,
        "last": LAST,
    }
    show(resume(PATH, head, cells(), measure))


def show(content: Mapping[str, Any]) -> None:
    """Print the table of what there is, and put it into docs/robustness.md."""
    print(made := table(content))
    PAGE.write_text(placed(PAGE.read_text(), "late", made))


def table(content: Mapping[str, Any]) -> str:
    """Return a row a group and attack: points lost and the honest member most left out, by defence that was run."""
    found: dict[tuple[str, str], dict[str, dict[int, Any]]] = {}
    for key, cell in content["cells"].items():
        split, nodes, f, seed, name, threat = key.split(", ")
        row = found.setdefault((f"{split}, {nodes} nodes, f = {f}", threat.replace(" - ", ", ")), {})
        row.setdefault(name, {})[int(seed)] = cell
    shown = [name for name in DEFENCES if any(name in by for by in found.values())]
    lines = [
        "| | attack | seeds | " + " | ".join(f"{name}: lost | member 0 out | worst out" for name in shown) + " |",
        "| --- | --- |" + " ---: |" * (1 + 3 * len(shown)),
    ]
    for (group, threat), by in found.items():
        clean = found.get((group, "none"), {}).get("mean", {})
        line = [group, threat, str(min(len(runs) for runs in by.values()))]
        for name in shown:
            runs = by.get(name, {})
            lost = [100 * (clean[seed]["accuracy"] - cell["accuracy"]) for seed, cell in runs.items() if seed in clean]
            outs = [100 * one["out"] / content["rounds"] for cell in runs.values() for one in cell["members"]]
            first = [100 * cell["members"][0]["out"] / content["rounds"] for cell in runs.values()]
            line += [f"{statistics.mean(lost):+.1f}", f"{max(first):.0f} %", f"{max(outs):.0f} %"] if lost else [""] * 3
        lines.append("| " + " | ".join(line) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

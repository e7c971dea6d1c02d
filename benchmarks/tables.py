"""The results as one page: ``python -m benchmarks tables`` writes ``results/README.md`` from the JSON files."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.machine import RESULTS

PAGE = RESULTS / "README.md"

INTRODUCTION = """# What it costs

Written by `python -m benchmarks tables` from the JSON files beside it; `make bench` measures anew. Medians, with the
smallest and the largest of n values; ratios are of the same run. The last column says what bounds a figure.
"""

ORDER = ("round", "before", "train", "peer", "stores", "kernels", "epoch")


def page(results: dict[str, dict[str, Any]]) -> str:
    """Return the page in Markdown; ``results`` is what the JSON files hold, by benchmark."""
    names = sorted(results, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return "\n".join([INTRODUCTION, *(section(results[name]) for name in names)])


def section(result: dict[str, Any]) -> str:
    """Return one benchmark's heading, machine and table."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    size = f"{machine['cores']} cores, {machine['memory_gib']} GiB"
    lines = [
        f"## {result['benchmark']}",
        "",
        result["question"][0].upper() + result["question"][1:] + ".",
        "",
        f"{machine['cpu']}, {size}, Python {machine['python']}, {versions}",
        "",
        "| what | median | min - max | n | unit | target | bounded by, or beside what |",
        "| --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for one in result["figures"]:
        name = "&nbsp;&nbsp;" * (len(one["name"]) - len(one["name"].lstrip())) + one["name"].strip()
        target = f"{one['target']:g}" if "target" in one else ""
        spread = f"{one['min']:.3g} - {one['max']:.3g}" if one["n"] > 1 else ""
        words = (name, f"{one['median']:.3g}", spread, str(one["n"]), one["unit"], target, one.get("note", ""))
        lines.append("| " + " | ".join(words) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Write the page."""
    results = {file.stem: json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))}
    tables = {name: result for name, result in results.items() if "figures" in result}
    PAGE.write_text(page(tables))
    print(f"\nwritten: benchmarks/results/{PAGE.name}")

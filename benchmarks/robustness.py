"""How much accuracy do dishonest nodes cost, by attack, defence, number of liars and skew of the data?

Ten nodes learn the handwritten digits, in ``simulation``'s plain loop with rayfed's own rules, screens and attacks.
Writes benchmarks/results/robustness.json and the tables of docs/robustness.md. Where byzfl is installed, its
aggregators get the same updates as ours.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from benchmarks.machine import RESULTS, describe, pool
from benchmarks.robustness_page import COMPARED, PAGE, fill
from benchmarks.simulation import Defence, Threat, Trace, run
from benchmarks.worlds import World
from rayfed.aggregation import rules

NODES, ROUNDS = 10, 10
SEEDS = {"default": 16}
"""By defence; COMPARED for all others. The screens' settings were chosen on other seeds (docs/robustness.md)."""

SPLITS: dict[str, float | None] = {"iid": None, "Dirichlet 0.3": 0.3}

THREATS = {
    threat.name: threat
    for threat in (
        Threat("none"),
        Threat("absent", "silent"),
        Threat("sign flip", "sign_flip"),
        Threat("sign flip x 3", "sign_flip", {"scale": 3}),
        Threat("sign flip, hidden", "sign_flip", {"along": 0.1}),
        Threat("sign flip, hidden since 3", "sign_flip", {"along": 0.1, "since": 3}),
        Threat("sign flip, late", "sign_flip", {"since": 6}),
        Threat("label flip", "label_flip"),
        Threat("Gaussian", "gaussian"),
        Threat("IPM", "ipm"),
        Threat("IPM, optimised", "ipm", {"optimised": True}),
        Threat("ALIE", "alie"),
        Threat("ALIE, optimised", "alie", {"optimised": True}),
        Threat("min-max", "min_max"),
        Threat("mimic", "mimic"),
        Threat("backdoor", "backdoor"),
        Threat("backdoor x 5", "backdoor", {"boost": 5}),
        Threat("overflow", "overflow"),
        Threat("free-rider", "free_rider"),
        Threat("free-rider, noise", "free_rider", {"noise": 1}),
        Threat("copycat", "copycat"),
        Threat("stale replay", "stale"),
        Threat("Sybils", "sybils"),
        Threat("a million examples", "heavy"),
        Threat("five times the examples", "heavy", {"examples": 700}),
        Threat("colluding voters", "voters"),
        Threat("wrong attestation", "wrong_attestation"),
        Threat("withheld blob", "withheld"),
        Threat("garbage blob", "garbage"),
        Threat("silent in vote", "silent", {"phase": "vote"}),
        Threat("silent in attest", "silent", {"phase": "attest"}),
    )
}


@cache
def defences(f: int) -> dict[str, Defence]:
    """Return what is compared, set to bear f liars (at least one) where it must be told."""
    from rayfed.config import load

    f = max(1, f)
    default = load().screens
    rule = lambda name, **more: {"name": name, **more}  # noqa: E731
    made = (
        Defence("mean"),
        Defence("default", default),
        Defence("trimmed mean", merge=rule("trimmed_mean", trim=10_000 * f // NODES)),
        Defence("median", merge=rule("median")),
        Defence("Krum", {"krum": {"f": f}}),
        Defence("Multi-Krum", {"multi_krum": {"f": f}}),
        Defence("geometric median", merge=rule("geometric_median")),
        Defence("centred clipping", merge=rule("centred_clipping")),
        Defence("NNM + trimmed mean", merge=rule("trimmed_mean", trim=10_000 * f // NODES, mixing="nnm", f=f)),
    )
    return {one.name: one for one in made}


Cell = tuple[str, str, int, str]
"""Defence, threat, f, split."""


def cells() -> Iterable[Cell]:
    """Yield what is measured: the default against everything, the others against what concerns a merge."""
    attacks = list(THREATS)[1:]
    for split in SPLITS:
        for defence in defences(1):
            yield defence, "none", 0, split
        for f, threat in itertools.product((1, 2, 3), attacks):
            yield "default", threat, f, split
    for split, defence in itertools.product(SPLITS, defences(1)):
        if defence != "default":
            for f, threat in itertools.product((1, 2), KEY):
                if f == 2 or threat in WITH_ONE:
                    yield defence, threat, f, split


KEY = (
    *(
        "absent",
        "sign flip",
        "sign flip, hidden",
        "sign flip, late",
        "label flip",
        "Gaussian",
        "IPM",
        "IPM, optimised",
        "ALIE",
        "ALIE, optimised",
    ),
    *("min-max", "mimic", "backdoor", "backdoor x 5", "overflow", "Sybils", "a million examples"),
)
"""What all defences are measured against, with two liars."""

WITH_ONE = ("sign flip", "label flip", "IPM, optimised", "ALIE, optimised", "backdoor")
"""Those of them that are measured with one liar too."""


@cache
def world(split: str, seed: int, nodes: int = NODES) -> World:
    """Return a world; the same one for all cells of a process."""
    import torch

    from rayfed.learning import data

    torch.set_num_threads(1)
    return World(data.load("digits"), nodes, SPLITS[split], seed)


def measure(cell: Cell) -> dict[str, Any]:
    """Run one cell with every seed."""
    defence, threat, f, split = cell
    seeds = range(SEEDS.get(defence, COMPARED))
    traces = [run(world(split, seed), defences(f)[defence], THREATS[threat], f, ROUNDS) for seed in seeds]
    return {"defence": defence, "attack": threat, "f": f, "split": split, **summed(traces)}


def summed(traces: Sequence[Trace]) -> dict[str, Any]:
    """Return what came of a cell's runs, one a seed."""
    final, best = [t.accuracy[-1] for t in traces], [max(t.accuracy) for t in traces]
    success = [t.success[-1] for t in traces]
    against: dict[str, int] = {}
    for trace in traces:
        for screen, count in trace.against.items():
            against[screen] = against.get(screen, 0) + count
    return {
        "by_seed": [round(value, 4) for value in final],
        "final": _spread(final),
        "best": _spread(best),
        "success": _spread(success),
        "honest_refused": sum(t.refused for t in traces) / sum(t.honest for t in traces),
        "bad_included": sum(t.passed for t in traces) / max(1, sum(t.bad for t in traces)),
        "void_rounds": sum(t.void for t in traces),
        "ballots_against_honest": against,
        "seconds_a_round": statistics.median(s for t in traces for s in t.seconds),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": round(statistics.mean(values), 4), "sd": round(statistics.stdev(values), 4) if values[1:] else 0.0}


def beside_byzfl() -> list[dict[str, Any]]:
    """Feed one round's updates, two of them forged, to byzfl's aggregators and to ours; empty without byzfl.

    Returns:
        by rule the largest difference of any weight, and the largest weight.
    """
    try:
        import byzfl as theirs  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return []
    import torch

    place = world("Dirichlet 0.3", 0)
    shares = [
        (place.pixels(place.data.train_x[part]), torch.from_numpy(place.data.train_y[part])) for part in place.parts
    ]
    base = place.genesis
    updates = place.train(base, shares, 1)
    for liar in (8, 9):
        updates[liar] = np.rint(3.0 * base - 2.0 * updates[liar]).astype(np.int32)
    unit = float(1 << 24)
    floats = np.array(updates, np.float64) / unit
    start = base / unit
    norms = np.sort(np.linalg.norm(floats - start, axis=1))
    radius = float(norms[(NODES - 1) // 2])
    pairs: dict[str, tuple[Any, rules.Rule, Callable[[], Any]]] = {
        "mean": (None, rules.make("mean"), lambda: theirs.Average()(floats)),
        "trimmed mean": (None, rules.make("trimmed_mean", trim=2000), lambda: theirs.TrMean(f=2)(floats)),
        "median": (None, rules.make("median"), lambda: theirs.Median()(floats)),
        "geometric median": (
            None,
            rules.make("geometric_median", iterations=60),
            lambda: theirs.GeometricMedian(nu=1e-9, T=200)(floats),
        ),
        "centred clipping": (
            None,
            rules.make("centred_clipping", iterations=5),
            lambda: start + theirs.CenteredClipping(L=5, tau=radius)(floats - start),
        ),
    }
    found = []
    for name, (_, rule, other) in pairs.items():
        out = np.empty(place.size, np.int32)
        rule.merge(updates, [1] * NODES, out, base=base)
        found.append(_compared(name, out / unit, other()))
    out = np.empty(place.size, np.int32)
    rules.make("trimmed_mean", trim=2000, mixing="nnm", f=2).merge(updates, [1] * NODES, out)
    found.append(_compared("NNM + trimmed mean", out / unit, theirs.TrMean(f=2)(theirs.NNM(f=2)(floats))))
    from rayfed.aggregation.gram import gram
    from rayfed.aggregation.screens.krum import scores

    found_scores = scores(gram(updates), 2)
    best = sorted(range(NODES), key=lambda i: found_scores[i])
    found.append(_compared("Krum", floats[best[0]], theirs.Krum(f=2)(floats)))
    found.append(_compared("Multi-Krum", floats[best[:8]].mean(axis=0), theirs.MultiKrum(f=2)(floats)))
    return found


def _compared(name: str, ours: Any, other: Any) -> dict[str, Any]:
    other = np.asarray(other)
    return {
        "rule": name,
        "largest_difference": float(np.abs(ours - other).max()),
        "largest_weight": float(np.abs(other).max()),
    }


def main() -> None:
    """Measure all, write the file, fill the page's tables."""
    every = list(cells())
    found: list[dict[str, Any]] = []
    with pool() as processes:
        for number, one in enumerate(processes.map(measure, every), 1):
            found.append(one)
            print(
                f"{number}/{len(every)} {one['defence']}, {one['attack']}, f={one['f']}, {one['split']}: "
                f"{one['final']['mean']:.3f}",
                flush=True,
            )
    path = RESULTS / "robustness.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    content = {
        "benchmark": "robustness",
        "question": " ".join((__doc__ or "").split("\n\n")[0].split()),
        "machine": describe(("numpy", "torch")),
        "nodes": NODES,
        "rounds": ROUNDS,
        "seeds": {"others": COMPARED, **SEEDS},
        "cells": found,
        "byzfl": beside_byzfl() or kept.get("byzfl", []),
        "images": kept.get("images", {}),
    }
    write(content)


def write(content: dict[str, Any]) -> None:
    """Write the file, and fill the page's tables."""
    path = RESULTS / "robustness.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"written: benchmarks/results/{path.name}")
    if PAGE.exists():
        PAGE.write_text(fill(PAGE.read_text(), content))
        print(f"written: docs/{PAGE.name}")


if __name__ == "__main__":
    main()

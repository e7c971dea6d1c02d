"""``python -m benchmarks [NAME ...]``: run all benchmarks, or these. On a machine that does nothing else."""

from __future__ import annotations

import argparse
from importlib import import_module

from benchmarks.machine import Unavailable

NAMES = (
    "kernels",
    "epoch",
    "round",
    "train",
    "peer",
    "stores",
    "robustness",
    "robustness_defaults",
    "robustness_images",
    "fairness",
    "honest",
    "parties",
    "robustness_late",
    "results",
    "judging",
    "judged_rounds",
    "before",
    "startup",
    "scale",
    "optimizers",
    "widths",
    "privacy",
    "gpu",
    "gpu_paper",
    "tables",
)


def main() -> None:
    """Run them one after the other; what one measured, ``peer`` compares with."""
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all by default")
    chosen = parser.parse_args().names or NAMES
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(NAMES)}")
    for name in chosen:
        try:
            import_module(f"benchmarks.{name}").main()
        except Unavailable as reason:
            print(f"\n{name}: skipped: {reason}")


if __name__ == "__main__":
    main()

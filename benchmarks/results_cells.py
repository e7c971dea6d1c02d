"""One cell of ``benchmarks.results``: nodes that learn together, each alone, or one that has all images.

The nodes are rayfed's own (``TorchLearner``, of a charter that was drafted as for a run), and so are blobs, fixed point
and rule: what they merge has the bits that a federation's model has. Chain, store and screens are left out: nobody is
dishonest here, and what screens do to honest members is measured by ``fairness`` and ``honest``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from benchmarks import cifar
from rayfed.aggregation import rules
from rayfed.config import Settings, load
from rayfed.encoding import codec
from rayfed.errors import ConfigError
from rayfed.learning.learner import TorchLearner, Workshop
from rayfed.protocol.charter import Charter
from rayfed.runtime import drafting

NODES = 8
SPLITS = ("iid", "1", "0.5", "0.3", "0.1")
"""How images are dealt: alike, or by Dirichlet's alpha (Hsu et al. 2019)."""

WAYS = ("central", "merged", "alone")


@dataclass(frozen=True)
class Size:
    """How much is learned from.

    Attributes:
        a_node: training images a node.
        test: images to test on.
        rounds: of one epoch.
    """

    a_node: int
    test: int
    rounds: int

    @property
    def seen(self) -> int:
        """Images that a model of all nodes, or the central one, has seen in the end."""
        return NODES * self.a_node * self.rounds


SIZES = {"small": Size(1000, 2000, 20), "full": Size(6250, 10_000, 40)}

Cell = tuple[str, str, int, str]
"""Size, split, seed, way."""


def settings_of(size: Size, split: str, seed: int, nodes: int) -> Settings:
    """Return the settings of a run: the experiment ``cifar10``, with its small network in bf16."""
    place = cifar.folder(NODES, size.a_node, size.test)
    words = ["+experiment=cifar10", "data=image_folder", f"data.root={place}", f"data.cache_dir={place / 'cache'}"]
    words += [f"federation.nodes={nodes}", f"federation.rounds={size.rounds}", f"seed={seed}", "train.threads=1"]
    dealt = "partition=iid" if split == "iid" else "partition=dirichlet"
    alpha = [] if split == "iid" else [f"partition.alpha={split}"]
    return load([*words, dealt, *alpha, "partition.min_examples=20"])


@cache
def world(size: str, split: str, seed: int, nodes: int) -> tuple[Charter, Workshop]:
    """Return the charter and what its nodes train with. Where a seed leaves a node with too few images, that seed plus
    thousands is dealt."""
    reason: ConfigError | None = None
    for tried in range(seed, seed + 20_000, 1000):
        settings = settings_of(SIZES[size], split, tried, nodes)
        try:
            charter = drafting.draft(settings, here=True)
        except ConfigError as error:
            reason = error
            continue
        return charter, Workshop(settings, charter)
    assert reason is not None
    raise reason


def measure(cell: Cell) -> dict[str, Any]:
    """Run one cell; return by round the accuracy on all test images, the last one as ``accuracy``."""
    size, split, seed, way = cell
    start = time.perf_counter()
    if way == "merged":
        found: dict[str, Any] = {"by_round": _merged(*world(size, split, seed, NODES))}
    elif way == "alone":
        curves = _alone(*world(size, split, seed, NODES))
        found = {"by_round": [round(float(np.mean(one)), 4) for one in zip(*curves, strict=True)]}
        found["nodes"] = [curve[-1] for curve in curves]
    else:
        found = {"by_round": _alone(*world(size, "iid", seed, 1))[0]}
    return {"accuracy": found["by_round"][-1], **found, "seconds": round(time.perf_counter() - start)}


def _merged(charter: Charter, workshop: Workshop) -> list[float]:
    nodes = [TorchLearner(workshop, charter, slot) for slot in range(NODES)]
    everybody = TorchLearner(workshop, charter, -1)  # has all test images
    layout, terms = charter.layout, charter.merge
    rule = rules.make(terms.rule, terms.trim, terms.max_weight)
    state: Any = nodes[0].genesis()
    curve = []
    for number in range(1, charter.rounds + 1):
        updates = [node.train(state, number) for node in nodes]
        blobs = [codec.encode(layout, one.state, codec.Header.merged(number)).blob for one in updates]
        merged = codec.blank(layout, codec.Header.merged(number))
        values = [codec.values(blob) for blob in blobs]
        rule.merge(values, [one.examples for one in updates], codec.values(merged))
        state = codec.decode(layout, merged)
        curve.append(round(everybody.evaluate(state)[0], 4))
    return curve


def _alone(charter: Charter, workshop: Workshop) -> Sequence[list[float]]:
    slots = range(workshop.settings.federation.nodes)
    return [[round(value, 4) for value in TorchLearner(workshop, charter, slot).alone()] for slot in slots]

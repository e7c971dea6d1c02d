"""What does it cost a member that there are many? ``python -m benchmarks scale``

A member's processor seconds and bytes a round, and its gas, in federations of 8 to 256, and the exponents by which they
grow. Two members are on their own, as a party apart is: what they compute and fetch they share with nobody. All others
share a memo and judge nothing, so that one machine is enough. Only Ray and the chain are left out: the nodes are as
``Assembly`` builds them, on the ledger in memory; updates are made up, a common way and one's own.

Sizes that are done are kept in benchmarks/results/scale.json and not run again; fills the table of docs/scale.md.
``RAYFED_NODES=8,16`` chooses sizes.

Gas is what the contracts' own tests have written down (``contracts/snapshots``, docs/gas.md).
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.cells import resume
from benchmarks.machine import RESULTS, Figure, describe, report
from benchmarks.robustness_page import placed
from benchmarks.untrained import Untrained
from rayfed.config import Settings, load
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobMissing
from rayfed.learning import Update
from rayfed.ledger.backend import Locator
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.watchtower import Watchtower
from rayfed.protocol.messages import Phase, Status
from rayfed.runtime import drafting
from rayfed.runtime.assembly import Assembly
from rayfed.runtime.place import Place
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger

NODES, ROUNDS, APART = "8,16,32,64,128,256", 3, 2
CHOICE = "RAYFED_NODES"
PATH = RESULTS / "scale.json"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "scale.md"
FEDERATION = "0x" + "fe" * 20
SNAPSHOTS = Path(__file__).parent.parent / "contracts" / "snapshots"
MEMBERS = (8, 32, 256)
"""Rosters whose gas is written down."""
CLOSINGS = ("advance, commit to vote", "advance, vote to attest", "advance, attest to the next round", "settle")
LATE = 64
"""From how many nodes on growth is looked at by itself."""
STATEMENTS = ("commit", "vote, another ballot", "attest")


class Drifting(Untrained):
    """Moves as training does, a way that all share and some of its own, at no cost to speak of."""

    def _update(self, base: Mapping[str, Any], round: int) -> Update:
        ways = [np.random.default_rng([round, whose]) for whose in (0, self._seed)]

        def moved(value: Any) -> Any:
            made = np.asarray(value)
            if made.dtype.kind != "f":
                return made
            return made + sum(0.01 * way.standard_normal(made.shape, made.dtype) for way in ways)

        state = {name: moved(value) for name, value in base.items()}
        return Update(state, 0.0, len(self._share.train_y))


@dataclass
class Meter:
    """What a member that shares nothing has used, by round.

    Attributes:
        seconds: of the processor.
        fetched: bytes of others' blobs.
    """

    seconds: dict[int, float] = field(default_factory=dict)
    fetched: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Grown:
    """A federation's figures: of each of the members apart, in each round after the first, which loads what is used.

    Attributes:
        seconds: of the processor; ``fetched``: bytes.
        update: bytes of one.
        root: that all members have ended with.
    """

    seconds: tuple[float, ...]
    fetched: tuple[int, ...]
    update: int
    root: str


class Simulation:
    """Nodes of one federation in this process, on the ledger in memory."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._folder = folder
        self._charter = drafting.draft(settings)
        self._clock = ManualClock()
        self.chain = MemoryChain(self._charter.terms(), self._clock)
        self._place = Place(
            FEDERATION, Locator("rpc", 31337, {"rpc_url": "http://none"}), self._charter.canonical_json()
        )
        self.update = self._charter.blob_layout.blob_size
        self.meters = [Meter() for _ in range(APART)]
        self._nodes: list[EdgeNode] = []
        self._towers: list[Watchtower] = []
        for slot, meter in enumerate(self.meters):
            self._towers.append(self._settle(settings, f"apart-{slot}", [slot], meter))
        together = range(APART, settings.federation.nodes)
        self._towers.append(self._settle(replace(settings, screens={}), "together", together, Meter()))

    def _settle(self, settings: Settings, name: str, slots: Sequence[int], meter: Meter) -> Watchtower:
        """Build a process's nodes; return the watchtower of the first of them."""
        assembly = Assembly(settings, self._place, self._folder / name, self._fetch(meter))
        made = [assembly.node(slot, self._ledger(assembly, slot), lambda record: None) for slot in slots]
        self._nodes += made
        return assembly.watchtower(made[0], made[0].ledger.handle())

    def _ledger(self, assembly: Assembly, slot: int) -> MemoryLedger:
        return MemoryLedger(self.chain, assembly.key(slot).address)

    def _fetch(self, meter: Meter) -> Callable[[Root, int, Sequence[Address]], memoryview]:
        """Return what fetches a blob from any node's disk, hashed and compared as what comes from a peer is."""

        def fetch(root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
            for node in self._nodes:
                disk = node.kit.resources.disk
                if disk.has(root):
                    blob = disk.get(root, size)
                    number = self.chain.view().round
                    meter.fetched[number] = meter.fetched.get(number, 0) + len(blob)
                    return blob
            raise BlobMissing(f"no node has {root.hex()}")

        return fetch

    def run(self) -> None:
        """Let all nodes go on until nobody has anything to do."""
        while True:
            progress = set()
            for place, node in enumerate(self._nodes):
                began, number = time.process_time(), self.chain.view().round
                node.serve(self.chain.view())
                progress.add(node.step(self.chain.view()))
                if place < APART:
                    acted = self._towers[place].step(self.chain.view())
                    progress |= {Progress.ACTED} if acted else set()
                    used = self.meters[place].seconds
                    used[number] = used.get(number, 0.0) + time.process_time() - began
            if self.chain.view().phase is Phase.DONE and progress == {Progress.FINISHED}:
                return
            if Progress.ACTED not in progress:
                self._clock.advance(5)

    def check(self) -> None:
        """Raise ``RuntimeError`` unless all members merged all updates of all rounds into one root."""
        for number in range(1, self._charter.rounds + 1):
            outcome = self.chain.outcome(number)
            whole = (1 << len(self._nodes)) - 1
            if outcome is None or outcome.status is not Status.FINAL or outcome.included != whole:
                raise RuntimeError(f"{len(self._nodes)} nodes: round {number} did not merge all: {outcome}")
        for node in self._nodes:
            if not node.kit.resources.disk.has(self.chain.view().base):
                raise RuntimeError(f"node {node.slot} of {len(self._nodes)} has another final root")


def measured(nodes: int) -> Grown:
    """Run a federation of so many; its correctness is checked."""
    with tempfile.TemporaryDirectory(prefix="rayfed-scale-") as name:
        words = ["data=digits", "partition=iid", "partition.min_examples=1", "train.threads=1", "store.keep_rounds=1"]
        words += ["learner._target_=benchmarks.scale.Drifting", f"+learner.stamps={name}", "federation.alone=false"]
        words += [f"federation.nodes={nodes}", f"federation.rounds={ROUNDS}", "model.width=4", "model.hidden=16"]
        simulation = Simulation(load(words), Path(name))
        simulation.run()
        simulation.check()
        later = range(2, ROUNDS + 1)
        return Grown(
            tuple(meter.seconds[number] for meter in simulation.meters for number in later),
            tuple(meter.fetched[number] for meter in simulation.meters for number in later),
            simulation.update,
            "0x" + simulation.chain.view().base.hex(),
        )


def gas(members: int) -> float:
    """Return a member's gas a round by the contracts' snapshots: relayed statements, and its part of the closings."""
    relayed = json.loads((SNAPSHOTS / "relay of 32.json").read_text())
    closing = json.loads((SNAPSHOTS / f"{members} members.json").read_text())
    return sum(int(relayed[name]) for name in STATEMENTS) / 32 + sum(int(closing[name]) for name in CLOSINGS) / members


def exponent(values: Mapping[int, float]) -> float:
    """Return k of the power law c n^k that fits best: the slope of a straight line through the logarithms."""
    sizes = [math.log(nodes) for nodes in values]
    return float(np.polyfit(sizes, [math.log(value) for value in values.values()], 1)[0])


def cell(size: tuple[int]) -> dict[str, Any]:
    """Measure a federation of this size, for the file."""
    return asdict(measured(size[0]))


def exponents(runs: Mapping[int, Mapping[str, Any]]) -> dict[str, float]:
    """Return by name with which power of the members each grows."""
    spent = {nodes: median(run["seconds"]) for nodes, run in runs.items()}
    late = {nodes: seconds for nodes, seconds in spent.items() if nodes >= LATE}
    found = {"processor": exponent(spent)} | ({f"processor, from {LATE} on": exponent(late)} if len(late) > 1 else {})
    found["fetched"] = exponent({nodes: median(run["fetched"]) for nodes, run in runs.items()})
    return found | {"gas": exponent({nodes: gas(nodes) for nodes in MEMBERS})}


def table(runs: Mapping[int, Mapping[str, Any]]) -> str:
    """Return the page's table: a row a size."""
    lines = ["| members | processor | fetched | gas, relayed |", "| ---: | ---: | ---: | ---: |"]
    for nodes in sorted({*runs, *MEMBERS}):
        run, paid = runs.get(nodes), f"{gas(nodes):,.0f}" if nodes in MEMBERS else ""
        used = (
            ("", "") if run is None else (f"{median(run['seconds']):.2g} s", f"{median(run['fetched']) / 1e6:.2g} MB")
        )
        lines.append(f"| {nodes} | {used[0]} | {used[1]} | {paid} |")
    grows = exponents(runs)
    return "\n".join([*lines, f"| exponent | {grows['processor']:.2g} | {grows['fetched']:.2g} | {grows['gas']:.2g} |"])


def main() -> None:
    """Run what is missing, write it size by size, fill the page's table."""
    wanted = [(int(nodes),) for nodes in os.environ.get(CHOICE, NODES).split(",")]
    content = resume(PATH, {"benchmark": "scale", "machine": describe(("torch", "numpy"))}, wanted, cell)
    runs = {int(nodes): content["cells"][nodes] for nodes in sorted(content["cells"], key=int)}
    figures = []
    for nodes, run in runs.items():
        figures.append(Figure(f"{nodes} nodes: processor", "s", run["seconds"], "a member and round"))
        figures.append(Figure("  fetched", "kB", [fetched / 1000 for fetched in run["fetched"]]))
        if nodes in MEMBERS:
            figures.append(Figure("  gas", "", [gas(nodes)], "relayed by 32, closings and settling shared"))
    if len(runs) > 1:
        grows = exponents(runs)
        figures += [Figure(f"exponent: {name}", "", [value], "a member and round") for name, value in grows.items()]
        PAGE.write_text(placed(PAGE.read_text(), "members", table(runs)))
    report(
        "scale",
        "what a member spends a round, by the number of members",
        figures,
        packages=("torch", "numpy"),
        details={"rounds": ROUNDS, "cells": content["cells"]},
    )


if __name__ == "__main__":
    main()

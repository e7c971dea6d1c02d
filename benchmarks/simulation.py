"""A federation's learning without its protocol: the nodes of a ``World``, judged and merged round by round.

Everything that decides about robustness is the real thing: rules, screens, attacks, the fixed point. What is left out
is what carries it: chain, store, hashes. A round of ten nodes takes some hundredths of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import former
from benchmarks.worlds import Values, World
from rayfed import attacks
from rayfed.aggregation import rules, screens
from rayfed.aggregation.gram import gram
from rayfed.aggregation.screens import Evidence, Screen
from rayfed.aggregation.screens.norm import distance
from rayfed.aggregation.screens.progress import alignment
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.attacks import Crew
from rayfed.attacks.behaviour import Behaviour
from rayfed.encoding.primitives import Address, Root, bitmap
from rayfed.protocol.messages import Verb


@dataclass(frozen=True)
class Defence:
    """Screens by name, and the merge's settings as ``rules.make`` takes them."""

    name: str
    screens: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    merge: Mapping[str, Any] = field(default_factory=lambda: {"name": "mean"})

    def build(self) -> tuple[list[Screen], rules.Rule]:
        """Return the real parts."""
        return [former.make(name, dict(options)) for name, options in self.screens.items()], rules.make(**self.merge)


@dataclass(frozen=True)
class Threat:
    """An attack by name, its settings, and the first and last round in which it shows; else its nodes are honest."""

    name: str
    kind: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    since: int = 1
    until: int = 1 << 30


@dataclass
class Trace:
    """What came of one run: by round the accuracy, the backdoor's success, and who was left out.

    Attributes:
        accuracy: of the merged model on all test images, 0..1.
        success: of stamped test images of other classes, the part that is taken for class 0.
        refused: honest updates that were not included, of ``honest`` in all.
        passed: dishonest updates that were included, of ``bad`` that were committed.
        against: by screen, how many honest nodes' ballots refused an honest update on its account.
        void: rounds without a quorum.
        included: members whose updates were merged, by round, as bitmaps; none in a void round.
        seconds: of screening and merging, by round, for one node; processor time, which no other process changes.
    """

    accuracy: list[float] = field(default_factory=list)
    success: list[float] = field(default_factory=list)
    refused: int = 0
    honest: int = 0
    passed: int = 0
    bad: int = 0
    against: dict[str, int] = field(default_factory=dict)
    void: int = 0
    included: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


PRIVATE = ("progress", "cosine", "holdout")
"""Screens that look at the node's own images."""


class Bare:
    """A node's own blobs in a world without any; what asks for them is no attack that the simulation can show."""

    def find(self, root: Root, holders: Sequence[Address]) -> memoryview | None:
        """Return nothing."""
        return None

    def keep(self, blob: memoryview) -> Root:
        """Keep nothing."""
        raise NotImplementedError("the simulation has no blobs")

    def publish(self, root: Root) -> bool:
        """Publish nothing."""
        return False


class Shared:
    """A screen whose verdicts rest on nothing private: the same for all nodes that have the same updates left."""

    def __init__(self, screen: Screen) -> None:
        self.name = screen.name
        self._screen = screen
        self._kept: dict[tuple[int, ...], Sequence[Verdict]] = {}

    def judge(self, evidence: Evidence) -> Sequence[Verdict]:
        """See ``Screen``."""
        if evidence.indices not in self._kept:
            self._kept[evidence.indices] = self._screen.judge(evidence)
        return self._kept[evidence.indices]


def run(world: World, defence: Defence, threat: Threat, f: int, rounds: int) -> Trace:
    """Let a federation learn while its last f nodes do what the threat says.

    Votes are counted as the contract does: included is what more than half of the roster accepts, final what more than
    two thirds attest.
    """
    n, trace = world.nodes, Trace()
    chosen, rule = defence.build()
    own = [deepcopy(chosen) for _ in range(n)]  # what a screen learns is its node's
    liars = tuple(range(n - f, n)) if threat.kind else ()
    trained: dict[int, Values] = {}
    crew_of = _crews(world, liars, rule, trained)
    behave: list[Behaviour] = [
        attacks.make(threat.kind, crew_of(node), threat.options) if threat.kind and node in liars else Behaviour()
        for node in range(n)
    ]
    bad, honest = behave, [Behaviour()] * n
    shares, counts, clean = [], [], []
    for node, part in enumerate(world.parts):
        x, y = world.data.train_x[part], world.data.train_y[part]
        clean.append((world.pixels(x), torch.from_numpy(y)))
        bad_x, bad_y = behave[node].poison(x, y)
        shares.append((world.pixels(bad_x), torch.from_numpy(bad_y)) if node in liars else clean[-1])
        counts.append(len(y))
    base = world.genesis
    waited = dict.fromkeys(range(n), 0)
    for round in range(1, rounds + 1):
        behave = bad if threat.since <= round <= threat.until else honest
        updates = dict(enumerate(world.train(base, shares if behave is bad else clean, round)))
        trained.clear()
        trained |= {liar: updates[liar].copy() for liar in liars}
        for liar in liars:
            behave[liar].forge(round, lambda: base, updates[liar])  # noqa: B023 - called at once
        committed = {node: u for node, u in updates.items() if behave[node].speaks(Verb.COMMIT, round)}
        # A blob that is withheld, or does not hash to its root, never gets past the check of the bytes.
        valid = {node: u for node, u in committed.items() if _served(behave[node], round, u)}
        weights = {node: behave[node].examples(round, counts[node]) for node in valid}
        started = time.thread_time()
        public = {screen.name: Shared(screen) for screen in chosen if screen.name not in PRIVATE}
        judged = _evidence(world, base, valid, weights, round, dict(waited))
        ballots = {}
        for node in range(n):
            if not behave[node].speaks(Verb.VOTE, round):
                continue
            evidence = judged(node)
            accepted, verdicts = screens.ballot([public.get(screen.name, screen) for screen in own[node]], evidence)
            if node == 0:
                trace.seconds.append(time.thread_time() - started)
            if node not in liars:
                for verdict in verdicts:
                    if not verdict.accepted and verdict.index not in liars and verdict.index != node:
                        trace.against[verdict.screen] = trace.against.get(verdict.screen, 0) + 1
            bad[node].saw(round, evidence)
            ballots[node] = behave[node].ballot(round, accepted, bitmap(committed))
        included = [node for node in valid if 2 * sum(b >> node & 1 for b in ballots.values()) > n]
        trace.honest += n - len(liars)
        trace.refused += sum(1 for node in range(n) if node not in liars and node not in included)
        trace.bad += sum(1 for node in committed if node in liars and behave is bad)
        trace.passed += sum(1 for node in included if node in liars and behave is bad)
        attesters = sum(
            1 for b in behave if b.speaks(Verb.ATTEST, round) and b.attestation(round, bytes(32), Bare()) == bytes(32)
        )
        if included and 3 * attesters > 2 * n:
            merged = np.empty(world.size, np.int32)
            began = time.thread_time()
            rule.merge([valid[i] for i in included], [weights[i] for i in included], merged, threads=1, base=base)
            trace.seconds[-1] += time.thread_time() - began
            base = merged
            trace.included.append(bitmap(included))
            waited = {node: waited[node] + 1 if node in committed and node not in included else 0 for node in range(n)}
        else:
            trace.void += 1
            trace.included.append(0)
        accuracy, taken = world.accuracy(base)
        trace.accuracy.append(accuracy)
        trace.success.append(taken)
    return trace


def _served(behaviour: Behaviour, round: int, update: Values) -> bool:
    blob = memoryview(update).cast("B")
    return behaviour.offer(round, blob) == blob


def _crews(
    world: World, liars: tuple[int, ...], rule: rules.Rule, trained: Mapping[int, Values]
) -> Callable[[int], Crew]:
    def crew(slot: int) -> Crew:
        return Crew(
            slot, liars, world.nodes, world.classes, world.seed, rule,
            lambda round, base, own: [trained[liar].copy() for liar in liars], lambda: bitmap(liars),
        )  # fmt: skip

    return crew


def _evidence(
    world: World,
    base: Values,
    valid: Mapping[int, Values],
    weights: Mapping[int, int],
    round: int,
    waited: Mapping[int, int],
) -> Callable[[int], Evidence]:
    """Return what each node's screens see; what is the same for all is computed once."""
    members = sorted(valid)
    kept: dict[Any, Any] = {}

    def products() -> Any:
        if "products" not in kept:
            kept["products"] = gram([valid[i] for i in members], base, threads=1)
        return members, kept["products"]

    losses: dict[bytes, NDArray[np.float64]] = {}

    def lost(node: int, values: Values) -> float:
        key = values.tobytes()
        if key not in losses:  # by one node for all: a model's loss on everybody's images is one pass
            losses[key] = world.losses([values])[0]
        return float(losses[key][node])

    def along(index: int) -> float:
        if "along" not in kept:
            kept["along"] = {i: alignment(update, base, world.genesis) for i, update in valid.items()}
        return float(kept["along"][index])

    def shared(key: Hashable, make: Callable[[], Values]) -> Values:
        if ("mean", key) not in kept:
            kept["mean", key] = make()
        return kept["mean", key]

    def evidence(node: int) -> Evidence:
        own = node if node in valid else None
        return Evidence(
            base, valid, weights, own, lambda i: distance(valid[i], base), products, lambda values: lost(node, values),
            round, *((None, None) if np.array_equal(base, world.genesis) else (lambda: world.genesis, along)), shared,
            left_out=lambda rounds: {i for i, row in waited.items() if row >= rounds},
        )  # fmt: skip

    return evidence

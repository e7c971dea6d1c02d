"""A model so small that a run takes a tenth of a second, and a learner that anybody can recompute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayfed.encoding import codec, merkle
from rayfed.learning import State, Update
from rayfed.protocol.charter import MAX_UNSETTLED, Charter, DataTerms, MergeTerms, StakeTerms
from rayfed.testing.chaos.scenarios import (
    ATTEST_SECONDS,
    BOND,
    CLOCK_SECONDS,
    COMMIT_SECONDS,
    JOIN_SECONDS,
    LIMIT_SECONDS,
    MOST_VOID,
    PROOF_SECONDS,
    REWARD,
    STAKE,
    VOTE_SECONDS,
    WINDOW_SECONDS,
    Scenario,
)

VALUES = 1500
"""A header leaf and twelve leaves of values, the last one padded."""

GENESIS: dict[str, Any] = {"w": np.arange(VALUES, dtype=np.int32) * 1000}
LAYOUT = codec.Layout.of(GENESIS)
CHAIN_ID = 31337
FEDERATION = "0x" + "fe" * 20


class Counting:
    """Learns a whole number function of base, round and slot: nothing in it depends on the machine.

    All nodes move about equally far, so that no screen takes an honest one for a bad one.

    Args:
        slot: whose data it learns from.
        bases: where to note what it started from.
    """

    def __init__(self, slot: int, bases: list[NDArray[np.int32]] | None = None) -> None:
        self.slot = slot
        self._bases = bases

    def genesis(self) -> State:
        """See ``Learner``."""
        return GENESIS

    def train(self, base: State, round: int) -> Update:
        """See ``Learner``. The weight is the slot's too, so that a mean with other weights would not pass."""
        if self._bases is not None:
            self._bases.append(base["w"].copy())
        step = (np.arange(VALUES, dtype=np.int32) * (self.slot + 3) + 7 * round) % 201 - 100
        return Update({"w": base["w"] + step.astype(np.int32)}, 0.0, 10 + self.slot)

    def evaluate(self, state: State) -> tuple[float, int]:
        """See ``Learner``."""
        return float(int(np.asarray(state["w"], np.int64).sum()) % 1000) / 1000, 1

    def loss(self, state: State) -> float:
        """See ``Learner``; no screen here asks for it."""
        return 0.0

    def alone(self) -> Iterator[float]:
        """See ``Learner``; asked for by nobody here."""
        yield 0.0


def charter(scenario: Scenario) -> Charter:
    """Return what the nodes of a scenario agree on."""
    genesis = codec.encode(LAYOUT, GENESIS, codec.Header.merged(0, LAYOUT.hash)).blob
    founders = scenario.nodes - scenario.late
    return Charter(
        name="chaos",
        layout=LAYOUT,
        data=DataTerms(("a", "b"), (1, 1, 1), (0,), (1_000_000,)),
        model={},
        merge=MergeTerms("mean"),
        rounds=scenario.rounds,
        join_seconds=JOIN_SECONDS,
        commit_seconds=COMMIT_SECONDS,
        vote_seconds=VOTE_SECONDS,
        attest_seconds=ATTEST_SECONDS,
        start_members=founders,
        min_members=scenario.min_members or max(1, founders // 2),
        max_missed=scenario.max_missed,
        max_unsettled=MAX_UNSETTLED,
        max_void=MOST_VOID,
        limit_seconds=LIMIT_SECONDS,
        genesis=merkle.root(genesis),
        genesis_source={"seed": 0},
        stake=StakeTerms(
            stake=STAKE,
            reward=REWARD,
            bond=BOND,
            window_seconds=WINDOW_SECONDS,
            clock_seconds=CLOCK_SECONDS,
            proof_seconds=PROOF_SECONDS,
        ),
    )

"""What outgrows the fixed point after genesis is cut off, and counted by the node that it happens to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rayfed.learning import State, Update
from tests.unit.node.test_edge_node import GENESIS, Pull, World


class Grown(Pull):
    """Three of its weights are beyond 128, which is what 24 bits of fraction leave."""

    def train(self, base: State, round: int) -> Update:
        update = super().train(base, round)
        weights = np.array(update.state["w"])
        weights.reshape(-1)[:3] = 1000.0
        return Update({**update.state, "w": weights}, update.loss, update.examples)


def test_a_node_counts_what_it_had_to_cut_off(tmp_path: Path) -> None:
    assert np.asarray(GENESIS["w"]).size > 3
    world = World(tmp_path, rounds=1)
    world.learners[3] = Grown(3)
    world.nodes[3] = world.start(3)
    world.run()
    assert {record.slot: record.saturated for record in world.records} == {0: 0, 1: 0, 2: 0, 3: 3}

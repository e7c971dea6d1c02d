"""How many hosts a run has."""

from __future__ import annotations

import pytest

from rayfed.config import load
from rayfed.runtime.launch import nodes_per_actor


@pytest.mark.parametrize(
    ("nodes", "cores", "each"), [(4, 2.0, 2), (4, 16.0, 1), (5, 2.0, 3), (1, 2.0, 1), (256, 64.0, 4), (3, 0.5, 3)]
)
def test_a_host_a_processor(nodes: int, cores: float, each: int) -> None:
    settings = load([f"federation.nodes={nodes}"])
    assert nodes_per_actor(settings, cores) == each


def test_one_node_a_host_where_a_machine_can_be_lost() -> None:
    assert nodes_per_actor(load(["cluster=existing", "federation.nodes=8"]), 2.0) == 1


def test_one_node_a_host_with_gpus() -> None:
    assert nodes_per_actor(load(["cluster.num_gpus=0.25"]), 2.0) == 1


def test_what_was_asked_for() -> None:
    assert nodes_per_actor(load(["cluster.nodes_per_actor=4"]), 16.0) == 4
    assert nodes_per_actor(load(["cluster=existing", "cluster.nodes_per_actor=8"]), 2.0) == 8

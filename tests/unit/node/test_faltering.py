"""What becomes of a node whose own step fails: nobody waits for it, and only what stays so ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayfed.errors import ConfigError, DataError, StoreError
from rayfed.learning import State, Update
from rayfed.node import faltering
from rayfed.node.edge_node import EdgeNode
from rayfed.node.status import StatusBoard
from rayfed.protocol.messages import NodeStatus, Phase, View
from rayfed.testing import MemoryStore
from tests.unit.node.test_edge_node import Pull, World


class Diverging(Pull):
    """Ends with a NaN in some rounds."""

    def __init__(self, slot: int, *rounds: int) -> None:
        super().__init__(slot)
        self.rounds = rounds

    def train(self, base: State, round: int) -> Update:
        trained = super().train(base, round)
        if round in self.rounds:
            return Update({**trained.state, "w": trained.state["w"] * np.float32("nan")}, float("nan"), 10)
        return trained


def diverging(tmp_path: Path, *rounds: int, **changes: Any) -> World:
    world = World(tmp_path, **changes)
    world.learners[3] = Diverging(3, *rounds)
    world.nodes[3] = world.start(3)
    return world


def test_training_that_diverges_at_one_keeps_nobody_waiting(tmp_path: Path) -> None:
    """It commits to the base, by the weight of one example, and is back in the next round."""
    world = diverging(tmp_path, 1)
    world.run(until=lambda view: view.phase is Phase.VOTE)
    root = world.committed()[3]
    codec = world.nodes[3].kit.tools.codec
    blob = world.nodes[3].kit.tools.disk.read(root)
    assert codec.weight(blob) == 1
    assert np.array_equal(codec.weights(blob), codec.weights(codec.genesis(world.learners[3].genesis())))
    assert "round 1: training diverged" in world.nodes[3].status.error
    view = world.run()
    assert world.clock.now == 1_000_000, "nobody had to wait for it"
    assert world.included()[1:] == [0b1111] * 2
    assert {node.model for node in world.nodes.values()} == {view.base}
    assert all(record.loss is None for record in world.records if (record.slot, record.round) == (3, 1))


def test_training_that_goes_on_diverging_ends_the_node_with_the_setting_to_change(tmp_path: Path) -> None:
    world = diverging(tmp_path, *range(1, 9), rounds=8)
    with pytest.raises(ConfigError, match=r"train\.optimizer: training diverged in 4 rounds in a row .*; a lower"):
        world.run()
    assert world.chain.view().round == faltering.ROUNDS + 1


def step(node: EdgeNode, view: View) -> str:
    """As a host does it: what is raised goes to ``falters``; return what it was, and whether the node goes on."""
    try:
        node.step(view)
    except Exception as error:
        return f"{error}: {'on' if node.falters.goes_on(error, view, str(error)) else 'for good'}"
    return ""


def test_a_disk_that_stays_full_ends_the_node_after_some_rounds_and_others_wait_for_it_in_every_second(
    tmp_path: Path,
) -> None:
    def full(*_: Any) -> Update:
        raise StoreError("cluster.state_dir: no space left")

    world = World(tmp_path, rounds=12, max_missed=0)
    node, said = world.nodes.pop(3), list[str]()
    world.learners[3].train = full  # type: ignore[method-assign]
    rosters: dict[int, int] = {}

    def look(view: View) -> bool:
        if view.is_open:
            rosters.setdefault(view.round, view.roster)
        if not (said and said[-1].endswith("for good")):
            said.extend(filter(None, [step(node, world.chain.view())]))
        return view.round == 10

    world.run(until=look, limit=3_000)
    assert said == ["cluster.state_dir: no space left: on"] * 3 + ["cluster.state_dir: no space left: for good"]
    assert [roster >> 3 & 1 for _, roster in sorted(rosters.items())] == [1, 0, 1, 0, 1, 0, 1, 0, 0, 0]


def test_what_a_setting_is_to_blame_for_does_not_pass(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run(until=lambda view: view.round == 1)
    view = world.chain.view()
    assert not world.nodes[0].falters.goes_on(DataError("data.root", "gone"), view, "gone")
    world.nodes[0].collect(world.chain.view())
    assert not world.chain.view().active & 1, "it has left"


def test_a_final_model_that_nobody_gives_any_more_ends_the_wait_for_it(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=1)
    view = world.run()
    assert view.phase is Phase.DONE
    world.store = MemoryStore()
    late = world.start(7)
    assert step(late, world.chain.view()) == ""
    world.clock.advance(faltering.LAST_SECONDS)
    assert step(late, world.chain.view()) == ""
    world.clock.advance(1)
    said = step(late, world.chain.view())
    assert said.startswith(f"the final model {view.base.hex()[:12]} is not to be had, and all who had it have gone: ")
    assert said.endswith(": for good")


def test_an_error_that_is_over_is_not_the_last_word() -> None:
    board = StatusBoard(NodeStatus(0, "0x01", None, 0, "training"))
    board.trouble("ledger.rpc_url: no answer")
    board.recovered()
    assert board.now.error == ""
    board.note("round 2: its merge is wrong")
    board.hear("commit of round 3 refused: WrongContext")
    board.hear("")
    assert board.now.error == "round 2: its merge is wrong", "what was noted stays"
    board.tell("round 3 cannot be checked")
    board.trouble("ledger.rpc_url: no answer")
    board.recovered()
    assert board.now.error == "round 3 cannot be checked", "what lasts is said again"
    board.tell("")
    assert board.now.error == "round 2: its merge is wrong"

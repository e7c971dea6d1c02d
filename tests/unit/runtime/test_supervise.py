"""When a run has ended well, by what its nodes say of themselves."""

from __future__ import annotations

from dataclasses import replace

from rayfed.protocol.messages import NodeStatus
from rayfed.runtime.recorder import Snapshot
from rayfed.runtime.supervise import without_model

DONE = NodeStatus(0, "0x" + "11" * 20, 0, 3, "finished")


def test_nodes_that_failed_for_good_are_told_apart() -> None:
    failed = replace(DONE, slot=1, doing="failed", error="its host is gone")
    assert without_model(Snapshot(None, (DONE, failed))) == (failed,)
    assert without_model(Snapshot(None, (DONE, replace(DONE, slot=1)))) == ()


def test_a_node_that_another_party_brought_is_that_party_s_affair() -> None:
    guest = replace(DONE, slot=-1, doing="failed", error="its host is gone")
    assert without_model(Snapshot(None, (DONE, guest))) == ()

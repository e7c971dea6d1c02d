"""What a node says of itself."""

from __future__ import annotations

from rayfed.node.status import StatusBoard
from rayfed.protocol.messages import NodeStatus


def test_why_a_node_failed_is_not_hidden_by_what_its_watchtower_says_later() -> None:
    board = StatusBoard(NodeStatus(0, "0x01", None, 0, "training"))
    board.note("ledger.rpc_url: no answer")
    board.show(doing="failed", error="training diverged")
    board.note("settle refused: NothingToSettle")
    board.show(doing="waiting", loss=1.0)
    assert (board.now.doing, board.now.error, board.now.loss) == ("failed", "training diverged", 1.0)

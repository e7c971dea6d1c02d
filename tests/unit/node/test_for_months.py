"""A federation that goes on for long: what a node keeps in memory and on its disk grows no further."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.node.memo import Memo
from rayfed.node.watchtower import Watchtower
from rayfed.protocol.messages import View
from tests.growth import sizes
from tests.unit.node.test_edge_node import LAYOUT, World

ROUNDS = 300
KEEP = 3
NODES = 2
PUBLISHED = 64

NOT_ITS_OWN = (".chain.", "store.blobs", ".trained")
"""The chain, what lies in the store, and what this learner counts for its tests."""

LASTING = ("journal._said", "journal._rounds")
"""A node never forgets what it has signed: three lines a round."""


def test_a_node_holds_after_three_hundred_rounds_what_it_held_after_half_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rayfed.node.blobs.PUBLISHED", PUBLISHED)
    world = World(tmp_path, NODES, rounds=ROUNDS, max_unsettled=2)
    for slot in range(NODES):
        world.nodes[slot] = world.start(slot, keep_rounds=KEEP, memo=Memo(4 * LAYOUT.blob_size))
    towers = [Watchtower(one.ledger.handle(), one.kit.tools.apart(), lasts=60) for one in world.nodes.values()]

    def half_over(view: View) -> bool:
        watched(view)
        return view.round > ROUNDS // 2

    def watched(view: View) -> bool:
        for tower in towers:
            tower.step(view)
        return False

    def held() -> dict[str, int]:
        found = {way: size for way, size in sizes(world.nodes[0], towers[0]).items() if not _is(way, NOT_ITS_OWN)}
        found["files"] = sum(path.is_file() for path in (tmp_path / "node-0" / "blobs").rglob("*"))
        return found

    world.run(half_over, limit=60 * ROUNDS)
    middle = held()
    world.run(watched, limit=60 * ROUNDS)
    end = held()
    assert world.chain.view().finals == ROUNDS
    assert any(_is(way, LASTING) for way in end), "the walk has come as far as that"
    slack = KEEP * NODES  # where in a round it is looked at
    grown = {way: (middle.get(way, 0), size) for way, size in end.items() if size > middle.get(way, 0) + slack}
    assert {way: both for way, both in grown.items() if not _is(way, LASTING)} == {}


def _is(way: str, parts: tuple[str, ...]) -> bool:
    return any(part in way for part in parts)

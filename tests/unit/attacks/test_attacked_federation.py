"""Nodes as assembly builds them, with real training and screens, one dishonest; only Ray and the chain are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.config import load
from rayfed.ledger.backend import Locator
from rayfed.node.edge_node import Progress
from rayfed.protocol.messages import NodeRecord, Phase, Status
from rayfed.runtime import drafting
from rayfed.runtime.assembly import Assembly
from rayfed.runtime.place import Place
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger

FEDERATION = "0x" + "fe" * 20


@pytest.mark.parametrize(
    ("attack", "liar_is_in"),
    [
        (["attack=ipm", "attack.options.epsilon=20"], False),
        (["attack=backdoor"], None),
        (["attack=voters", "attack.options.scale=20"], False),
        (["attack=garbage"], False),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_attack_is_one_setting(tmp_path: Path, attack: list[str], liar_is_in: bool | None) -> None:
    settings = load(
        [
            *("federation.nodes=5", "federation.rounds=2", "train.epochs=1", "train.threads=1", "store=files"),
            *("model.width=4", "model.hidden=8", "partition=iid", f"store.path={tmp_path / 'shared'}", *attack),
        ]
    )
    charter = drafting.draft(settings)
    clock = ManualClock()
    chain = MemoryChain(charter.terms(), clock)
    place = Place(FEDERATION, Locator("rpc", 31337, {"rpc_url": "http://none"}), charter.canonical_json())
    assembly = Assembly(settings, place, tmp_path)
    records: list[NodeRecord] = []
    nodes = [
        assembly.node(slot, MemoryLedger(chain, assembly.key(slot).address), records.append)
        for slot in range(settings.federation.nodes)
    ]
    for _ in range(300):
        progress = {node.step(chain.view()) for node in nodes}
        if progress == {Progress.FINISHED}:
            break
        if Progress.ACTED not in progress:
            clock.advance(30)
    view = chain.view()
    assert view.phase is Phase.DONE
    liar = view.members.index(nodes[-1].address)
    for number in (1, 2):
        outcome = chain.outcome(number)
        assert outcome is not None
        assert outcome.status is Status.FINAL
        assert outcome.included | 1 << liar == 0b11111, "no honest node is left out"
        assert liar_is_in is None or bool(outcome.included >> liar & 1) is liar_is_in
    assert {r.slot for r in records} == set(range(5))
    screens = {verdict.screen for record in records for verdict in record.verdicts}
    assert {"valid", "progress", "norm", "weight", "idle", "duplicate", "cosine", "holdout"} <= screens

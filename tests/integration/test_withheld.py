"""One member gives its update to some and denies it to others, which is worst where those are about a third."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.federations import PATIENCE, SMALL, STANDS, run, summary

pytestmark = pytest.mark.timeout(2 * PATIENCE)

WORDS = (
    *SMALL,
    "federation.nodes=7",
    "federation.rounds=2",
    "federation.max_missed=1",
    "cluster.nodes_per_actor=3",
    "store=p2p",
    "store.listen=127.0.0.1:0",
    "attack=withheld",
    "attack.nodes=1",
    "attack.options.denied=3",
)


def test_what_one_of_seven_denies_to_three_they_get_from_the_others(tmp_path: Path, shared: tuple[str, ...]) -> None:
    """The three share a process with nobody who has it. Four of seven accept it, so it is included, and five have to
    attest the merge: one of the three at least must have had it from an honest member, or the round would be void."""
    pytest.importorskip("iroh", reason="no iroh")
    ended = run(*WORDS, *shared, folder=tmp_path)
    assert ended.code == 0, ended
    told = summary(tmp_path)
    slots = {node["address"]: node["slot"] for node in told["nodes"]}
    assert [closed["status"] in STANDS for closed in told["rounds"]] == [True] * 2
    for closed in told["rounds"]:
        assert 6 in {slots[address] for address in closed["included"]}, closed
        assert {slots[address] for address in closed["attesters"]} & {3, 4, 5}, closed
    assert [node["slashed"] for node in told["nodes"]] == [0] * 7

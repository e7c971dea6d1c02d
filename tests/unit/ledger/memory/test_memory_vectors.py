"""The protocol's vectors, which Solidity reads too, on the ledger in memory; and that each refusal has its test."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rayfed.encoding import merkle
from rayfed.ledger.memory import phases
from rayfed.ledger.memory.slots import Head, RoundSlot
from rayfed.protocol import contexts

HERE = Path(__file__)
SOURCES = HERE.parents[4] / "rayfed" / "ledger" / "memory"
VECTORS: dict[str, Any] = json.loads(
    (HERE.parents[3] / "vectors" / "protocol" / "vectors.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", VECTORS["tallies"])
def test_tallies(case: dict[str, Any]) -> None:
    everybody = (1 << case["size"]) - 1
    slot = RoundSlot(
        round=1,
        head=Head.VOTE,
        deadline=1,
        roster=everybody,
        awaited=everybody & ~case["voted"],
        base_round=0,
        base=bytes(32),
        base_context=bytes(32),
        context=bytes(32),
        finals_before=0,
        committed=everybody,
        voted=case["voted"],
        accepts=dict(enumerate(case["accepts"])),
        misses=dict(enumerate(case["misses"])),
    )
    assert phases.tally(slot) == (case["included"], case["excused"])


@pytest.mark.parametrize("case", VECTORS["contexts"])
def test_contexts(case: dict[str, Any]) -> None:
    base, before = (bytes.fromhex(case[name][2:]) for name in ("base", "baseContext"))
    addresses = ["0x" + address[-40:] for address in case["addresses"]]
    opening = contexts.opening(case["round"], case["baseRound"], base, before, int(case["roster"], 16), addresses)
    assert "0x" + opening.hex() == case["opening"]


@pytest.mark.parametrize("case", VECTORS["trees"])
def test_a_tree_is_one_over_its_parts(case: dict[str, Any]) -> None:
    parts = [bytes.fromhex(part[2:]) for part in case["parts"]]
    assert len(parts) == -(-case["count"] // merkle.part_of(case["count"])) <= merkle.PARTS
    assert "0x" + merkle.root_of(parts).hex() == case["root"]


def test_every_refusal_has_a_test() -> None:
    raised = {
        name
        for path in SOURCES.glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "Rejected(" in line
        for name in re.findall(r'"(\w+)"', line)
    }
    tested = {
        name for path in HERE.parent.glob("test_*.py") for name in re.findall(r'"([A-Z]\w+)"', path.read_text("utf-8"))
    }
    assert len(raised) > 40
    assert raised <= tested, raised - tested

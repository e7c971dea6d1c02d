"""What attacks cost: the figures follow from the terms, and with the defaults for real chains none is free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rayfed.errors import ConfigError
from rayfed.protocol.messages import COIN, Terms
from rayfed.testing.economics import (
    Prices,
    attacks,
    clock_suffices,
    flood_blocks,
    least_bond,
    match_gas,
)

TERMS = Terms(
    charter=b"c" * 32,
    genesis=b"g" * 32,
    rounds=100,
    join_seconds=86_400,
    commit_seconds=1_800,
    vote_seconds=900,
    attest_seconds=900,
    start_members=8,
    min_members=4,
    max_missed=3,
    stake=100 * COIN,
    reward=10 * COIN,
    bond=COIN // 2,
    window_seconds=3_600,
    clock_seconds=7_200,
    proof_seconds=7_200,
    rule=1,
    values=11_200_000,
)


@pytest.mark.parametrize("members", [8, 32, 256])
def test_whoever_forges_a_merge_loses_nearly_all_stakes_of_a_quorum(members: int) -> None:
    forged = attacks(TERMS, members, Prices())[0]
    assert forged.members == 2 * members // 3 + 1
    assert forged.coin == forged.members * 90 * COIN  # a tenth may come back to accomplices who attested the right root
    assert forged.refunded == 1.0


@pytest.mark.parametrize("members", [8, 32, 256])
def test_no_attack_is_free(members: int) -> None:
    for one in attacks(TERMS, members, Prices()):
        assert one.coin or one.native, one.name


def test_a_bond_below_a_matchs_cost_leaves_the_defender_with_the_rest() -> None:
    cheap = replace(TERMS, bond=least_bond(32, Prices()) // 4)
    sham = next(one for one in attacks(cheap, 32, Prices()) if "one stage" in one.name)
    assert sham.refunded == pytest.approx(0.25)


def test_a_match_costs_what_was_measured() -> None:
    assert match_gas(16) == pytest.approx(2_500_000, rel=0.02)
    assert match_gas(256) == pytest.approx(24_000_000, rel=0.02)


def test_a_flood_takes_blocks_and_a_clock_has_to_hold_a_matchs() -> None:
    assert flood_blocks(8, Prices()) == 11
    assert clock_suffices(TERMS, 256, Prices())
    assert not clock_suffices(replace(TERMS, proof_seconds=10), 256, Prices())


def test_there_cannot_be_more_members_than_seats() -> None:
    with pytest.raises(ConfigError, match="members"):
        attacks(TERMS, 257, Prices())

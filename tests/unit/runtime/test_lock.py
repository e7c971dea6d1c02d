"""How long a stake can be kept from who has left: bounded by the terms, and refused beyond what a party takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rayfed.config import Settings
from rayfed.errors import ConfigError
from rayfed.ledger.memory import bracket
from rayfed.ledger.memory.federation import MemoryFederation
from rayfed.protocol.charter import StakeTerms
from rayfed.protocol.court import MAX_ENTRIES
from rayfed.protocol.terms import MAX_STAGES
from rayfed.reporting.contested import Contested
from rayfed.runtime import preflight
from tests.unit.protocol.test_charter import charter
from tests.worlds import World

FEDERATION = "0x" + "fe" * 20
LONG = 10**9


def test_whoever_leaves_while_a_round_is_in_court_waits_no_longer_than_the_terms_say() -> None:
    assert bracket.stages(MAX_ENTRIES) == MAX_STAGES
    world = World()
    world.sue()
    world.leave(0)
    left = world.now
    ledger = MemoryFederation(world.chain, FEDERATION, {})
    settles = Contested(ledger, ledger.view()).settles_at(1)
    assert left < settles <= left + world.terms.locked_seconds
    assert replace(world.terms, rule=0).locked_seconds == world.terms.round_seconds, "nothing is judged there"
    assert replace(world.terms, rule=0, join_seconds=LONG).locked_seconds == LONG, "who joins while it forms"


@pytest.mark.parametrize("name", ["window_seconds", "clock_seconds", "proof_seconds"])
def test_a_court_that_could_keep_a_stake_for_years_is_refused(name: str) -> None:
    settings = Settings()
    preflight.check_lock(settings, charter())
    kept = charter(stake=replace(StakeTerms(), **{name: LONG}))
    with pytest.raises(ConfigError, match=r"^ledger\.max_lock_days: .* locked for \d+ d.*; this party takes 30 d: "):
        preflight.check_lock(settings, kept)
    taken = replace(settings, ledger=replace(settings.ledger, max_lock_days=40_000.0 * 12))
    preflight.check_lock(taken, kept)


@pytest.mark.parametrize("name", ["join_seconds", "commit_seconds", "vote_seconds", "attest_seconds"])
def test_so_are_phases(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^ledger\.max_lock_days: "):
        preflight.check_lock(Settings(), charter(**{name: LONG}))

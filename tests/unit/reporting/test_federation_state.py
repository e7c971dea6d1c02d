"""How a federation is told to stand, on a ledger in memory: as values, as lines and as a page."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import cast

import pytest

from rayfed.encoding.primitives import Address
from rayfed.ledger.backend import Federation
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.ledger.memory.federation import MemoryFederation
from rayfed.protocol.commands import (
    Advance,
    Announce,
    Attest,
    Commit,
    Deposit,
    DepositBonds,
    EnterRoot,
    Fund,
    Join,
    Leave,
    Vote,
)
from rayfed.protocol.messages import COIN, Phase, Round
from rayfed.reporting.federation_state import FederationStanding, is_over
from rayfed.reporting.state_page import page
from rayfed.reporting.state_reader import Reader, label
from rayfed.reporting.state_text import lines
from tests.unit.cli.test_owner import FEDERATION, MEMBERS
from tests.unit.cli.test_owner import TERMS as OWNERS_TERMS

STRANGER: Address = f"0x{0xE5:040x}"
TERMS = replace(OWNERS_TERMS, rounds=3)


class World:
    """A federation of four, and somebody who looks at it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.chain = MemoryChain(TERMS, self.clock)
        self.chain.act(STRANGER, Fund(30 * COIN))
        federation = cast(Federation, MemoryFederation(self.chain, FEDERATION, {}))
        self.reader = Reader(federation, 31337, 0, {MEMBERS[0]: "node 0"})

    def look(self) -> FederationStanding:
        return self.reader.look()

    def join(self, *members: Address) -> None:
        for member in members:
            self.chain.act(member, Deposit(member, TERMS.stake))
            self.chain.act(member, DepositBonds(member, TERMS.bonds))
            self.chain.act(member, Join(TERMS.charter))

    def step(self) -> None:
        self.chain.act(STRANGER, Advance())

    def commit(self, *indices: int) -> None:
        view = self.chain.view()
        for index in indices:
            self.chain.act(MEMBERS[index], Commit(view.round, view.context, bytes([view.round, index]) * 16))

    def vote(self, ballots: dict[int, tuple[int, int]]) -> None:
        view = self.chain.view()
        for index, (accepts, misses) in ballots.items():
            self.chain.act(MEMBERS[index], Vote(view.round, view.context, accepts, misses))

    def attest(self, *indices: int) -> None:
        view = self.chain.view()
        for index in indices:
            self.chain.act(MEMBERS[index], Attest(view.round, view.context, bytes([view.round]) * 32))

    def round(self, ballots: dict[int, tuple[int, int]] | None = None) -> None:
        """Have everybody take part; ballots are all that is accepted and missed, by index."""
        self.commit(0, 1, 2, 3)
        self.step()
        self.vote(ballots or dict.fromkeys(range(4), (15, 0)))
        self.step()
        self.attest(0, 1, 2, 3)
        self.step()


@pytest.fixture
def world() -> World:
    made = World()
    made.join(*MEMBERS)
    made.step()
    return made


def test_who_gathers_is_told_how_many_more_are_needed() -> None:
    world = World()
    world.join(*MEMBERS[:1])
    told = world.look()
    assert (told.needed, told.to_dict()["phase"], told.to_dict()["members_needed"]) == (3, "forming", 3)
    assert "waiting for  3 more members" in [*lines(told)]
    world.clock.advance(200)  # now fewer are enough
    assert world.look().needed == 1
    assert "waiting for  1 more member" in [*lines(world.look())]


def test_a_look_asks_for_each_round_once(world: World) -> None:
    """Rounds rest on each other, and each question is a way to the chain and back."""
    asked: Counter[int] = Counter()

    class Counting(MemoryFederation):
        def round_of(self, round: int) -> Round | None:
            asked[round] += 1
            return super().round_of(round)

    for _ in range(3):
        world.round()
    told = Reader(cast(Federation, Counting(world.chain, FEDERATION, {})), 31337, 0).look()
    assert [each.round for each in told.unsettled] == [1, 2, 3]
    assert {round: asked[round] for round in (1, 2, 3)} == dict.fromkeys((1, 2, 3), 1)


def test_who_is_waited_for_is_named(world: World) -> None:
    world.commit(1, 2)
    told = world.look()
    assert [member.index for member in told.awaited] == [0, 3]
    assert told.to_dict()["waiting_for"] == [MEMBERS[0], MEMBERS[3]]
    assert "waiting for  node 0 (0x0000…00a1), 0x0000…00d4" in [*lines(told)]
    seen = {member.index: member.seen for member in told.members}
    assert seen[1] is not None
    assert (seen[1].round, seen[1].did) == (1, "commit")
    assert seen[3] is not None
    assert seen[3].did == "join"
    world.commit(0, 3)
    assert "waiting for  anybody to take the next step, which is due" in [*lines(world.look())]


def test_who_refused_an_update_or_did_not_get_it_is_told_with_the_reasons_of_ones_own(world: World) -> None:
    world.round({0: (0b0111, 0), 1: (0b0111, 0), 2: (0b0111, 0b1000), 3: (0b1111, 0)})
    world.round()
    told = world.reader.look({(1, 3): "norm: 7 times the median"})
    last = told.members[3]
    assert (last.refused, last.missed) == ({MEMBERS[0]: 1, MEMBERS[1]: 1}, {MEMBERS[2]: 1})
    assert (last.offered, last.merged, last.included) == (2, 1, 2)
    line = next(line for line in lines(told) if line.startswith("0x0000…00d4: "))
    assert line == (
        "0x0000…00d4: 1 of its last 2 updates were not merged; refused by node 0 (0x0000…00a1) (1), 0x0000…00b2 (1); "
        "not had by 0x0000…00c3 (1); last reason here: norm: 7 times the median"
    )
    first = told.members[0]
    assert (first.offered, first.merged, first.refused) == (2, 2, {})


def test_what_can_be_contested_and_what_is_in_dispute_is_told(world: World) -> None:
    world.round()
    (open_,) = world.look().unsettled
    assert (open_.round, open_.status, open_.is_disputed, open_.is_lost) == (1, "final", False, False)
    assert open_.settles_at > world.chain.view().time
    closed = world.chain.round_of(1)
    assert closed is not None
    world.chain.act(STRANGER, EnterRoot(1, closed.context, b"\x77" * 32))
    assert world.look().unsettled[0].is_disputed
    assert any(line.startswith("unsettled    round 1 (final; in dispute)") for line in lines(world.look()))
    world.clock.advance(500)  # nobody moves: both have lost
    assert world.look().unsettled[0].is_lost


def test_who_has_left_stays_in_the_list_as_long_as_it_has_a_seat(world: World) -> None:
    world.chain.act(MEMBERS[2], Leave())
    told = world.look()
    assert [member.is_active for member in told.members] == [True, True, False, True]
    assert any("left or dropped" in line for line in lines(told))


def test_the_json_s_keys_stay(world: World) -> None:
    """Others read them: one may be added, none may go."""
    world.chain.act(MEMBERS[1], Announce(1, b"a hospital\nsecond line"))
    world.round()
    plain = json.loads(json.dumps(world.look().to_dict()))
    assert set(plain) == {
        *("version", "federation", "chain_id", "time", "phase", "round", "rounds", "final_rounds"),
        *("void_rounds_in_a_row", "deadline", "seconds_left", "step_is_due", "base", "base_round", "base_is_settled"),
        *("members_needed", "waiting_for", "coin", "terms", "pool", "burned", "members", "unsettled"),
    }
    member = plain["members"][1]
    assert set(member) == {
        *("index", "address", "label", "is_active", "is_awaited", "last_seen", "last_included", "offered", "merged"),
        *("refused_by", "missed_by", "reason", "stake", "bonds", "earned", "slashed", "claimable", "native_claimable"),
        *("locked_until", "paused_until", "drops"),
    }
    assert (plain["version"], plain["round"], plain["phase"], plain["final_rounds"]) == (1, 2, "commit", 1)
    assert (member["label"], member["stake"], member["last_included"]) == ("a hospital", "100", 1)
    assert set(plain["unsettled"][0]) == {"round", "status", "settles_at", "is_disputed", "is_lost"}


def test_the_page_needs_nothing_else_and_nobody_writes_into_it(world: World) -> None:
    world.chain.act(MEMBERS[1], Announce(1, b"<script>alert(1)</script>"))
    world.round({0: (0b0111, 0), 1: (0b0111, 0), 2: (0b0111, 0), 3: (0b1111, 0)})
    html = page(world.look(), refresh=5)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert 'http-equiv="refresh" content="5"' in html
    assert not any(word in html for word in ("http://", "https://", "src=", "url("))
    assert all(member in html for member in MEMBERS)
    assert "What was not merged" in html
    assert "Not settled yet" in html
    assert "http-equiv" not in page(world.look())


def test_a_card_that_is_no_text_is_no_label() -> None:
    assert label(b"\xff\xfe\x00") == ""
    assert label(b"bad \x1b[31m") == ""
    assert label(b"x" * 200) == "x" * 40
    assert label("Ärztehaus\nmore".encode()) == "Ärztehaus"


def test_a_chain_that_goes_back_is_told_anew(world: World) -> None:
    world.round()
    before = world.look()
    events = world.chain.events
    del events[-1:]  # what the chain no longer has
    after = world.look()
    assert after.members[0].included in (0, before.members[0].included)
    assert len(world.reader._events) == len({(event.block, event.position) for event in world.reader._events})


def test_all_is_over_when_it_is_done_and_settled(world: World) -> None:
    view = world.chain.view()
    assert not is_over(view)
    assert not is_over(replace(view, phase=Phase.DONE, unsettled=1))
    assert is_over(replace(view, phase=Phase.DONE, unsettled=0))

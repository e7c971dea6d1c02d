"""What an honest party does in court, by the policy alone: on the ledger in memory, with real blobs and proofs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Root
from rayfed.protocol.commands import (
    Attest,
    Collect,
    Command,
    EnterRoot,
    Prove,
    Reimburse,
    Resolve,
    Settle,
    Show,
    ShowLeaf,
    Undo,
)
from rayfed.protocol.court import Fate
from rayfed.protocol.court_policy import PARTS, CourtAct, acts, unsettled
from rayfed.protocol.messages import Status
from tests.courtroom import BOND, COST, MEMBERS, OUTSIDER, STAKE, Courtroom, Party, Trunk, context_of

LAST = merkle.leaves(20_000) * merkle.LEAF - 1
TWISTS = [3, 7 * 32, merkle.LEAF, 5 * merkle.LEAF + 40, 80 * merkle.LEAF + 511, LAST - 385, LAST]
"""Bytes in magic and weight of the header, in the first value, in the middle, in the last value, in the padding."""


def forged(room: Courtroom, twist: int, honest: int = 0) -> tuple[int, Trunk, Trunk]:
    """Play a round in which all attest a wrong merge, but for the last ``honest`` ones, who attest the right one."""
    made: list[Trunk] = []

    def attested(i: int, right: Trunk) -> Root:
        made.append(right.twisted(twist))
        return right.root if i >= room.n - honest else made[0].root

    round, right = room.play(attested)
    return round, right, made[0]


def status(room: Courtroom, round: int) -> Status:
    outcome = room.chain.outcome(round)
    assert outcome is not None
    return outcome.status


@pytest.mark.parametrize("rule", [1, 2, 3])
@pytest.mark.parametrize("twist", TWISTS)
def test_a_wrong_root_that_all_attest_and_defend_is_undone_by_one_outsider(rule: int, twist: int) -> None:
    room = Courtroom(rule=rule)
    round, right, wrong = forged(room, twist)
    assert status(room, round) is Status.FINAL
    honest, forger = Party(OUTSIDER, {round: right}), Party(MEMBERS[0], {round: wrong})
    room.until_settled([honest, forger])
    assert status(room, round) is Status.OVER
    assert room.chain.view().active == 0
    assert [room.chain.account(member).stake for member in MEMBERS[:4]] == [0] * 4
    account = room.chain.account(OUTSIDER)
    assert account.native_claimable > BOND, "its bond, and what its moves cost"
    assert EnterRoot in {type(one) for one in honest.said}
    assert sum(isinstance(one, Undo) for one in honest.said + forger.said) == 1, "whose turn it is"
    # A byte of the header or of the padding is judged at once; nobody asks for inputs then.
    by_inputs = merkle.LEAF <= twist < LAST - 384
    assert (Prove in {type(one) for one in honest.said + forger.said}) == by_inputs


def test_a_forger_that_keeps_silent_loses_too() -> None:
    room = Courtroom()
    round, right, _ = forged(room, 5_000)
    honest = Party(OUTSIDER, {round: right})
    room.until_settled([honest])
    assert status(room, round) is Status.OVER
    assert sum(isinstance(one, Show) for one in honest.said) == 1, "nothing is shown that nobody asks for"


def test_who_wakes_when_both_have_lost_to_silence_moves_no_more() -> None:
    room = Courtroom()
    round, right, _ = forged(room, 5_000, honest=1)
    tournament = room.chain.tournament(round)
    assert tournament is not None
    room.clock.advance(tournament.start + room.terms.clock_seconds + 1 - room.clock.now)
    view = room.chain.view()
    (one,) = unsettled(room.chain, view)
    assert Show not in {type(act.command) for act in acts(room.chain, one, right, view, MEMBERS[3])}


def test_a_right_root_stands_against_many_that_were_entered() -> None:
    room = Courtroom()
    round, right = room.play()
    for k in range(21):
        room.chain.act(OUTSIDER, EnterRoot(round, context_of(room, round), sha256(bytes([k])).digest()))
    sham = right.twisted(9_000)
    room.chain.act(OUTSIDER, EnterRoot(round, context_of(room, round), sham.root))
    defenders = [Party(member, {round: right}) for member in MEMBERS[:4]]
    room.until_settled([*defenders, Party(OUTSIDER, {round: sham})])
    assert status(room, round) is Status.SETTLED
    assert room.chain.view().active == 0b1111
    assert [room.chain.account(member).stake for member in MEMBERS[:4]] == [STAKE] * 4
    for member in MEMBERS[:4]:
        assert room.chain.account(member).bonds == room.terms.bonds
    moves = Counter(type(one) for party in defenders for one in party.said)
    assert moves[Show] >= 3, "one against a root that nobody shows, and two against the last"
    assert moves[ShowLeaf] <= 1
    spent = [one for party in defenders for one in party.said if isinstance(one, Show | ShowLeaf | Prove)]
    credited = sum(room.chain.account(member).native_claimable for member in MEMBERS[:4])
    assert credited == COST * len(spent), "whoever moved has all that it cost, and no bond more"


def test_who_lacks_an_update_says_nothing_for_any_root_and_still_settles() -> None:
    room = Courtroom()
    round, _, _ = forged(room, 5_000, honest=1)
    ignorant = Party(MEMBERS[1], {})
    room.until_settled([ignorant])
    assert {type(one) for one in ignorant.said} <= {Undo, Settle, Collect}
    assert status(room, round) is Status.OVER, "nobody moved for either"


def test_a_minority_defends_its_root_in_a_void_round() -> None:
    room = Courtroom()
    round, right, _ = forged(room, 5_000, honest=2)
    assert status(room, round) is Status.VOID
    room.until_settled([Party(MEMBERS[2], {round: right}), Party(MEMBERS[3], {round: right})])
    assert status(room, round) is Status.OVER
    stakes = [room.chain.account(member).stake for member in MEMBERS[:4]]
    assert stakes == [0, 0, STAKE, STAKE]
    assert room.chain.account(MEMBERS[3]).claimable == 2 * STAKE // 10 // 2, "a tenth of what is slashed, in two"
    assert room.chain.view().active == 0b1100


def test_who_attested_what_has_lost_is_dealt_with_at_once_and_not_when_all_is_settled() -> None:
    room = Courtroom()
    round, right, wrong = forged(room, 5_000)
    sham = right.twisted(9_000)
    for root in (right.root, sha256(b"nothing").digest(), sham.root):
        room.chain.act(OUTSIDER, EnterRoot(round, context_of(room, round), root))
    honest, forger = Party(OUTSIDER, {round: right}), Party(MEMBERS[0], {round: sham})
    room.go([honest, forger], room.terms.window_seconds + room.terms.stage_seconds)
    entry = room.chain.entry(round, 0)
    assert entry is not None
    assert (entry.root, entry.fate, entry.collected) == (wrong.root, Fate.LOST, True)
    assert room.chain.view().active == 0
    assert room.chain.view().unsettled == 1, "the other one has yet to be met"
    room.until_settled([honest, forger])
    assert (last := room.chain.entry(round, 3)) is not None
    assert (last.fate, last.stage) == (Fate.LOST, 1)


def test_rounds_are_settled_in_their_order_as_soon_as_they_can_be() -> None:
    room = Courtroom()
    first, _ = room.play()
    second, _ = room.play()
    parties = [Party(member, {}) for member in MEMBERS[:4]]
    room.until_settled(parties)
    settled = [said.values["round"] for said in room.chain.events if said.name == "Settled"]
    assert settled == [first, second]
    assert sum(isinstance(one, Settle) for party in parties for one in party.said) == 2
    assert status(room, second) is Status.SETTLED


def test_bonds_come_back_from_a_tournament_whose_base_fell() -> None:
    room = Courtroom()
    first, right, _ = forged(room, 5_000)
    second, later = room.play()
    sham = later.twisted(8_000)
    room.chain.act(MEMBERS[0], EnterRoot(second, context_of(room, second), sham.root))
    entrant = Party(MEMBERS[0], {second: sham})
    room.until_settled([Party(OUTSIDER, {first: right}), entrant])
    assert status(room, first) is Status.OVER
    assert status(room, second) is Status.OVER
    assert Collect(second, 1) in entrant.said
    assert room.chain.account(MEMBERS[0]).native_claimable == BOND


def test_a_bond_is_had_back_long_after_the_round_is_settled() -> None:
    room = Courtroom(max_unsettled=4, max_missed=0)
    first, right, _ = forged(room, 5_000)
    room.chain.act(OUTSIDER, EnterRoot(first, context_of(room, first), right.root))
    anybody, entrant = Party(MEMBERS[3], {first: right}), Party(OUTSIDER, {first: right}, awake=False)
    room.until_settled([anybody])
    entrant.awake = True
    room.go([entrant], 4)
    assert entrant.said == [Collect(first, 1)]
    assert room.chain.account(OUTSIDER).native_claimable == BOND


class Counting:
    """Counts what is read of the court."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        self.reads += 1
        return getattr(self._ledger, name)


def reads_of_a_look(stages: int) -> int:
    """Return how much is read when the last of 2**(stages - 1) + 1 entries, which nobody else meets, is met."""
    room = Courtroom()
    round, right = room.play()
    for k in range(1 << (stages - 1)):
        room.chain.act(OUTSIDER, EnterRoot(round, context_of(room, round), sha256(k.to_bytes(2, "big")).digest()))
    defender = Party(MEMBERS[0], {round: right})
    start = room.clock.now + room.terms.window_seconds + (stages - 1) * room.terms.stage_seconds
    room.go([defender], start - room.clock.now - 20, step=20)
    room.clock.advance(start + 1 - room.clock.now)
    counting: Any = Counting(room.chain)
    view = room.chain.view()
    (one,) = unsettled(room.chain, view)
    due = list(acts(counting, one, right, view, MEMBERS[0]))
    assert isinstance(due[0].command, Show)
    assert due[0].command.point.stage == stages - 1
    return int(counting.reads)


def test_a_look_reads_little_however_many_entries_there_are() -> None:
    few, many = reads_of_a_look(3), reads_of_a_look(9)
    assert many <= few + 6 * 3, "three a stage"
    assert many < 50


def test_a_look_for_attesters_reads_little_in_a_flood_and_looks_come_to_all_entries() -> None:
    room = Courtroom(8)
    room.play(lambda i, right: right.root if i < 6 else None)  # two are slow
    for k in range(200):
        room.chain.act(OUTSIDER, EnterRoot(1, context_of(room, 1), sha256(k.to_bytes(2, "big")).digest()))
    for i in (6, 7):
        room.chain.act(MEMBERS[i], Attest(1, context_of(room, 1), bytes([i]) * 32))
    room.chain.act(OUTSIDER, EnterRoot(1, context_of(room, 1), b"x" * 32))  # so that nobody passes to the end
    room.clock.advance(room.terms.attest_seconds + room.terms.window_seconds + 9 * room.terms.stage_seconds)
    suspects, most = set[int](), 0
    for _ in range(PARTS):
        counting: Any = Counting(room.chain)
        view = room.chain.view()
        (one,) = unsettled(room.chain, view)
        found = [act.command for act in acts(counting, one, None, view, OUTSIDER)]
        suspects |= {command.number for command in found if isinstance(command, Collect)}
        most = max(most, counting.reads)
        room.clock.advance(2)
    assert suspects == {0, 201, 202}
    assert most < 160


def test_what_a_move_would_have_to_look_through_is_worked_out_part_by_part_first() -> None:
    room = Courtroom()
    round, right = room.play()
    for k in range(1_500):
        room.chain.act(OUTSIDER, EnterRoot(round, context_of(room, round), sha256(k.to_bytes(2, "big")).digest()))
    defender = Party(MEMBERS[0], {round: right})
    room.go([], room.terms.window_seconds, step=20)
    room.go([defender], 11 * room.terms.stage_seconds, step=25)
    resolved = [one for one in defender.said if isinstance(one, Resolve)]
    assert sorted(resolved, key=lambda one: one.block) == [Resolve(round, 9, part) for part in range(3)]
    room.until_settled([defender], step=25)
    assert status(room, round) is Status.SETTLED
    assert room.chain.account(MEMBERS[1]).stake == STAKE


@pytest.mark.parametrize("awake", [0, 5])
def test_one_that_is_awake_is_enough_whoever_comes_before_it(awake: int) -> None:
    room = Courtroom(n=6, clock_seconds=20, proof_seconds=20)
    round, right, wrong = forged(room, 5_000)
    parties = [Party(OUTSIDER, {round: wrong}), Party(MEMBERS[awake], {round: right})]
    room.until_settled(parties, step=1)
    assert status(room, round) is Status.OVER


def test_several_take_turns_and_no_move_is_made_twice() -> None:
    room = Courtroom()
    round, right, wrong = forged(room, 5_000, honest=1)
    parties = [Party(member, {round: right}) for member in (*MEMBERS[:4], OUTSIDER)]
    room.until_settled([*parties, Party("0x" + "77" * 20, {round: wrong})])
    for kind in (EnterRoot, Undo, Settle, ShowLeaf):
        assert sum(isinstance(one, kind) for party in parties for one in party.said) <= 1
    assert status(room, round) is Status.OVER
    assert room.chain.account(MEMBERS[3]).stake == STAKE


@pytest.mark.parametrize("before", range(0, 257, 32))
def test_nobody_waits_for_others_longer_than_half_a_clock(before: int) -> None:
    act = CourtAct(Undo(1), since=1_000, by=1_050)
    assert act.waits(before, 2, 1_000, 1_000) == (before > 0)
    assert not act.waits(before, 2, 1_000, 1_050)
    assert not act.waits(before, 2, 1_000, 1_000 + 2 * before)


def test_who_moved_is_reimbursed_and_asks_for_nothing_twice() -> None:
    room = Courtroom()
    round, right, wrong = forged(room, 5_000)
    honest = Party(OUTSIDER, {round: right})
    room.until_settled([honest, Party(MEMBERS[0], {round: wrong})])
    room.go([honest], 100)
    assert [one for one in honest.said if isinstance(one, Reimburse)] == [Reimburse(round, 0, 0, OUTSIDER)]
    moves = [one for one in honest.said if isinstance(one, Show | ShowLeaf | Prove)]
    assert room.chain.account(OUTSIDER).native_claimable == BOND + COST * len(moves)


class Halfhearted(Party):
    """Proves one input, and leaves the others to others."""

    has_proved = False

    def due(self, room: Courtroom) -> Iterable[Command]:
        for command in super().due(room):
            if not isinstance(command, Prove):
                yield command
            elif not self.has_proved:
                self.has_proved = True
                yield replace(command, inputs=command.inputs[:1])


def test_where_both_lose_who_moved_is_paid_alike_whoever_asks_first() -> None:
    room = Courtroom(bond=COST // 3)
    round, right = room.play()
    sham = right.twisted(5_000)
    room.chain.act(OUTSIDER, EnterRoot(round, context_of(room, round), sham.root))
    movers = [Halfhearted(member, {round: right}) for member in MEMBERS[:2]]
    forger = Halfhearted(OUTSIDER, {round: sham})
    while (match := room.chain.match(round, 0, 0)) is None or match.proven.bit_count() < 3:
        room.go([*movers, forger], 1, step=1)
    room.clock.advance(room.terms.proof_seconds)
    storage = room.chain.storage
    costs = {who: storage.costs_of[(round, 0, 0), who].due(3) for who in (*MEMBERS[:2], OUTSIDER)}
    room.until_settled(movers)
    for who in MEMBERS[:2]:
        if room.chain.owed(round, 0, 0, who):
            room.chain.act(who, Reimburse(round, 0, 0, who))
    total, pot = sum(costs.values()), (len(MEMBERS[:4]) + 1) * (COST // 3)
    assert pot < total, "the bonds do not suffice"
    for who in MEMBERS[:2]:
        assert room.chain.account(who).native_claimable == costs[who] * pot // total


def test_nothing_is_entered_under_a_rule_that_the_court_cannot_recompute() -> None:
    room = Courtroom(rule=0)
    round, right, _ = forged(room, 5_000)
    honest = Party(OUTSIDER, {round: right})
    room.until_settled([honest])
    assert {type(one) for one in honest.said} == {Settle}


def test_nobody_enters_late_or_twice_or_what_is_final_already() -> None:
    room = Courtroom()
    _, right, _ = forged(room, 5_000)
    view = room.chain.view()
    (one,) = unsettled(room.chain, view)
    (entering,) = acts(room.chain, one, right, view, OUTSIDER)
    assert isinstance(entering.command, EnterRoot)
    assert list(acts(room.chain, one, None, view, OUTSIDER)) == []
    room.chain.act(OUTSIDER, entering.command)
    assert list(acts(room.chain, one, right, view, OUTSIDER)) == []
    late = Courtroom()
    _, right, _ = forged(late, 5_000)
    late.clock.advance(late.terms.attest_seconds + late.terms.window_seconds + 1)
    view = late.chain.view()
    (one,) = unsettled(late.chain, view)
    assert [type(act.command) for act in acts(late.chain, one, right, view, OUTSIDER)] == [Settle]

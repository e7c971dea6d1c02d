"""Matches and their results on the ledger in memory, as ``contracts/test/Match.t.sol`` has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rayfed.encoding import merkle
from rayfed.encoding.primitives import NO_ROOT
from rayfed.protocol import commands
from rayfed.protocol.court import Fate, MatchState, Shown
from rayfed.protocol.messages import Phase, Status
from tests import trials
from tests.trials import Blob
from tests.worlds import (
    ATTEST,
    BOND,
    CLOCK,
    ETHER,
    PROOF,
    REWARD,
    STAGE,
    STAKE,
    START,
    THIEF,
    UNSETTLED,
    WATCHER,
    WINDOW,
    World,
    member,
    refused,
    root,
)

SETTLE = commands.Settle(1)


def test_a_wrong_final_root_loses_to_one_honest_attester() -> None:
    w = World()
    wrong, right = w.forge()
    assert w.held(1).status is Status.FINAL
    w.to_tournament()
    w.descend(wrong, right)
    w.prove()
    assert (w.fate(1, 0), w.fate(1, 1)) == (Fate.LOST, Fate.WON)
    with refused("UndoFirst"):
        w.do(WATCHER, SETTLE)
    w.do(WATCHER, commands.Undo(1))
    assert w.held(1).status is Status.VOID
    assert w.chain.outcome(1).root == NO_ROOT  # type: ignore[union-attr]
    assert w.chain.view().active == 8, "unseated at once"
    assert w.stands == (2, Phase.FORMING)
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [0, 0, 0, 1]
    assert [w.chain.account(member(i)).bonds // BOND for i in range(4)] == [UNSETTLED - 1] * 3 + [UNSETTLED]
    assert w.chain.account(member(3)).claimable == 30 * ETHER, "a tenth of what was slashed"
    assert w.chain.account(member(0)).slashed == STAKE
    books = w.chain.books()
    assert (books.pool, books.burned) == (1000 * ETHER, 270 * ETHER)


@pytest.mark.parametrize("rule", [1, 2, 3])
def test_a_right_final_root_beats_a_sham_and_is_paid(rule: int) -> None:
    w = World(rule=rule, trim=2500)
    sham, right = w.sue()
    w.to_tournament()
    w.descend(right, sham)
    w.prove()
    with refused("NotLost"):
        w.do(WATCHER, commands.Undo(1))
    w.do(WATCHER, SETTLE)
    assert w.held(1).status is Status.SETTLED
    assert w.stakes() == [1] * 4
    assert [w.chain.account(member(i)).claimable for i in range(4)] == [REWARD // 4] * 4
    w.do(WATCHER, commands.Collect(1, 1))
    assert w.chain.books().native_burned == BOND
    assert w.chain.entry(1, 1).collected  # type: ignore[union-attr]
    assert w.chain.view().base_settled


# -- what moves pay ------------------------------------------------------------------


def test_the_losers_bond_pays_who_moved_and_the_rest_is_burned() -> None:
    w = World()
    sham, right = w.sue()
    w.to_tournament()
    w.step(w.point(), right, None, THIEF, cost=100)
    w.step(w.point(), right, sham, WATCHER, cost=300)
    w.step(w.point(), right, sham, WATCHER, cost=50)
    w.do(THIEF, w.proof(w.point()), cost=7)
    with refused("NothingThere"):
        w.do(WATCHER, commands.Reimburse(1, 0, 0, THIEF))
    w.do(WATCHER, commands.Collect(1, 1))
    assert w.chain.owed(1, 0, 0, THIEF) == 107
    w.do(WATCHER, commands.Reimburse(1, 0, 0, THIEF))
    w.do(THIEF, commands.Reimburse(1, 0, 0, WATCHER))
    assert [w.chain.account(who).native_claimable for who in (THIEF, WATCHER)] == [107, 350]
    assert w.chain.books().native_burned == BOND - 457
    with refused("NothingThere"):
        w.do(WATCHER, commands.Reimburse(1, 0, 0, THIEF))
    with refused("NothingToCollect"):
        w.do(WATCHER, commands.Collect(1, 1))


def test_where_the_bond_does_not_suffice_it_pays_in_proportion() -> None:
    w = World()
    sham, right = w.sue()
    w.to_tournament()
    w.step(w.point(), right, None, THIEF, cost=BOND)
    w.step(w.point(), right, sham, WATCHER, cost=2 * BOND)
    w.step(w.point(), None, sham, WATCHER, cost=5 * BOND)  # for the side that loses
    w.later(CLOCK + 1)
    w.do(WATCHER, commands.Collect(1, 1))  # nobody spoke for the right root at the leaf: the sham has won
    assert w.chain.account(THIEF).native_claimable == BOND
    w.do(WATCHER, commands.Collect(1, 0))
    assert w.chain.owed(1, 0, 0, WATCHER) + w.chain.owed(1, 0, 0, THIEF) == 4 * BOND
    assert w.chain.owed(1, 0, 0, THIEF) == 0, "its move was for the loser"


def test_moves_for_the_side_that_lost_are_not_paid() -> None:
    w = World()
    sham, _ = w.sue()
    w.to_tournament()
    w.step(w.point(), None, sham, THIEF, cost=5)
    w.later(CLOCK + 1)  # nobody speaks for the right root: this is the assumption, broken
    assert w.fate(1, 0) is Fate.LOST
    w.do(WATCHER, commands.Undo(1))
    w.do(WATCHER, commands.Collect(1, 0))
    w.do(WATCHER, commands.Reimburse(1, 0, 0, THIEF))
    assert w.chain.account(THIEF).native_claimable == 5, "the sham's side won"
    assert w.stakes() == [0] * 4


def test_where_both_lose_their_bonds_pay_what_was_for_both() -> None:
    w = World()
    w.open(1)
    one, two, right = w.wrong(1, by=1), w.wrong(1, by=2), w.right(1)
    for index, merged in enumerate((one, two, right, right)):
        w.attest(1, index, merged.root)
    w.advance()
    w.later(1)
    w.step(w.point(), one, two, cost=3 * BOND // 2)
    w.step(w.point(), one, two)
    w.prove()
    w.do(WATCHER, commands.Collect(1, 0))
    assert w.chain.owed(1, 0, 0, WATCHER) == 0, "who asks before the other has paid gets no other share"
    with refused("NothingThere"):
        w.do(WATCHER, commands.Reimburse(1, 0, 0, WATCHER))
    w.do(WATCHER, commands.Collect(1, 1))
    assert w.chain.owed(1, 0, 0, WATCHER) == 3 * BOND // 2
    assert w.chain.books().native_burned == BOND // 2


# -- clocks ------------------------------------------------------------------


def test_who_is_silent_loses_when_its_clock_has_run_out() -> None:
    w = World()
    _, right = w.sue()
    w.to_tournament()
    start = w.now - 1
    w.step(w.point(), right, None)
    w.at(start + CLOCK)
    assert w.fate(1, 0) is Fate.PENDING
    w.later(1)
    assert (w.fate(1, 0), w.fate(1, 1)) == (Fate.WON, Fate.LOST)
    with refused("MatchOver"):
        w.do(WATCHER, commands.Show(w.point()))
    w.do(WATCHER, SETTLE)


def test_where_nobody_moves_both_lose() -> None:
    w = World()
    w.sue()
    w.to_tournament()
    w.later(CLOCK - 1)
    assert w.fate(1, 0) is Fate.PENDING
    assert w.chain.survivor(1, 1, 0) == (False, None)
    w.later(1)
    assert (w.fate(1, 0), w.fate(1, 1)) == (Fate.LOST, Fate.LOST)
    assert w.chain.survivor(1, 1, 0) == (True, None)


def test_a_clock_is_for_all_steps_together_and_runs_for_who_has_not_shown() -> None:
    w = World(values=128 * 40)
    sham, right = w.sue()
    w.to_tournament()
    t = w.now - 1
    w.at(t + 300)
    w.step(w.point(), right, None)
    w.at(t + 650)
    w.step(w.point(), right, sham)
    match = w.match(1, 0, 0)
    assert (match.clock_i, match.clock_j, match.since) == (CLOCK - 300, CLOCK - 650, t + 650)
    w.at(t + 700)
    w.step(w.point(), right, None)
    assert w.match(1, 0, 0).winner is None
    w.later(1)
    assert (w.match(1, 0, 0).winner, w.match(1, 0, 0).state) == (0, MatchState.DECIDED)


def test_with_neither_shown_who_has_less_time_left_loses_first() -> None:
    w = World(values=128 * 40)
    sham, right = w.sue()
    w.to_tournament()
    t = w.now - 1
    w.at(t + 10)
    w.step(w.point(), None, sham)
    w.at(t + 20)
    w.step(w.point(), right, sham)
    w.at(t + CLOCK)
    assert w.match(1, 0, 0).winner is None
    w.later(1)
    assert w.match(1, 0, 0).winner == 1, "the left one had ten seconds less"


def test_unproved_inputs_are_both_sides_loss() -> None:
    w = World()
    sham, right = w.sue()
    w.to_tournament()
    w.descend(right, sham)
    t, point = w.now, w.point()
    w.do(WATCHER, w.proof(point, [0, 1, 2]))
    assert w.match(1, 0, 0).proven == 7
    w.at(t + PROOF)
    assert w.fate(1, 0) is Fate.PENDING
    w.later(1)
    assert (w.fate(1, 0), w.fate(1, 1)) == (Fate.LOST, Fate.LOST)
    with refused("MatchOver"):
        w.do(WATCHER, w.proof(point, [3]))


# -- what is judged ------------------------------------------------------------------


def test_if_both_values_are_wrong_both_lose_and_the_third_passes() -> None:
    w = World()
    w.open(1)
    one, two, right = w.wrong(1, by=1), w.wrong(1, by=2), w.right(1)
    for index, merged in enumerate((one, two, right, right)):
        w.attest(1, index, merged.root)
    w.advance()
    assert w.held(1).status is Status.VOID
    w.later(1)
    w.descend(one, two)
    w.prove()
    assert [w.fate(1, number) for number in range(3)] == [Fate.LOST, Fate.LOST, Fate.WON]
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [0, 0, 1, 1]
    assert w.chain.account(member(2)).claimable == 10 * ETHER
    assert w.chain.view().active == 12


def _judged(one: bytes, other: bytes, w: World) -> list[Fate]:
    """Let two blobs meet, of which the first is final, and see what comes of it at the leaf."""
    left, right = Blob(one), Blob(other)
    for index in range(4):
        w.attest(1, index, left.root)
    w.advance()
    w.enter(THIEF, 1, right.root)
    w.to_tournament()
    w.descend(left, right)
    return [w.fate(1, 0), w.fate(1, 1)]


@pytest.mark.parametrize("at", [0, 32, 73, 146, 219, 292, 365, 438, 511])
def test_a_merged_header_is_exact_to_the_byte(at: int) -> None:
    w = World()
    w.open(1)
    right = w.right(1)
    sham = right.with_bytes(at, bytes([right.data[at] ^ 1]))
    assert _judged(right.data, sham.data, w) == [Fate.WON, Fate.LOST]


def test_padding_is_judged_without_inputs() -> None:
    w = World()
    w.open(1)
    assert _judged(w.right(1).with_value(1100, 1).data, w.right(1).data, w) == [Fate.LOST, Fate.WON]


def test_two_wrong_headers_both_lose() -> None:
    w = World()
    w.open(1)
    one, two = (w.right(1).with_bytes(at, b"\1").data for at in (400, 401))
    assert _judged(one, two, w) == [Fate.LOST, Fate.LOST]


def test_weights_are_read_as_they_lie() -> None:
    w = World()
    updates = []
    for index in range(4):
        rubbish = trials.update(w.terms, 1, index)
        for word in range(16):
            rubbish = rubbish.with_word(word, 2**256 - 1 - index)
        weight = {1: 0, 2: 500}.get(index)
        updates.append(rubbish if weight is None else rubbish.with_word(7, weight))
        w.commit(1, index, updates[-1].root)
    w.advance()
    w.vote_all(1)
    right = trials.merge(w.terms, 1, tuple(updates))
    weights, values = (1000, 1, 500, 1000), [update.value(7) for update in updates]
    assert right.value(7) == sum(a * b for a, b in zip(weights, values, strict=True)) // sum(weights)
    assert _judged(right.data, right.with_value(7, 0).data, w) == [Fate.PENDING, Fate.PENDING]
    proof = w.proof(w.point(), [])
    inputs = [update.proof(which, 1) for which, update in enumerate(updates)]
    w.do(WATCHER, replace(proof, inputs=inputs))
    assert w.fate(1, 0) is Fate.WON


@pytest.mark.parametrize("leaves", [2, 3, 5, 32, 33, 34, 65, 97, 129, 1025])
def test_descents_through_trees_of_many_shapes(leaves: int) -> None:
    w = World(2, values=(leaves - 1) * 128)
    w.open(1)
    right = w.right(1)
    sham = right.with_value(w.terms.values - 1, 77)  # the last leaf, which has no neighbour in most of them
    for index in range(2):
        w.attest(1, index, right.root)
    w.advance()
    w.enter(THIEF, 1, sham.root)
    w.to_tournament()
    steps = 0
    while w.chain.match(1, 0, 0) is None or w.match(1, 0, 0).state is MatchState.DESCENT:
        point = w.point()
        w.step(point, right, None)
        w.step(point, right, sham)
        shown = w.chain.shown(point)
        if point.count > 1:
            assert merkle.root_of(shown.parts_i) != merkle.root_of(shown.parts_j)
        else:
            assert (shown.leaf_i, shown.leaf_j) == (right.leaf(leaves - 1), sham.leaf(leaves - 1))
        steps += 1
    assert steps <= 3
    assert w.chain.shown(replace(point, first=1, count=2)) == Shown()
    w.prove()
    assert w.fate(1, 0) is Fate.WON


# -- what is refused ------------------------------------------------------------------


def test_entries_that_cannot_be() -> None:
    w = World()
    context = w.context(1)
    for round in (1, 0):
        with refused("NotFinal"):
            w.do(THIEF, commands.EnterRoot(round, context, root("sham")))
    w.play(1)
    with refused("WrongContext"):
        w.do(THIEF, commands.EnterRoot(1, context, root("sham")))
    enter = commands.EnterRoot(1, w.context(1), root("sham"))
    with refused("WrongBond"):
        w.do(THIEF, enter, value=BOND - 1)
    with refused("ZeroRoot"):
        w.enter(THIEF, 1, NO_ROOT)
    with refused("AlreadyEntered"):
        w.enter(THIEF, 1, w.right(1).root)
    w.do(THIEF, enter, value=BOND)
    with refused("AlreadyEntered"):
        w.do(WATCHER, enter)
    w.at(START + WINDOW)
    w.enter(THIEF, 1, root("in the last second"))
    w.later(1)
    with refused("WindowClosed"):
        w.enter(THIEF, 1, root("late"))


def test_nothing_is_entered_against_a_settled_round() -> None:
    w = World()
    w.play(1)
    w.at(START + ATTEST + WINDOW + 1)
    w.do(WATCHER, SETTLE)
    with refused("NotFinal"):
        w.enter(THIEF, 1, root("sham"))
    with refused("NotFinal"):
        w.do(WATCHER, commands.Undo(1))
    with refused("NotUnsettled"):
        w.do(WATCHER, SETTLE)


def test_moves_out_of_turn_time_or_place() -> None:
    w = World()
    sham, right = w.sue()
    p = w.point()
    parts, shams = right.parts(p.first, p.count), sham.parts(p.first, p.count)
    with refused("TooEarly"):
        w.do(WATCHER, commands.Show(p, parts, shams))
    w.to_tournament()
    for i, j, stage in ((1, 0, 0), (0, 2, 0), (0, 1, 1)):
        with refused("NotPaired"):
            w.do(WATCHER, commands.Show(replace(p, i=i, j=j, stage=stage), parts, shams))
    with refused("WrongPoint"):
        w.do(WATCHER, commands.Show(replace(p, count=3), parts, shams))
    with refused("NoTournament"):
        w.do(WATCHER, commands.Show(replace(p, round=2), parts, shams))
    with refused("NothingNew"):
        w.do(WATCHER, commands.Show(p))
    with refused("WrongKind"):
        w.do(WATCHER, commands.ShowLeaf(p, right.leaf(0), sham.leaf(0)))
    with refused("WrongParts"):
        w.do(WATCHER, commands.Show(p, parts[1:], shams))
    with refused("WrongShape"):
        w.do(WATCHER, commands.Show(p, shams, parts))
    w.do(WATCHER, commands.Show(p, (), shams))
    with refused("NothingNew"):
        w.do(WATCHER, commands.Show(p, (), shams))
    with refused("BothNeeded"):
        w.do(WATCHER, commands.Show(p, parts))
    with refused("NotPaired"):
        w.do(WATCHER, commands.Show(replace(p, j=2), parts, shams))
    w.do(WATCHER, commands.Show(p, parts, shams))
    assert w.chain.shown(p) == Shown(parts_i=parts, parts_j=shams)
    with refused("WrongPoint"):
        w.do(WATCHER, commands.Show(p, parts, shams))


def test_at_a_leaf() -> None:
    w = World()
    sham, right = w.sue()
    w.to_tournament()
    w.step(w.point(), right, sham)
    p = w.point()
    assert (p.first, p.count) == (6, 1)
    with refused("NotProving"):
        w.do(WATCHER, w.proof(p))
    with refused("WrongKind"):
        w.do(WATCHER, commands.Show(p, (bytes(32),)))
    with refused("WrongShape"):
        w.do(WATCHER, commands.ShowLeaf(p, right.leaf(5), sham.leaf(6)))
    with refused("WrongLeafLength"):
        w.do(WATCHER, commands.ShowLeaf(p, bytes(511), sham.leaf(6)))
    w.do(WATCHER, commands.ShowLeaf(p, right.leaf(6)))
    with refused("BothNeeded"):
        w.do(WATCHER, commands.ShowLeaf(p, b"", sham.leaf(6)))
    w.do(WATCHER, commands.ShowLeaf(p, right.leaf(6), sham.leaf(6)))
    assert w.match(1, 0, 0).state is MatchState.PROVING
    with refused("WrongKind"):
        w.do(WATCHER, commands.ShowLeaf(p, right.leaf(6), sham.leaf(6)))
    proof = w.proof(p)
    first, second = proof.inputs[:2]
    elsewhere = w.updates(1)[0].proof(0, 5)
    for name, wrong in {
        "WrongRoots": replace(proof, roots=proof.roots[:3]),
        "NoSuchInput": replace(proof, inputs=[replace(first, which=4)]),
        "NothingNew": replace(proof, inputs=[]),
    }.items():
        with refused(name):
            w.do(WATCHER, wrong)
    with refused("WrongRoots"):
        w.do(WATCHER, replace(proof, voting=bytes(32)))
    for proved in (replace(first, which=1), elsewhere, replace(first, header=second.header), replace(first, path=())):
        with refused("WrongProof"):
            w.do(WATCHER, replace(proof, inputs=[proved]))
    for proved in (replace(first, leaf=b"short"), replace(first, header=b"")):
        with refused("WrongLeafLength"):
            w.do(WATCHER, replace(proof, inputs=[proved]))
    w.do(WATCHER, w.proof(p, [0]))
    with refused("NothingNew"):
        w.do(WATCHER, w.proof(p, [0]))


def test_settling_early() -> None:
    w = World()
    w.play(1)
    with refused("NotOver"):
        w.do(WATCHER, commands.Settle(1, 1))
    w.play(2)
    w.at(START + ATTEST + WINDOW + 1)
    with refused("BaseUnsettled"):
        w.do(WATCHER, commands.Settle(2, 1))
    w.do(WATCHER, commands.Settle(1, 0))
    w.do(WATCHER, commands.Settle(2, 0))
    for round in (3, 0):
        with refused("NotUnsettled"):
            w.do(WATCHER, commands.Settle(round, 1))


def test_settles_in_parts() -> None:
    w = World()
    w.open(1)
    for index in range(4):
        w.attest(1, index, root("sham", index))
    w.advance()
    with refused("NotOver"):
        w.do(WATCHER, commands.Settle(1, 3))
    w.later(2 * STAGE + 1)
    w.do(WATCHER, commands.Settle(1, 3))
    assert (w.stakes(), w.held(1).status) == ([0, 0, 0, 1], Status.VOID)
    w.do(WATCHER, commands.Settle(1, 3))
    assert (w.stakes(), w.held(1).status) == ([0, 0, 0, 0], Status.OVER)
    assert w.chain.books().burned == 4 * STAKE


def test_nothing_is_resolved_before_the_tournament_begins_nor_beyond_the_entries() -> None:
    w = World()
    w.open(1)
    for index in range(4):
        w.attest(1, index, root("sham") if index == 3 else root("m"))
        with refused("NoTournament"):
            w.do(WATCHER, commands.Resolve(1, 1, 0))
        with refused("NothingToCollect"):
            w.do(WATCHER, commands.Collect(1, 1))
    w.advance()
    w.at(w.chain.tournament(1).start)  # type: ignore[union-attr]
    with refused("TooEarly"):
        w.do(WATCHER, commands.Resolve(1, 1, 0))
    with refused("NotLost"):
        w.do(WATCHER, commands.Undo(1))
    with refused("NotOver"):
        w.do(WATCHER, SETTLE)
    assert w.fate(1, 0) is Fate.PENDING
    assert w.chain.survivor(1, 1, 0) == (False, None)
    w.later(1)
    with refused("TooEarly"):
        w.do(WATCHER, commands.Resolve(1, 1, 0))
    for level, block in ((0, 0), (2, 0), (1, 1), (1, 1 << 16), (1, 1 << 255)):
        with refused("NoTournament"):
            w.do(WATCHER, commands.Resolve(1, level, block))
    w.later(CLOCK)
    w.do(WATCHER, commands.Resolve(1, 1, 0))
    with refused("NothingNew"):
        w.do(WATCHER, commands.Resolve(1, 1, 0))
    assert w.match(1, 0, 0).state is MatchState.DECIDED


# -- what only another ledger can say ------------------------------------------------------------------


def test_what_is_believed_of_another_ledger() -> None:
    w = World()
    sham, right = w.sue()
    w.to_tournament()
    with refused("NotProving"):
        w.chain.believe_proved(w.point(), 3)
    w.descend(right, sham)
    w.chain.believe_proved(w.point(), 3)
    for proven, name in ((3, "NothingNew"), (4, "NothingNew"), (31, "NoSuchInput")):
        with refused(name):
            w.chain.believe_proved(w.point(), proven)
    w.chain.believe_proved(w.point(), 15, winner=0)
    assert (w.fate(1, 0), w.match(1, 0, 0).proven) == (Fate.WON, 15)
    w.chain.believe_spent(1, 1, 40)
    w.do(WATCHER, commands.Collect(1, 1))
    assert w.chain.events[-1].values == {"round": 1, "number": 1, "setAside": 40, "burned": BOND - 40}
    w.chain.believe_reimbursed(1, WATCHER, 40)
    assert w.chain.account(WATCHER).native_claimable == 40

"""Rounds on the ledger in memory, clause by clause as ``contracts/test/Rounds.t.sol`` has them."""

from __future__ import annotations

import pytest

from rayfed.encoding.primitives import NO_ROOT
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol import commands
from rayfed.protocol.messages import Phase, Status
from tests.worlds import (
    ATTEST,
    COMMIT,
    ETHER,
    FOUNDER,
    JOIN,
    START,
    TERMS,
    UNSETTLED,
    VOTE,
    WATCHER,
    WINDOW,
    World,
    member,
    refused,
    root,
)


def test_rounds_to_the_end() -> None:
    w = World(max_unsettled=8)
    for round in range(1, 6):
        assert w.stands == (round, Phase.COMMIT)
        w.play(round)
    w.later(WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))
    assert w.stands == (5, Phase.DONE)
    view = w.chain.view()
    assert (view.finals, view.base_round, view.base) == (5, 5, w.held(5).root)
    assert not view.base_settled
    assert not view.due
    assert w.chain.outcome(1).status is Status.SETTLED  # type: ignore[union-attr]
    assert w.chain.outcome(5).status is Status.FINAL  # type: ignore[union-attr]
    assert w.chain.outcome(6) is None


def test_no_round_opens_in_a_slot_in_use_though_few_are_unsettled() -> None:
    w = World(max_unsettled=3, max_missed=0)
    w.play(1)
    w.sleep()
    w.sleep()
    assert w.stands == (3, Phase.WAITING)
    assert w.chain.view().unsettled == 1
    w.later(WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))
    w.advance()
    assert w.stands == (4, Phase.COMMIT)
    assert w.chain.view().base_round == 1, "round 3 knew it"
    assert w.chain.round_of(1) is None, "written anew"
    assert [number for number in w.terms.slots(4) if w.chain.round_of(number) is not None] == [2, 3, 4]


def test_a_round_can_be_read_while_the_next_is_open() -> None:
    w = World(max_unsettled=1)
    for round in range(1, 4):
        w.play(round)
        assert w.stands == (round, Phase.WAITING)
        w.later(WINDOW + 1)
        w.do(WATCHER, commands.Settle(round))
        w.advance()
        assert w.stands == (round + 1, Phase.COMMIT)
        previous = w.chain.view().previous
        assert previous is not None
        assert previous.status is Status.SETTLED
        assert [number for number in range(1, round + 2) if w.chain.round_of(number)] == [round, round + 1]


def test_what_is_said_of_a_phase() -> None:
    w = World()
    view = w.chain.view()
    assert (view.phase, view.deadline, view.due, view.roster) == (Phase.COMMIT, START + COMMIT, False, 15)
    assert (view.base, view.base_round, view.base_context) == (TERMS.genesis, 0, TERMS.charter)
    assert view.base_settled
    assert view.members == tuple(member(i) for i in range(4))
    w.commit(1, 2, root("u"))
    view = w.chain.view()
    assert (view.committed, view.spoken, view.roots) == (4, 4, (NO_ROOT, NO_ROOT, root("u"), NO_ROOT))
    for index in (0, 1, 3):
        w.commit(1, index, root(index))
    assert w.chain.view().due
    assert w.chain.view().phase is Phase.COMMIT
    w.advance()
    w.vote(1, 1, 6, 9)
    view = w.chain.view()
    assert (view.deadline, view.voted, view.accepts, view.misses) == (START + VOTE, 2, (0, 6, 0, 0), (0, 9, 0, 0))
    assert view.previous is None


def test_no_step_is_taken_that_is_not_due() -> None:
    w = World()
    with refused("NothingDue"):
        w.advance()
    w.at(START + COMMIT)
    w.advance()
    assert w.stands == (2, Phase.COMMIT)


def test_what_comes_after_a_deadline_is_refused_though_nobody_closed_the_phase() -> None:
    w = World()
    w.at(START + COMMIT)
    with refused("WrongPhase"):
        w.commit(1, 0, root("late"))


def test_every_statement_names_what_it_rests_on() -> None:
    w = World()
    opening = w.context(1)
    with refused("WrongContext"):
        w.do(member(0), commands.Commit(1, bytes(32), root("u")))
    w.commit_all(1)
    with refused("WrongContext"):
        w.do(member(0), commands.Vote(1, opening, 15))
    voting = w.context(1)
    w.vote_all(1)
    with refused("WrongContext"):
        w.do(member(0), commands.Attest(1, voting, root("m")))


def test_a_context_binds_who_is_behind_an_index() -> None:
    one, other = World(), World(found=False)
    for index in (1, 0, 2, 3):
        other.equip(member(index))
        other.join(index)
    other.advance()
    assert one.held(1).roster == other.held(1).roster == 15
    assert one.context(1) != other.context(1)


def test_more_than_half_include_and_misses_veto_nothing() -> None:
    w = World()
    w.commit_all(1)
    for index, (accepts, misses) in enumerate([(7, 0), (3, 4), (1, 2), (2, 5)]):
        w.vote(1, index, accepts, misses)
    w.advance()
    assert w.held(1).included == 3


def test_ballots_that_cannot_be() -> None:
    w = World()
    for index in range(3):
        w.commit(1, index, root(index))
    w.sleep()
    with refused("BallotContradicts"):
        w.vote(1, 0, 3, 6)
    with refused("BallotOutsideCommits"):
        w.vote(1, 0, 15)
    with refused("BallotOutsideCommits"):
        w.vote(1, 0, 7, 8)


def test_min_members_holds_for_what_is_merged() -> None:
    w = World()
    w.commit_all(1)
    for index in range(4):
        w.vote(1, index, 15 if index == 3 else 1)
    w.advance()
    assert w.held(1).status is Status.OVER
    assert w.stands == (2, Phase.COMMIT)
    assert w.held(2).base == TERMS.genesis
    assert w.chain.view().unsettled == 0


@pytest.mark.parametrize(("have", "attesting", "excused", "left"), [(4, 3, 0x70, 0x77), (5, 4, 0, 0x0F)])
def test_who_misses_what_at_most_two_thirds_have_is_excused(have: int, attesting: int, excused: int, left: int) -> None:
    w = World(7, max_missed=1)
    w.commit_all(1)
    for index in range(7):
        w.vote(1, index, *((127, 0) if index < have else (126, 1)))
    w.advance()
    assert w.held(1).included == 127
    assert w.held(1).excused == excused
    for index in range(attesting):
        w.attest(1, index, root("m"))
    w.sleep()
    assert w.held(1).status is Status.VOID
    assert w.chain.view().active == left


def test_missing_what_is_not_included_excuses_nobody() -> None:
    w = World(7)
    w.commit_all(1)
    for index in range(7):
        w.vote(1, index, 126, 1)
    w.advance()
    assert (w.held(1).included, w.held(1).excused) == (126, 0)


def test_silence_in_a_final_round_is_no_absence() -> None:
    w = World()
    for round in range(1, 4):
        w.open(round)
        for index in range(3):
            w.attest(round, index, root(round))
        w.advance()
    assert w.chain.view().active == 15


def test_missing_rounds_in_a_row_drops_a_member_and_presence_ends_the_count() -> None:
    w = World()
    for round in range(1, 5):
        here = range(4) if round == 2 else range(3)
        for index in here:
            w.commit(round, index, root(round, index))
        w.sleep() if round != 2 else w.advance()
        for index in here:
            w.vote(round, index, 7)
        w.sleep() if round != 2 else w.advance()
        for index in range(3):
            w.attest(round, index, root(round))
        w.advance()
        assert w.chain.view().active == (7 if round == 4 else 15)
    assert [event.values for event in w.chain.events if event.name == "Dropped"] == [{"members": 8, "round": 4}]


def test_an_abstaining_commit_is_presence_while_its_base_is_unsettled() -> None:
    w = World()
    with refused("BaseSettled"):
        w.commit(1, 3, NO_ROOT)
    w.play(1)
    for index in range(3):
        w.commit(2, index, root(index))
    w.commit(2, 3, NO_ROOT)
    w.advance()
    assert (w.held(2).committed, w.held(2).abstained) == (7, 8)
    w.vote_all(2, 7)
    for index in range(1, 4):
        w.attest(2, index, root("m"))
    w.advance()
    assert (w.held(2).status, w.held(2).attesters) == (Status.FINAL, 14)
    w.later(ATTEST + WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))
    w.do(WATCHER, commands.Settle(2))
    assert w.chain.account(member(3)).claimable == 3 * ETHER, "round 1; unpaid for round 2"
    assert w.chain.account(member(1)).earned == 9 * ETHER


def test_abstaining_does_not_count_for_min_members() -> None:
    w = World()
    w.play(1)
    w.commit(2, 0, root("u"))
    for index in range(1, 4):
        w.commit(2, index, NO_ROOT)
    w.advance()
    assert w.held(2).status is Status.OVER
    assert w.chain.view().active == 15, "all were present"


def test_nobody_abstains_on_a_settled_base() -> None:
    w = World()
    w.play(1)
    w.at(w.held(1).deadline + WINDOW + 1)
    w.do(WATCHER, commands.Settle(1))
    w.advance()
    assert w.stands == (3, Phase.COMMIT)
    with refused("BaseSettled"):
        w.commit(3, 3, NO_ROOT)


def test_who_is_not_heard() -> None:
    w = World()
    with refused("NotMember"):
        w.commit(1, 9, root("u"))
    w.equip(member(4))
    w.join(4)
    with refused("NotInRoster"):
        w.commit(1, 4, root("u"))
    w.commit(1, 0, root("u"))
    with refused("AlreadySpoken"):
        w.commit(1, 0, root("v"))
    for round in (2, 0, 17):
        with refused("WrongRound"):
            w.do(member(0), commands.Commit(round, w.context(1), root("u")))
    with refused("WrongPhase"):
        w.vote(1, 0, 0)
    with refused("WrongPhase"):
        w.attest(1, 0, root("m"))


def test_nothing_is_attested_by_no_root() -> None:
    w = World()
    w.open(1)
    with refused("ZeroRoot"):
        w.attest(1, 0, NO_ROOT)


def test_until_the_deadline_any_root_is_attested_though_another_is_final() -> None:
    w = World()
    w.open(1)
    for index in range(3):
        w.attest(1, index, root("quick"))
    w.advance()
    assert w.stands == (2, Phase.COMMIT)
    w.attest(1, 3, root("slow"))
    tournament = w.chain.tournament(1)
    assert tournament is not None
    assert (tournament.entries, tournament.start) == (2, START + ATTEST + WINDOW)
    assert (w.chain.number_of(1, root("slow")), w.chain.number_of(1, root("quick"))) == (1, 0)
    entries = [w.chain.entry(1, number) for number in range(3)]
    assert [e.attesters for e in entries if e is not None] == [7, 8]
    assert entries[2] is None
    assert w.held(1).deadline == START + ATTEST, "a tournament that has its start keeps it"


def test_late_for_the_attest_phase_is_too_late() -> None:
    w = World()
    w.open(1)
    for index in range(3):
        w.attest(1, index, root("m"))
    w.advance()
    w.at(START + ATTEST)
    with refused("WrongPhase"):
        w.attest(1, 3, root("m"))


def test_when_all_have_attested_the_phase_is_over_and_the_window_runs() -> None:
    w = World()
    w.open(1)
    w.at(START + 10)
    for index in range(4):
        assert w.held(1).deadline == START + ATTEST
        w.attest(1, index, root("other") if index == 3 else root("m"))
    assert w.held(1).deadline == START + 10
    w.advance()
    assert w.chain.tournament(1).start == START + 10 + WINDOW  # type: ignore[union-attr]


def test_the_last_to_attest_ends_the_phase_of_a_final_round_too() -> None:
    w = World()
    w.open(1)
    for index in range(3):
        w.attest(1, index, root("m"))
    w.advance()
    w.at(START + 7)
    w.attest(1, 3, root("m"))
    assert w.chain.outcome(1).attesters == 15  # type: ignore[union-attr]
    w.at(START + 7 + WINDOW)
    with refused("NotOver"):
        w.do(WATCHER, commands.Settle(1))
    w.later(1)
    w.do(WATCHER, commands.Settle(1))
    assert w.chain.outcome(1).deadline == START + 7  # type: ignore[union-attr]


def test_a_round_that_is_closed_late_can_be_contested_for_its_whole_window() -> None:
    w = World()
    w.open(1)
    for index in range(4):  # no honest member among them, and nobody says so
        w.attest(1, index, root("forged"))
    w.at(START + ATTEST + WINDOW + 1)
    w.advance()
    assert w.held(1).deadline == w.now
    w.later(WINDOW)
    w.enter(WATCHER, 1, root("right"))
    with refused("NotOver"):
        w.do(WATCHER, commands.Settle(1))
    assert w.chain.tournament(1).start == w.now  # type: ignore[union-attr]


def test_the_quorum_is_more_than_two_thirds() -> None:
    w = World(6)
    w.open(1)
    for index in range(4):
        w.attest(1, index, root("m"))
    assert not w.chain.view().due
    w.attest(1, 4, root("m"))
    assert w.chain.view().due


def test_a_root_that_was_not_the_first_can_become_final() -> None:
    w = World()
    w.open(1)
    w.attest(1, 0, root("sham"))
    for index in range(1, 4):
        w.attest(1, index, root("m"))
    w.advance()
    assert (w.held(1).status, w.held(1).root, w.held(1).attesters) == (Status.FINAL, root("m"), 14)
    assert w.held(2).base == root("m")
    assert w.chain.view().base_context == w.held(1).context


def test_rounds_count_when_final_and_void_ones_in_a_row_end_it() -> None:
    w = World(max_void=3, max_missed=0)
    w.sleep()
    w.sleep()
    w.play(3)
    assert w.chain.view().voids == 0
    for _ in range(3):
        w.sleep()
    assert w.stands == (6, Phase.DONE)
    assert w.chain.view().finals == 1
    with refused("NothingDue"):
        w.advance()


def test_a_limit_in_time_ends_it_also_while_it_forms() -> None:
    w = World(found=False, limit_seconds=1200)
    w.at(START + 1199)
    assert not w.chain.view().due
    w.later(1)
    w.advance()
    assert w.stands == (0, Phase.DONE)
    with refused("WrongPhase"):
        w.join(0)


def test_waits_for_rounds_to_be_settled_and_the_limit_stands_still() -> None:
    w = World()
    for round in range(1, UNSETTLED + 1):
        w.play(round)
    assert w.stands == (UNSETTLED, Phase.WAITING)
    since = w.chain.view().since
    w.at(START + 500_000)
    assert not w.chain.view().due
    w.do(WATCHER, commands.Settle(1))
    w.advance()
    assert w.stands == (UNSETTLED + 1, Phase.COMMIT)
    assert w.chain.view().since == since + 500_000, "all of it"


def test_void_rounds_with_an_attestation_hold_their_slots_until_settled() -> None:
    w = World(max_missed=0)
    for round in range(1, 5):
        w.open(round)
        w.attest(round, round % 4, root(round))
        w.sleep()
        assert w.held(round).status is Status.VOID
        assert w.chain.view().unsettled == 1
        w.do(WATCHER, commands.Settle(round))
        assert w.chain.view().unsettled == 0


def test_a_slot_is_written_anew_sixteen_rounds_later() -> None:
    w = World(max_missed=0)
    w.commit(1, 0, root("u"))
    for _ in range(16):
        w.sleep()
    assert w.stands == (17, Phase.COMMIT)
    assert w.chain.round_of(1) is None
    assert w.held(17).committed == 0
    assert w.chain.outcome(1) is not None


def test_forms_again_where_too_few_are_left() -> None:
    w = World()
    for index in range(3):
        w.leave(index)
    w.play(1)
    assert w.stands == (1, Phase.FORMING)
    w.later(JOIN)
    assert not w.chain.view().due
    w.join(0)
    w.advance()
    assert w.stands == (2, Phase.COMMIT)
    assert (w.held(2).roster, w.held(2).base) == (9, w.held(1).root)


def test_a_refusal_leaves_no_trace_and_what_was_saved_stays_as_it_was() -> None:
    w = World()
    saved = w.chain.saved()
    before, events = w.chain.view(), w.chain.events
    with refused("WrongContext"):
        w.do(member(0), commands.Commit(1, bytes(32), root("u")))
    assert (w.chain.view(), w.chain.events) == (before, events)
    fork = w.chain.fork()
    w.commit(1, 0, root("one"))
    fork.clock.advance(9)
    fork.act(member(0), commands.Commit(1, w.context(1), root("other")))
    fork.act(member(1), commands.Commit(1, w.context(1), root("another")))
    assert (w.held(1).committed, fork.view().committed, w.now) == (1, 3, START)
    assert w.chain.events[-1].values["root"] == root("one")
    assert [event.values["root"] for event in fork.events[-2:]] == [root("other"), root("another")]
    w.chain.restore(saved)
    assert (w.chain.view(), w.chain.events) == (before, events)


def test_the_first_words_of_a_federation() -> None:
    chain = MemoryChain(TERMS, ManualClock(START))
    assert [(event.name, event.time) for event in chain.events] == [("PhaseOpened", START)]
    assert chain.view().deadline == START + JOIN
    assert chain.terms() == TERMS
    chain.act(FOUNDER, commands.Fund(5))
    assert chain.books().pool == 5

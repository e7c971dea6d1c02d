"""The attacks of ``contracts/test/Attacks.t.sol`` on the ledger in memory: nothing comes of the nearest moves."""

from __future__ import annotations

import pytest

from rayfed.encoding.primitives import NO_ROOT
from rayfed.ledger.memory.relays import signed
from rayfed.protocol import commands
from rayfed.protocol.court import MAX_ENTRIES, Fate
from rayfed.protocol.messages import Phase, Status, Verb
from tests import trials
from tests.trials import Blob
from tests.worlds import (
    ATTEST,
    BOND,
    CLOCK,
    ETHER,
    FOUNDER,
    JOIN,
    PROOF,
    STAGE,
    STAKE,
    START,
    TERMS,
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


def withheld(w: World, round: int, some: int) -> None:
    """All commit; the update of 0 reaches the first ``some`` alone."""
    w.commit_all(round)
    everybody = (1 << w.n) - 1
    for index in range(w.n):
        w.vote(round, index, *((everybody, 0) if index < some else (everybody ^ 1, 1)))
    w.advance()


@pytest.mark.parametrize(("n", "some", "forgers"), [(7, 4, 0), (12, 7, 5), (5, 3, 3)])
def test_withholding_an_update_has_nobody_dropped_and_gets_no_quorum(n: int, some: int, forgers: int) -> None:
    """One of seven; five of twelve, who attest a root of their own; a bare majority."""
    w = World(n, rule=0)
    for round in range(1, 4):
        withheld(w, round, some)
        assert w.held(round).included == (1 << n) - 1
        for index in range(some):
            w.attest(round, index, root("forged" if index < forgers else "m"))
        w.sleep()
        assert w.held(round).status is Status.VOID
        w.do(WATCHER, commands.Settle(round))
        assert w.chain.view().active == (1 << n) - 1


def test_what_an_honest_member_accepts_it_gives_to_all_and_the_round_is_final() -> None:
    w = World(7)
    withheld(w, 1, 4)
    for index in range(1, 6):
        w.attest(1, index, w.right(1).root)
    w.advance()
    assert w.held(1).status is Status.FINAL


def test_rubbish_attested_by_a_third_is_judged() -> None:
    w = World()
    w.open(1)
    for index, merged in enumerate((root("a"), root("b"), w.right(1).root, w.right(1).root)):
        w.attest(1, index, merged)
    w.advance()
    w.later(2 * STAGE + 1)
    assert w.fate(1, 2) is Fate.WON
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [0, 0, 1, 1]


def test_an_attestation_of_another_branch_harms_nobody() -> None:
    w = World()
    w.commit_all(1)
    branch = w.chain.saved()
    w.vote_all(1)
    there = w.context(1)
    said = {0: signed(member(0), commands.Attest(1, there, root("merge of 0 1 2 3")))}
    w.do(THIEF, commands.Relay(Verb.ATTEST, 1, there, said, closes=False))
    w.chain.restore(branch)
    for index in range(4):
        w.vote(1, index, 15 if index < 2 else 7)
    w.advance()
    with refused("WrongContext"):
        w.do(THIEF, commands.Relay(Verb.ATTEST, 1, there, said, closes=False))
    with refused("WrongSigner"):
        w.do(THIEF, commands.Relay(Verb.ATTEST, 1, w.context(1), said, closes=False))
    for index in range(1, 4):
        w.attest(1, index, root("m"))
    w.advance()
    w.at(START + ATTEST + WINDOW + 1)
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [1] * 4


def test_no_header_makes_a_wrong_mean_unprovable() -> None:
    w = World()
    pawn = trials.update(w.terms, 1, 0).with_bytes(511, b"\1")
    updates = (pawn, *(trials.update(w.terms, 1, index) for index in (1, 2, 3)))
    for index, update in enumerate(updates):
        w.commit(1, index, update.root)
    w.advance()
    w.vote_all(1)
    right = trials.merge(w.terms, 1, updates)
    wrong = right.with_value(671, 1)
    for index in range(4):
        w.attest(1, index, right.root if index == 3 else wrong.root)
    w.advance()
    w.to_tournament()
    w.descend(wrong, right)
    point, evidence = w.point(), w.chain.merge_evidence(1)
    assert evidence is not None
    inputs = [update.proof(which, point.first) for which, update in enumerate(updates)]
    w.do(WATCHER, commands.Prove(point, evidence.voting, evidence.roots, inputs))
    w.do(WATCHER, commands.Undo(1))
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [0, 0, 0, 1]


def test_withholding_the_merged_blob_loses() -> None:
    w = World()
    _, right = w.forge()
    w.to_tournament()
    w.step(w.point(), None, right)  # its own side alone; it need not know where the other differs
    w.later(CLOCK + 1)
    w.do(WATCHER, commands.Undo(1))
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [0, 0, 0, 1]


def test_a_forger_that_sues_itself_earns_nothing() -> None:
    w = World()
    w.open(1)
    wrong, right = w.wrong(1), w.right(1)
    for index in range(4):
        w.attest(1, index, wrong.root)
    w.advance()
    w.enter(THIEF, 1, right.root)
    w.to_tournament()
    while w.chain.match(1, 0, 0) is None or w.match(1, 0, 0).state.name == "DESCENT":
        w.step(w.point(), wrong, right, cost=9)
    w.do(WATCHER, w.proof(w.point()), cost=9)
    w.do(WATCHER, commands.Undo(1))
    w.do(WATCHER, SETTLE)
    w.do(WATCHER, commands.Collect(1, 1))
    w.do(WATCHER, commands.Reimburse(1, 0, 0, WATCHER))
    thief = w.chain.account(THIEF)
    assert (thief.native_claimable, thief.claimable) == (BOND, 0), "its own bond"
    assert w.chain.books().burned == 4 * STAKE, "nobody attested the right root: all of it"
    assert w.chain.books().native_burned + w.chain.account(WATCHER).native_claimable == 4 * BOND


def test_rule_0_slashes_nobody() -> None:
    w = World(rule=0)
    for index in range(4):
        w.commit(1, index, root(index))
    w.advance()
    w.vote_all(1)
    for index in range(4):
        w.attest(1, index, root("m" if index == 3 else "forged"))
    w.advance()
    with refused("NotJudged"):
        w.enter(WATCHER, 1, root("right"))
    with refused("NoTournament"):
        w.do(WATCHER, commands.Show(w.point()))
    w.later(1)
    w.do(WATCHER, SETTLE)  # no window
    assert w.stakes() == [1] * 4
    w.later(10 * STAGE)
    for number in (0, 1):
        with refused("NothingToCollect"):
            w.do(WATCHER, commands.Collect(1, number))
    with refused("NotFinal"):
        w.do(WATCHER, commands.Undo(1))


def test_who_wins_in_court_goes_on_with_whoever_joins() -> None:
    w = World()
    wrong, right = w.forge()
    w.to_tournament()
    w.descend(wrong, right)
    w.prove()
    w.do(WATCHER, commands.Undo(1))
    assert w.stands == (2, Phase.FORMING)
    assert not w.chain.view().due
    w.equip(member(4))
    w.join(4)
    w.later(JOIN)
    w.advance()
    assert (w.stands, w.held(3).base, w.held(3).roster) == ((3, Phase.COMMIT), TERMS.genesis, 24)
    for index in (3, 4):
        w.commit(3, index, root(index))
    w.advance()
    for index in (3, 4):
        w.vote(3, index, 24)
    w.advance()
    for index in (3, 4):
        w.attest(3, index, root("m"))
    w.advance()
    assert (w.held(3).status, w.chain.view().finals) == (Status.FINAL, 1), "the undone one counts no more"


def test_a_thousand_sham_entries() -> None:
    w = World()
    w.open(1)
    right = w.right(1)
    for index in range(4):
        w.attest(1, index, right.root)
    w.advance()
    champions: list[Blob] = []
    for number in range(1, 1000):
        merged = root("sham", number)
        if number == 1 << len(champions):
            champions.append(w.wrong(1, by=number))
            merged = champions[-1].root
        w.enter(THIEF, 1, merged)
    tournament = w.chain.tournament(1)
    assert tournament is not None
    assert (tournament.entries, tournament.stages) == (1000, 10)
    for stage, sham in enumerate(champions):
        w.at(tournament.start + stage * STAGE + 1)
        if not stage:  # champions of later stages beat their silent neighbours by one step each
            for later in range(1, 10):
                number = 1 << later
                w.step(w.point(1, 0, number, number + 1), champions[later], None)
        w.descend(right, sham, 1, stage, 0, 1 << stage)
        w.prove(1, stage, 0, 1 << stage)
    assert w.fate(1, 0) is Fate.WON
    w.do(WATCHER, commands.Settle(1, 600))
    w.do(WATCHER, commands.Settle(1, 600))
    assert (w.held(1).status, w.stakes()) == (Status.SETTLED, [1] * 4)


def test_all_but_one_attest_shams_round_after_round() -> None:
    w = World()
    blobs: dict[int, tuple[Blob, Blob]] = {}
    for round in range(1, UNSETTLED + 1):
        w.open(round)
        right, sham = blobs[round] = w.right(round), w.wrong(round)
        for index, merged in ((3, right.root), (0, sham.root), (1, root("b", round)), (2, root("c", round))):
            w.attest(round, index, merged)
        w.advance()
        assert w.held(round).status is Status.VOID
    assert w.stands == (UNSETTLED, Phase.WAITING)
    w.later(1)
    for round, (right, sham) in blobs.items():
        w.descend(right, sham, round)
        w.prove(round)
    w.later(2 * STAGE)
    for round in blobs:
        w.do(WATCHER, commands.Settle(round))
    assert w.stakes() == [0, 0, 0, 1]
    assert [w.chain.account(member(index)).bonds for index in range(3)] == [0] * 3, "one for each round, and no more"
    w.advance()
    assert w.stands == (UNSETTLED, Phase.FORMING)


def test_moves_censored_for_almost_a_clock_in_every_stage() -> None:
    w = World()
    w.open(1)
    right, shams = w.right(1), [w.wrong(1, 0), w.wrong(1, 61), w.wrong(1, 671)]
    for index in range(4):
        w.attest(1, index, right.root)
    w.advance()
    for sham in shams:
        w.enter(THIEF, 1, sham.root)
    start = w.chain.tournament(1).start  # type: ignore[union-attr]
    for stage, j in ((0, 1), (1, 2)):
        t, sham = start + stage * STAGE, shams[j - 1]
        w.at(t + 1)
        if not stage:
            w.step(w.point(1, 0, 2, 3), shams[1], None)
        w.step(w.point(1, stage, 0, j), None, sham)
        w.at(t + CLOCK - 1)
        w.step(w.point(1, stage, 0, j), right, sham)
        assert w.match(1, stage, 0).clock_i == 1
        w.at(t + CLOCK)
        w.step(w.point(1, stage, 0, j), right, None)
        w.at(t + 2 * (CLOCK - 1))  # at the leaf the sham waits for its last second, too
        w.step(w.point(1, stage, 0, j), right, sham)
        w.later(PROOF)
        w.prove(1, stage, 0, j)
    assert w.fate(1, 0) is Fate.WON
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [1] * 4


def test_a_right_root_entered_by_a_saboteur_is_not_burnt() -> None:
    w = World()
    w.open(1)
    wrong, right = w.wrong(1), w.right(1)
    for index in range(3):
        w.attest(1, index, wrong.root)
    w.advance()
    w.enter(THIEF, 1, right.root)  # before the honest one attests it
    w.attest(1, 3, right.root)
    entry = w.chain.entry(1, 1)
    assert entry is not None
    assert (w.chain.tournament(1).entries, entry.attesters, entry.entrant) == (2, 8, THIEF)  # type: ignore[union-attr]
    w.to_tournament()
    w.step(w.point(), None, right)
    w.later(CLOCK + 1)
    w.do(WATCHER, commands.Undo(1))
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [0, 0, 0, 1]
    assert w.chain.account(member(3)).claimable == 30 * ETHER


def test_any_other_moves_for_an_attester_that_keeps_silent() -> None:
    w = World()
    _, right = w.sue()
    w.to_tournament()
    w.later(CLOCK - 2)
    w.step(w.point(), right, None)
    w.later(2)
    assert w.fate(1, 0) is Fate.WON


def test_a_tournament_on_a_round_whose_base_falls() -> None:
    w = World()
    wrong, right = w.forge()
    for index in range(3):
        w.commit(2, index, root(index))
    w.commit(2, 3, NO_ROOT)
    w.advance()
    w.vote_all(2, 7)
    for index in range(3):
        w.attest(2, index, root("on sand"))
    w.advance()
    w.attest(2, 3, root("other"))
    w.enter(WATCHER, 2, root("sham"))
    assert (w.stands, w.chain.view().finals) == ((3, Phase.COMMIT), 2)
    w.to_tournament()
    w.descend(wrong, right)
    w.prove()
    w.do(WATCHER, commands.Undo(1))
    assert [w.held(round).status for round in (1, 2, 3)] == [Status.VOID, Status.OVER, Status.OVER]
    assert [w.chain.outcome(round).status for round in (1, 2, 3)] == [Status.VOID, Status.OVER, Status.OVER]  # type: ignore[union-attr]
    view = w.chain.view()
    assert (view.finals, view.unsettled) == (0, 1)
    assert w.chain.tournament(2).fallen  # type: ignore[union-attr]
    assert (w.fate(2, 1), w.fate(2, 2)) == (Fate.FALLEN, Fate.FALLEN)
    w.do(WATCHER, commands.Collect(2, 2))
    assert w.chain.account(WATCHER).native_claimable == BOND
    for number in (2, 1, 0):
        with refused("NothingToCollect"):
            w.do(WATCHER, commands.Collect(2, number))
    with refused("NotUnsettled"):
        w.do(WATCHER, commands.Settle(2))
    w.later(20 * STAGE)
    with refused("NoTournament"):
        w.do(WATCHER, commands.Resolve(2, 1, 0))
    w.do(WATCHER, SETTLE)
    assert (w.stakes(), w.chain.account(member(3)).bonds) == ([0, 0, 0, 1], UNSETTLED * BOND)


def test_slashed_stake_of_a_round_that_falls_is_burned() -> None:
    w = World()
    wrong, right = w.forge()
    w.open(2)
    for index in range(4):
        w.attest(2, index, root("c", index))  # void: its tournament starts at once
    w.advance()
    w.later(CLOCK + 1)
    w.do(WATCHER, commands.Collect(2, 0))
    assert w.chain.books().burned == 0
    w.to_tournament()
    w.descend(wrong, right)
    w.prove()
    w.do(WATCHER, commands.Undo(1))
    assert w.chain.books().burned == STAKE


def test_an_undone_last_round_reopens_the_federation() -> None:
    w = World(rounds=1)
    wrong, right = w.forge()
    assert w.stands == (1, Phase.DONE)
    for index in range(2):
        w.leave(index)  # the forgers' stakes stay
        with refused("SeatInUse"):
            w.do(WATCHER, commands.Release(index))
    w.to_tournament()
    w.descend(wrong, right)
    w.prove()
    w.do(WATCHER, commands.Undo(1))
    assert w.stands == (1, Phase.FORMING)
    w.do(WATCHER, SETTLE)
    assert w.stakes() == [0, 0, 0, 1]


def test_void_rounds_overwrite_no_evidence() -> None:
    w = World(max_missed=0, max_unsettled=16, max_void=100, window_seconds=20_000)
    _, right = w.forge()
    evidence = w.context(1)
    for _ in range(15):
        w.sleep()
    assert (w.stands, w.context(1)) == ((16, Phase.WAITING), evidence)
    w.to_tournament()
    assert not w.chain.view().due
    w.step(w.point(), None, right)
    w.later(CLOCK + 1)
    w.do(WATCHER, commands.Undo(1))
    w.do(WATCHER, SETTLE)
    assert w.chain.view().due
    w.advance()
    assert w.stands == (16, Phase.FORMING), "the forgers are out"
    assert w.chain.view().since == w.now, "what it waited before the undoing counts once"
    w.equip(member(4))
    w.join(4)
    w.at(w.chain.view().deadline)
    w.advance()
    assert w.held(17).base == TERMS.genesis


def test_the_limit_stands_still_while_disputes_delay() -> None:
    w = World(limit_seconds=2500, max_unsettled=1)
    _, right = w.sue()
    assert w.stands == (1, Phase.WAITING)
    w.to_tournament()
    w.step(w.point(), right, None)
    w.later(CLOCK + 1)
    w.do(WATCHER, SETTLE)
    assert w.now > START + 2500
    w.advance()
    assert w.stands == (2, Phase.COMMIT)
    w.sleep()
    assert w.stands == (3, Phase.COMMIT)


def test_a_full_tournament_keeps_the_rosters_places() -> None:
    w = World()
    w.open(1)
    for index in range(3):
        w.attest(1, index, root("forged"))
    w.advance()
    for number in range(MAX_ENTRIES - 4):
        w.enter(THIEF, 1, root("sham", number))
    for who in (THIEF, member(0), member(3)):
        with refused("TournamentFull"):  # also to 3, as long as it can still attest
            w.enter(who, 1, root("right"))
    w.at(START + ATTEST)
    with refused("TournamentFull"):
        w.enter(member(0), 1, root("right"))
    w.enter(member(3), 1, root("right"))
    with refused("TournamentFull"):
        w.enter(member(3), 1, root("another"))
    w.to_tournament()
    w.later(12 * STAGE)
    for block in range(8):
        w.do(WATCHER, commands.Resolve(1, 9, block))
    w.do(WATCHER, commands.Undo(1))
    w.do(WATCHER, commands.Settle(1, MAX_ENTRIES))
    assert w.stakes() == [0, 0, 0, 1]


def test_a_loser_is_punished_at_once_and_cannot_come_back_on_the_same_stake() -> None:
    w = World()
    w.open(1)
    sham, right = w.wrong(1), w.right(1)
    for index in range(4):
        w.attest(1, index, sham.root if index == 3 else right.root)
    w.advance()
    w.enter(THIEF, 1, root("longer"))
    w.to_tournament()
    w.descend(right, sham)
    w.prove()
    with refused("NotOver"):
        w.do(WATCHER, SETTLE)
    w.do(WATCHER, commands.Collect(1, 1))
    assert (w.chain.view().active, w.stakes()) == (7, [1, 1, 1, 0])
    with refused("UnderStaked"):
        w.join(3)
    w.do(FOUNDER, commands.Deposit(member(3), STAKE))
    with refused("UnderBonded"):
        w.join(3)

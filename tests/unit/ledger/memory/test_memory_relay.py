"""Statements that others post, on the ledger in memory, as ``contracts/test/Relay.t.sol`` has them."""

from __future__ import annotations

from dataclasses import replace

from rayfed.encoding.primitives import NO_ROOT
from rayfed.ledger.memory.relays import signed
from rayfed.protocol.commands import Attest, Commit, Relay, Statement, Vote
from rayfed.protocol.messages import Phase, Verb
from tests.worlds import ATTEST, START, THIEF, World, member, refused, root


def batch(w: World, verb: Verb, said: dict[int, Statement], closes: bool = False, round: int = 1) -> Relay:
    """Return a batch of statements, each signed by its member."""
    messages = {index: signed(member(index), statement) for index, statement in said.items()}
    return Relay(verb, round, w.context(round), messages, closes=closes)


def commits(w: World, *members: int, closes: bool = False) -> Relay:
    """Return a batch of commits."""
    return batch(w, Verb.COMMIT, {i: Commit(1, w.context(1), root("update", i)) for i in members}, closes)


def test_a_whole_round_posted_by_a_stranger() -> None:
    w = World()
    for round in (1, 2):
        said: dict[int, Statement] = {i: Commit(round, w.context(round), root(round, i)) for i in range(4)}
        w.do(THIEF, batch(w, Verb.COMMIT, said, True, round))
        assert w.stands == (round, Phase.VOTE)
        said = {i: Vote(round, w.context(round), 7) for i in range(4)}
        w.do(THIEF, batch(w, Verb.VOTE, said, True, round))
        assert w.held(round).included == 7
        said = {i: Attest(round, w.context(round), root("other" if i == 1 else "m")) for i in range(4)}
        w.do(THIEF, batch(w, Verb.ATTEST, said, True, round))
        assert w.held(round).attesters == 13
        assert w.chain.entry(round, 1).attesters == 2  # type: ignore[union-attr]
        assert w.stands == (round + 1, Phase.COMMIT)
    event = next(event for event in w.chain.events if event.name == "Relayed")
    assert event.values == {
        "round": 1,
        "phase": 1,
        "members": 15,
        "values": tuple(root(1, i) for i in range(4)),
        "misses": (),
    }


def test_ballots_that_miss_something() -> None:
    w = World()
    w.commit_all(1)
    said: dict[int, Statement] = {i: Vote(1, w.context(1), 7, 8 if i == 2 else 0) for i in range(4)}
    relay = batch(w, Verb.VOTE, said)
    # What one signed that it misses, nobody can leave out.
    with refused("WrongSigner"):
        w.do(THIEF, replace(relay, messages={**relay.messages, 2: replace(relay.messages[2], misses=0)}))
    w.do(THIEF, relay)
    assert w.chain.view().misses == (0, 0, 8, 0)
    assert w.chain.events[-1].values["misses"] == (0, 0, 8, 0)
    w.advance()
    assert (w.held(1).included, w.held(1).excused) == (7, 0)


def test_what_was_heard_or_comes_too_late_is_skipped() -> None:
    w = World()
    w.commit(1, 1, root("own"))
    w.do(THIEF, commits(w, 0, 1, 2))
    assert w.held(1).committed == 7
    assert w.chain.view().roots[1] == root("own")
    told, late = len(w.chain.events), commits(w, 0, 1, 2, closes=True)
    w.do(THIEF, replace(late, closes=False))
    assert len(w.chain.events) == told
    w.commit(1, 3, root(3))
    w.advance()
    w.do(THIEF, late)
    assert w.stands == (1, Phase.VOTE)


def test_attestations_are_relayed_until_the_deadline_though_a_root_is_final() -> None:
    w = World()
    w.open(1)
    said: dict[int, Statement] = {i: Attest(1, w.context(1), root("m")) for i in range(4)}
    relay = batch(w, Verb.ATTEST, said)
    for index in range(3):
        w.attest(1, index, root("m"))
    w.advance()
    fork = w.chain.fork()
    w.later(5)
    w.do(THIEF, relay)
    assert (w.held(1).attesters, w.held(1).deadline) == (15, START + 5)
    fork.clock.now = START + ATTEST
    fork.act(THIEF, relay)
    assert fork.round_of(1).attesters == 7  # type: ignore[union-attr]


def test_the_phase_is_closed_in_passing_only_if_a_step_is_due() -> None:
    w = World()
    w.do(THIEF, commits(w, 0, 1, 2, closes=True))
    assert w.stands == (1, Phase.COMMIT)
    w.do(THIEF, commits(w, 3, closes=True))
    assert w.stands == (1, Phase.VOTE)


def test_signatures_of_elsewhere() -> None:
    w = World()
    context = w.context(1)
    statement = Commit(1, context, root("u"))
    for other in (
        replace(statement, round=2),
        Attest(1, context, root("u")),
        replace(statement, context=bytes(32)),
    ):
        message = signed(member(0), other)
        with refused("WrongSigner"):
            w.do(THIEF, Relay(Verb.COMMIT, 1, context, {0: message}))
    with refused("WrongSigner"):
        w.do(THIEF, Relay(Verb.COMMIT, 1, context, {0: signed(member(1), statement)}))
    with refused("WrongSigner"):
        w.do(THIEF, Relay(Verb.COMMIT, 1, context, {0: replace(signed(member(0), statement), value=root("v"))}))
    w.do(THIEF, Relay(Verb.COMMIT, 1, context, {0: signed(member(1), statement)}), believed=True)
    assert w.held(1).committed == 1


def test_what_no_member_could_say_itself() -> None:
    w = World()
    with refused("BaseSettled"):
        w.do(THIEF, batch(w, Verb.COMMIT, {0: Commit(1, w.context(1), NO_ROOT)}))
    w.commit_all(1)
    for accepts, misses, name in ((16, 0, "BallotOutsideCommits"), (1, 1, "BallotContradicts")):
        with refused(name):
            w.do(THIEF, batch(w, Verb.VOTE, {0: Vote(1, w.context(1), accepts, misses)}))
    w.vote_all(1)
    with refused("ZeroRoot"):
        w.do(THIEF, batch(w, Verb.ATTEST, {0: Attest(1, w.context(1), NO_ROOT)}))


def test_strangers_rounds_and_phases() -> None:
    w = World()
    relay = commits(w, 0, 1)
    with refused("NotInRoster"):
        w.do(THIEF, commits(w, 0, 9))
    for wrong, name in (
        (replace(relay, spoken=Verb.VOTE), "WrongPhase"),
        (replace(relay, spoken=Verb.JOIN), "WrongPhase"),
        (replace(relay, round=2), "WrongRound"),
        (replace(relay, round=0), "WrongRound"),
        (replace(relay, context=bytes(32)), "WrongContext"),
    ):
        with refused(name):
            w.do(THIEF, wrong)

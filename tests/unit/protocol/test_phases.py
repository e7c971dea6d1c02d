"""The phase table is executable: another table is another protocol, for nodes and ledger alike."""

from __future__ import annotations

from dataclasses import replace

from rayfed.protocol.messages import Phase, Status, Verb
from rayfed.protocol.phases import PHASES, SPOKEN_IN, Early, Need, PhaseTable, Tally, spoken_in
from rayfed.testing import play

WITHOUT_VOTES: PhaseTable = {
    Phase.FORMING: PHASES[Phase.FORMING],
    Phase.COMMIT: replace(PHASES[Phase.COMMIT], tally=Tally.COMMITTED, then=Phase.ATTEST),
    Phase.ATTEST: PHASES[Phase.ATTEST],
    Phase.DONE: PHASES[Phase.DONE],
}
"""Everything that is committed is merged."""

PATIENT: PhaseTable = {
    **PHASES,
    Phase.VOTE: replace(PHASES[Phase.VOTE], ends=Early.NEVER),
}
"""A vote that lasts as long as it may."""


def test_a_table_without_votes_is_a_protocol_without_votes() -> None:
    told = play("federation nodes=3 rounds=2\nrefuse a b 1\n", WITHOUT_VOTES)
    assert "VOTE" not in told
    assert "votes" not in told
    assert [line.split()[-1] for line in told.splitlines() if "included:" in line] == ["abc"] * 2
    assert told.count("FINAL") == 2
    assert "VOTE" in play("federation nodes=3 rounds=2\nrefuse a b 1\n")


def test_what_is_missing_closes_the_round_as_the_table_says() -> None:
    told = play("federation nodes=3 rounds=1 min=2\nsilent b commit 1\nsilent c commit 1\n", WITHOUT_VOTES)
    assert "VOID" in told
    lenient = {**WITHOUT_VOTES, Phase.COMMIT: replace(WITHOUT_VOTES[Phase.COMMIT], need=Need.INCLUDED)}
    assert "VOID" not in play("federation nodes=3 rounds=1 min=2\nsilent b commit 1\nsilent c commit 1\n", lenient)


def test_a_phase_that_never_ends_early_lasts_until_its_deadline() -> None:
    text = "federation nodes=3 rounds=1 vote=30\n"
    final = {name: _second_of("FINAL", play(text, table)) for name, table in (("usual", PHASES), ("patient", PATIENT))}
    assert final == {"usual": 0, "patient": 30}


def test_the_verbs_phases_are_the_tables() -> None:
    assert SPOKEN_IN == {Verb.COMMIT: Phase.COMMIT, Verb.VOTE: Phase.VOTE, Verb.ATTEST: Phase.ATTEST}
    assert spoken_in(WITHOUT_VOTES) == {Verb.COMMIT: Phase.COMMIT, Verb.ATTEST: Phase.ATTEST}


def test_a_row_says_in_words_what_it_does() -> None:
    assert PHASES[Phase.VOTE].early == "every node of the roster voted"
    assert PHASES[Phase.ATTEST].early == "one root has the quorum: FINAL"
    assert PHASES[Phase.COMMIT].late == "goes on with those that did; fewer than min_members: VOID"
    assert (PHASES[Phase.DONE].early, PHASES[Phase.DONE].late) == ("", "")
    assert replace(PHASES[Phase.ATTEST], otherwise=Status.VOID).late.startswith("VOID: ")


def _second_of(word: str, told: str) -> int:
    return next(int(line.split()[0]) for line in told.splitlines() if word in line)

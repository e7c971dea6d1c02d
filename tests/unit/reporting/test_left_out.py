"""Who has been left out, since when, by whom and why."""

from __future__ import annotations

from dataclasses import replace

from rayfed.encoding.primitives import Address
from rayfed.reporting.closed_round import Refusal, RoundSummary
from rayfed.reporting.left_out import LeftOut, counts, left_out, screens

A, B, C = (Address(name) for name in ("0xa", "0xb", "0xc"))


def closed(number: int, *included: Address, refusals: tuple[Refusal, ...] = (), status: str = "final") -> RoundSummary:
    roots = dict.fromkeys((A, B, C), f"0x{number}")
    return RoundSummary(number, status, "0x1", included, (A, B, C), None, roots=roots, refusals=refusals)


def refused(by: Address, update: Address, screen: str = "norm", reason: str = "far off") -> Refusal:
    return Refusal(by, update, screen, reason, 9.0)


def test_after_three_rounds_in_a_row() -> None:
    rounds = [closed(1, A, B, C), *(closed(n, A, B, refusals=(refused(A, C), refused(B, C))) for n in (2, 3, 4))]
    assert left_out(rounds[:3]) == ()
    (found,) = left_out(rounds)
    assert found == LeftOut(C, 2, 3, {A: 3, B: 3}, {"norm": 6}, "far off")
    assert found.line("node 2") == "node 2 left out since round 2: norm"
    assert left_out([*rounds, closed(5, A, B, C)]) == (), "back in"
    assert left_out(rounds[:2], least=1)[0].since == 2


def test_the_screen_that_refused_most_is_named_and_its_last_reason() -> None:
    refusals = (refused(A, C, "holdout", "early"), refused(B, C, "holdout", "late"), refused(B, C), refused(A, B))
    (found,) = left_out([closed(n, A, B, refusals=refusals) for n in (1, 2, 3)])
    assert found.screens == {"holdout": 6, "norm": 3}
    assert found.by == {A: 3, B: 3}, "refused by two screens is refused once"
    assert found.reason == "late"


def test_rounds_without_a_merge_or_an_update_do_not_count_and_do_not_end_it() -> None:
    away = replace(closed(4, A, B), roots={A: "0x4", B: "0x4"})
    rounds = [closed(1, A, B), closed(2, A, B), closed(3, status="void"), away, closed(5, A, B)]
    assert [(one.member, one.since, one.rounds) for one in left_out(rounds)] == [(C, 1, 3)]
    assert counts(rounds) == {A: 0, B: 0, C: 3}


def test_where_the_ledger_is_not_known_what_the_nodes_say_is_enough() -> None:
    rounds = [replace(closed(n, A, B, refusals=(refused(A, C),)), roots={}) for n in (1, 2, 3)]
    assert [(one.member, one.by) for one in left_out(rounds)] == [(C, {A: 3})]
    silent = [replace(closed(n, A, B), ballots={C: (C,)}) for n in (1, 2, 3)]
    (found,) = left_out(silent)
    assert found.line("c") == "c left out since round 1: not said"


def test_each_screen_counts_the_rounds_in_which_it_refused_who_was_left_out() -> None:
    both = (refused(A, C), refused(B, C), refused(A, C, "holdout"))
    rounds = [closed(1, A, B, refusals=both), closed(2, A, B, refusals=both[:2]), closed(3, A, B, C, refusals=both)]
    rounds.append(closed(4, status="void", refusals=both))
    assert screens(rounds) == {C: {"norm": 2, "holdout": 1}}, "neither the round in which it was in, nor the void one"
    assert counts(rounds) == {A: 0, B: 0, C: 2}


def test_by_whom_and_why() -> None:
    (found,) = left_out([closed(n, A, B, refusals=(refused(A, C),)) for n in (1, 2, 3)])
    assert found.why({A: "node 0"}) == "Refused by node 0 (3); last reason: far off."
    assert replace(found, by={}).why({}) == ""
    crowd = replace(found, by={Address(f"0x{i}"): 1 for i in range(7)}).why({})
    assert "0x5 (1), …;" in crowd
    assert "0x6" not in crowd


def test_longest_first() -> None:
    rounds = [closed(1, A, B), closed(2, A), closed(3, A), closed(4, A)]
    assert [(one.member, one.rounds) for one in left_out(rounds)] == [(C, 4), (B, 3)]
    assert left_out([]) == ()

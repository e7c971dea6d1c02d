"""Each member that begins to be left out is told of once, as soon as ledger and nodes have said so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from rayfed.encoding.primitives import NO_ROOT
from rayfed.errors import LedgerUnreachable
from rayfed.protocol.messages import NodeRecord, Outcome, Round, Status
from rayfed.reporting.notices import KEPT, LATE, Notices
from rayfed.reporting.summarise import build
from rayfed.reporting.summary import Summary
from rayfed.reporting.words import short
from tests.fake_run import FakeRun, address, fake_run

LINE = "node 3 left out since round 2: norm"


def slot(outcome: Outcome) -> Round:
    kept = {name: getattr(outcome, name) for name in ("round", "status", "deadline", "included", "root")}
    return Round(base_round=0, base=NO_ROOT, context=bytes(32), roster=15, **kept)


def look(told: Notices, run: FakeRun, closed: int, records: Sequence[NodeRecord] | None = None) -> tuple[str, ...]:
    """Look when so many rounds have closed and, unless others are given, their records are there."""
    last = run.outcomes[closed - 1] if closed else None
    stood = [outcome.round for outcome in run.outcomes[:closed] if outcome.status.stands]
    view = replace(run.views[-1], previous=last and slot(last), base_round=max(stood, default=0))
    views = {round: seen for round, seen in run.history.views.items() if round <= closed + 1}
    seen = [record for record in run.records if record.round <= closed] if records is None else records
    return told.look(view, views, seen, run.statuses)


def by_round(run: FakeRun) -> dict[int, Outcome]:
    return {outcome.round: outcome for outcome in run.outcomes}


def test_nothing_is_told_before_the_third_round_and_then_one_line_for_good() -> None:
    run = fake_run(rounds=30, void=(5,), since=2)
    told = Notices(by_round(run).get)
    assert [look(told, run, closed) for closed in range(4)] == [()] * 4
    assert [look(told, run, closed) for closed in range(4, 31)] == [(LINE,)] * 27


def test_a_notice_waits_for_what_the_nodes_say_and_not_for_ever() -> None:
    run = fake_run(rounds=6, void=(), since=2)
    told = Notices(by_round(run).get)
    assert look(told, run, 4, ()) == (), "the ledger knows that, nobody why"
    assert look(told, run, 4) == (LINE,)
    silent = Notices(by_round(run).get)
    assert look(silent, run, 4, ()) == ()
    assert look(silent, run, 5, ()) == ("node 3 left out since round 2: not said",)
    assert look(silent, run, 6) == ("node 3 left out since round 2: not said",), "once is once"


def test_who_was_back_in_is_told_of_again() -> None:
    run = fake_run(rounds=9, void=(), since=2)
    back = by_round(run)
    back[6] = replace(back[6], included=back[1].included)
    told = Notices(back.get)
    assert [len(look(told, run, closed)) for closed in range(1, 10)] == [0, 0, 0, 1, 1, 1, 1, 1, 2]
    assert look(told, run, 9) == (LINE, "node 3 left out since round 7: norm")


def test_rounds_that_closed_between_two_looks_are_asked_for_once() -> None:
    run = fake_run(rounds=8, void=(), since=2)
    asked: list[int] = []

    def outcome(round: int) -> Outcome | None:
        asked.append(round)
        if asked == [1, 2, 3]:
            raise LedgerUnreachable("gone for a moment")
        return by_round(run)[round]

    told = Notices(outcome)
    with pytest.raises(LedgerUnreachable):
        look(told, run, 6)
    assert look(told, run, 6) == look(told, run, 8) == (LINE,)
    assert asked == [1, 2, 3, 3, 4, 5, 6, 7, 8]


def test_what_is_undone_is_told_and_what_was_built_on_it_no_longer_counts() -> None:
    run = fake_run(rounds=6, void=(), since=2)
    now = by_round(run)
    told = Notices(lambda round: now.get(round))
    assert look(told, run, 4) == (LINE,)
    for round in (3, 4, 5):
        now[round] = replace(now[round], status=Status.VOID, root=NO_ROOT, attesters=0)
    view = replace(run.views[-1], previous=slot(now[5]), base_round=2)
    [first, second] = told.look(view, run.history.views, run.records, run.statuses)
    assert first == LINE
    assert second == "round 3 is undone: its merge lost in court; the model is that of round 2 again"
    assert told.look(view, run.history.views, run.records, run.statuses) == (first, second)


def test_a_chain_that_goes_back_undoes_nothing() -> None:
    run = fake_run(rounds=4, void=(), since=9)
    now = by_round(run)
    told = Notices(lambda round: now.get(round))
    look(told, run, 4)
    del now[4]
    assert look(told, run, 3) == ()


def test_a_look_costs_as_much_after_many_rounds_as_after_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake_run(rounds=250, void=(), since=2)
    outcomes, asked, summarised = by_round(run), list[int](), list[int]()

    def counted(*given: Any, outcomes: Sequence[Outcome], records: Sequence[NodeRecord], **more: Any) -> Summary:
        summarised.append(len(outcomes) + len(records))
        return build(*given, outcomes=outcomes, records=records, **more)

    monkeypatch.setattr("rayfed.reporting.notices.build", counted)
    told = Notices(lambda round: asked.append(round) or outcomes.get(round))  # type: ignore[func-returns-value]
    a_round = len(run.statuses) + 1
    for closed in range(1, 251):
        assert look(told, run, closed) == ((LINE,) if closed > 3 else ())
    assert asked == list(range(1, 251))
    assert max(summarised) <= (LATE + 1) * a_round
    held = [value for value in vars(told).values() if isinstance(value, dict | set | tuple)]
    assert max(map(len, held)) <= KEPT + LATE


def test_a_member_whose_node_is_not_known_goes_by_its_address() -> None:
    run = fake_run(rounds=4, void=(), since=2)
    told = Notices(by_round(run).get)
    assert look(told, replace(run, statuses=[]), 4) == (f"{short(address(3))} left out since round 2: norm",)

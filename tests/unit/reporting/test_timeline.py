"""A history keeps spans and views, as exact as the polling."""

from __future__ import annotations

from rayfed.protocol.messages import NodeStatus, Phase
from rayfed.reporting.timeline import History, Span
from tests.fake_run import fake_run


def status(doing: str, round: int = 1) -> NodeStatus:
    return NodeStatus(0, "0x00", 0, round, doing)


def test_a_span_lasts_until_something_else_is_seen() -> None:
    history = History()
    for now, doing in [(10.0, "training"), (11.0, "training"), (12.5, "waiting"), (13.0, "merging"), (14.0, "waiting")]:
        history.observe(None, [status(doing)], now)
    assert history.spans == [Span(0, 1, "training", 0.0, 2.5), Span(0, 1, "merging", 3.0, 4.0)]


def test_the_same_step_of_the_next_round_is_another_span() -> None:
    history = History()
    history.observe(None, [status("training", 1)], 0.0)
    history.observe(None, [status("training", 2)], 1.0)
    history.observe(None, [status("finished", 2)], 3.0)
    assert [(span.round, span.start, span.end) for span in history.spans] == [(1, 0.0, 1.0), (2, 1.0, 3.0)]


def test_phases_are_spans_without_a_slot() -> None:
    run = fake_run(rounds=1)
    phases = [span.what for span in run.history.spans if span.slot is None]
    assert phases == ["commit", "vote", "attest"]


def test_the_last_view_of_a_round_is_kept() -> None:
    run = fake_run()
    assert list(run.history.views) == [1, 2, 3, 4, 5]
    assert run.history.views[1].phase is Phase.ATTEST
    assert run.history.views[3].phase is Phase.VOTE, "that round was void"

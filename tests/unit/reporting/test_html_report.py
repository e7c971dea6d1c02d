"""The page is one well-formed file that needs nothing else, tells what happened, and lets nobody write into it."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from rayfed.reporting.closed_round import Refusal
from rayfed.reporting.html_report import page
from rayfed.reporting.summarise import build
from rayfed.reporting.summary import Summary
from rayfed.reporting.timeline import History
from tests.fake_run import FEDERATION, address, fake_run

VOID_TAGS = {"meta", "br"}
FETCHING = {"src", "href", "srcset", "action", "data", "poster"}


class Checker(HTMLParser):
    """Checks that tags nest, and that nothing is fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert tag not in {"script", "link", "iframe", "img", "object", "embed"}
        for name, _ in attrs:
            assert name not in FETCHING
            assert not name.startswith("on")
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    assert "url(" not in html
    assert "@import" not in html
    return checker


EMPTY = build({}, federation=FEDERATION, chain_id=1, charter_hash="", outcomes=[], records=[])
RUNS: dict[str, Summary] = {
    "nothing": EMPTY,
    "one round": fake_run(rounds=1).summary(),
    "all void": fake_run(rounds=2, void=(1, 2)).summary(),
    "usual": fake_run().summary(),
    "many": fake_run(nodes=64, rounds=30).summary(),
}


@pytest.mark.parametrize("summary", RUNS.values(), ids=RUNS)
def test_every_run_gives_a_well_formed_file_that_fetches_nothing(summary: Summary) -> None:
    checked(page(summary))


def test_the_page_tells_the_run() -> None:
    run = fake_run()
    summary = run.summary()
    html = page(summary, run.history)
    checker = checked(html)
    assert checker.seen.count("svg") == 3 + 5 + 1, "three charts, a matrix a round, the time line"
    for word in (FEDERATION, summary.final_root, "93.9 %", "norm 13 times the median", "the disk is full", "173 k"):
        assert str(word) in html
    for closed in summary.rounds:
        for sent in closed.transactions.values():
            for tx in sent.values():
                assert tx in html
        for root in closed.roots.values():
            assert root in html


def test_who_is_left_out_is_at_the_top() -> None:
    html = page(fake_run(rounds=6, void=(3,), since=2).summary())
    checked(html)
    line = "node 3 left out since round 2: norm."
    why = "Refused by node 0 (4), node 1 (4), node 2 (4); last reason: norm 13 times the median."
    assert html.index("<h1>") < html.index(line) < html.index(why) < html.index('class="tiles"')
    assert "left out since" not in page(RUNS["usual"]), "two rounds of five are no row of three"
    assert "left out since" not in page(fake_run(rounds=3, void=(), since=2).summary())


def test_the_table_of_nodes_counts_all_rounds_and_not_the_last_ones_only() -> None:
    html = page(fake_run(rounds=40, void=(), since=3).summary())
    nodes = html[html.index("<h2>Nodes") :]
    assert nodes.index(">left out<") < nodes.index('<td class="n">38</td>') < nodes.index("</table>")


def test_without_a_history_there_is_no_time_line() -> None:
    summary = RUNS["usual"]
    assert "Time line" not in page(summary)
    assert "Time line" not in page(summary, History())
    assert "Time line" in page(summary, fake_run().history)


def test_the_same_run_gives_the_same_page() -> None:
    assert page(fake_run().summary(), fake_run().history) == page(fake_run().summary(), fake_run().history)


def test_what_other_parties_say_is_text_and_never_markup() -> None:
    evil = '"><script>alert(1)</script>'
    run = fake_run()
    usual = run.summary()
    refusal = Refusal(by=address(0), update=evil, screen=evil, reason=evil, score=1.0)
    first = replace(
        usual.rounds[0],
        refusals=(refusal,),
        transactions={address(0): {evil: evil}},
        seconds={evil: 1.0},
        gas={evil: 1},
    )
    summary = replace(
        usual,
        settings={"name": evil, evil: evil},
        federation=evil,
        nodes=(replace(usual.nodes[0], error=evil), *usual.nodes[1:]),
        rounds=(*(replace(first, round=number, roots={evil: evil}) for number in (1, 2, 3)), *usual.rounds[3:]),
    )
    history = run.history
    history.spans[1] = replace(history.spans[1], what=evil)
    html = page(summary, history)
    checked(html)
    assert "left out since round 1" in html
    assert "<script" not in html


def test_many_nodes_make_no_huge_file() -> None:
    assert len(page(RUNS["many"])) < 3_000_000

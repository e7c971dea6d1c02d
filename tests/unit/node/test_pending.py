"""What is on its way, was heard, or rests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rayfed.node.pending import HEARD_SECONDS, LONGEST_PAUSE, Outbox, Pending
from rayfed.node.refusals import TRIES, UNHEARD, hopeless
from rayfed.protocol.messages import Receipt, Verb, View
from tests.unit.protocol.test_policy import VIEW

COMMIT = Verb.COMMIT, 5


def at(second: int) -> View:
    return replace(VIEW, time=1_000 + second)


def test_what_was_refused_rests_longer_each_time_for_the_same_reason() -> None:
    pending: Pending[str] = Pending()
    rests = []
    for _ in range(7):
        pending.sent("x")
        assert pending.in_flight == {"x"}
        pending.landed("x", at(0), "OutOfGas")
        rests.append(next(s for s in range(100) if not pending.rests("x", at(s))))
    assert rests == [2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    rejection = pending.refusal("x")
    assert rejection is not None
    assert (rejection.reason, rejection.times) == ("OutOfGas", 7)
    pending.landed("x", at(0), "WrongPhase")
    assert not pending.rests("x", at(2)), "another reason begins anew"
    pending.landed("x", at(0), None)
    assert pending.refusal("x") is None


def test_a_reason_in_which_only_figures_change_is_the_same_one() -> None:
    """What gas costs changes from block to block: who cannot pay for it cannot, however much that is now."""
    pending: Pending[str] = Pending()
    for wanted in range(TRIES):
        pending.rest("x", at(0), f"ledger.fund_ether: 0xAb cannot pay for join: have 0 want {10**15 + wanted}")
    error = hopeless(Verb.JOIN, 0, pending.refusal("x"))
    assert error is not None
    assert error.setting == "ledger.fund_ether"


def test_what_was_heard_is_not_said_again_until_the_view_should_have_it() -> None:
    outbox = Outbox()
    outbox.sent(COMMIT)
    assert outbox.said(at(0)) == {COMMIT}
    assert outbox.flies_in(5)
    outbox.answered(Receipt(*COMMIT, "0x", 0, 0), at(0))
    assert not outbox.flies_in(5)
    assert outbox.said(at(HEARD_SECONDS - 1)) == {COMMIT}
    assert outbox.said(at(HEARD_SECONDS)) == frozenset(), "the chain has gone back"


def test_in_another_state_what_was_heard_or_refused_may_be_said_at_once() -> None:
    outbox = Outbox()
    outbox.answered(Receipt(Verb.ADVANCE, 0, "0x", 0, 0), at(0))
    outbox.answered(Receipt(Verb.JOIN, 0, "0x", 0, 0, "Paused"), at(0))
    outbox.forget((Verb.ADVANCE, 0))
    outbox.forget((Verb.JOIN, 0))
    assert outbox.said(at(0)) == frozenset()
    assert not outbox.rests((Verb.JOIN, 0), at(0))


@pytest.mark.parametrize(
    ("verb", "round", "reason", "setting", "line"),
    [
        (Verb.JOIN, 0, "NotAllowed", "stake.allow_list", "join was refused 5 times, .* does not name this account"),
        (Verb.JOIN, 0, "UnderBonded", "stake.bond", "join was refused 5 times, .* too few bonds"),
        (Verb.ATTEST, 3, "OutOfGas", "ledger", "attest of round 3 was refused 5 times, .*: OutOfGas"),
        (Verb.VOTE, 3, "ledger.fund_ether: no funds", "ledger.fund_ether", "vote of round 3 .*: no funds"),
    ],
)
def test_after_a_few_tries_for_one_reason_it_is_hopeless(
    verb: Verb, round: int, reason: str, setting: str, line: str
) -> None:
    outbox = Outbox()
    for times in range(1, TRIES + 1):
        outbox.answered(Receipt(verb, round, "0x", 0, 0, reason), at(0))
        error = hopeless(verb, round, outbox.refusal((verb, round)))
        assert (error is None) is (times < TRIES)
    assert error is not None
    assert error.setting == setting
    with pytest.raises(type(error), match=line):
        raise error


@pytest.mark.parametrize("reason", UNHEARD)
def test_what_the_chain_has_not_refused_is_never_hopeless(reason: str) -> None:
    outbox = Outbox()
    for _ in range(3 * TRIES):
        outbox.answered(Receipt(*COMMIT, "", 0, 0, reason), at(0))
    assert hopeless(*COMMIT, outbox.refusal(COMMIT)) is None

"""The phase table: it says of the ledger what the ledger does, and in words what the documents say."""

from __future__ import annotations

import pytest

from rayfed.ledger.memory.account import MemoryLedger
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol.commands import Advance, Attest, Commit, Join, Vote
from rayfed.protocol.messages import Phase, Status, Terms, Verb
from rayfed.protocol.phases import PHASES, SPOKEN_IN, Early, quorum
from rayfed.testing import ManualClock

TERMS = Terms(
    charter=bytes([1]) * 32,
    genesis=bytes([2]) * 32,
    rounds=1,
    join_seconds=11,
    commit_seconds=12,
    vote_seconds=13,
    attest_seconds=14,
    start_members=3,
    min_members=2,
    max_missed=0,
)
MEMBERS = [f"0x{i:040x}" for i in range(1, 4)]


class World:
    """Three members of a federation, whom the phase table tells what to say."""

    def __init__(self) -> None:
        self.chain = MemoryChain(TERMS, ManualClock())
        self.ledgers = [MemoryLedger(self.chain, member) for member in MEMBERS]

    def say(self, phase: Phase, member: int) -> None:
        """Have a member say what there is to be said in a phase."""
        view, ledger = self.chain.view(), self.ledgers[member]
        said = {
            None: Join(TERMS.charter),
            Verb.COMMIT: Commit(view.round, view.context, bytes([member + 1]) * 32),
            Verb.VOTE: Vote(view.round, view.context, view.committed),
            Verb.ATTEST: Attest(view.round, view.context, bytes([9]) * 32),
        }
        ledger.submit(said[PHASES[phase].verb])
        assert all(receipt.error is None for receipt in ledger.receipts())

    def reach(self, phase: Phase) -> None:
        """Go on until a phase has opened, everybody speaking."""
        while self.chain.view().phase is not phase:
            for member in range(3):
                self.say(self.chain.view().phase, member)
            self.chain.act(MEMBERS[0], Advance())


SPEAKING = [Phase.FORMING, Phase.COMMIT, Phase.VOTE, Phase.ATTEST]


@pytest.mark.parametrize("phase", SPEAKING)
def test_a_phase_lasts_as_long_as_the_table_says(phase: Phase) -> None:
    world = World()
    world.reach(phase)
    view = world.chain.view()
    assert view.deadline - view.time == getattr(TERMS, PHASES[phase].seconds)
    world.chain.clock.advance(view.deadline - view.time)
    assert world.chain.view().due is (phase is not Phase.FORMING), "forming waits for members"


@pytest.mark.parametrize("phase", SPEAKING)
def test_its_step_is_due_as_soon_as_the_table_says_and_leads_there(phase: Phase) -> None:
    world = World()
    world.reach(phase)
    for member in range(3):
        assert not world.chain.view().due
        world.say(phase, member)
    assert world.chain.view().due
    world.chain.act(MEMBERS[0], Advance())
    row, view = PHASES[phase], world.chain.view()
    if isinstance(row.then, Phase):
        assert view.phase is row.then
    else:
        outcome = world.chain.outcome(1)
        assert outcome is not None
        assert outcome.status is row.then


@pytest.mark.parametrize("phase", [Phase.COMMIT, Phase.VOTE, Phase.ATTEST])
def test_what_is_missing_closes_the_round_as_the_table_says(phase: Phase) -> None:
    world = World()
    world.reach(phase)
    world.say(phase, 0)
    world.chain.clock.advance(getattr(TERMS, PHASES[phase].seconds))
    world.chain.act(MEMBERS[0], Advance())
    closed = world.chain.view().previous
    assert closed is not None
    assert PHASES[phase].otherwise is Status.VOID
    # Without an attestation there is nothing to be judged.
    assert closed.status is (Status.VOID if phase is Phase.ATTEST else Status.OVER)


def test_the_verbs_phases_are_the_tables() -> None:
    assert SPOKEN_IN == {Verb.COMMIT: Phase.COMMIT, Verb.VOTE: Phase.VOTE, Verb.ATTEST: Phase.ATTEST}
    assert set(PHASES) == set(Phase)


def test_a_row_says_in_words_what_it_does() -> None:
    assert PHASES[Phase.VOTE].due == "everybody on the roster has spoken or the deadline has passed"
    assert PHASES[Phase.ATTEST].due.startswith("one root has the quorum or everybody")
    assert PHASES[Phase.COMMIT].step == "VOTE if min_members updates are committed, otherwise VOID"
    assert PHASES[Phase.FORMING].step == "COMMIT if min_members are active, otherwise it goes on"
    assert PHASES[Phase.WAITING].due == Early.ROOM.value
    assert (PHASES[Phase.DONE].due, PHASES[Phase.DONE].step) == ("", "")


@pytest.mark.parametrize(("roster", "most"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (256, 171)])
def test_a_quorum_is_more_than_two_thirds(roster: int, most: int) -> None:
    assert quorum(roster) == most
    assert 3 * most > 2 * roster >= 3 * (most - 1)

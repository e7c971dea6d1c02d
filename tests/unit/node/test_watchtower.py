"""A node that looks after what has become final: with the court in memory, real blobs, real proofs."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rayfed.node
from rayfed.encoding import merkle
from rayfed.encoding.primitives import Root
from rayfed.errors import LedgerError, StoreError
from rayfed.node import fraud_proofs
from rayfed.node.memo import Memo
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower import TURN_SECONDS, Watchtower, claim, turns
from rayfed.node.watchtower.endings import ending
from rayfed.protocol.charter import MergeTerms
from rayfed.protocol.commands import Challenge, CloseCase, Command, Conclude, Expire, Forfeit
from rayfed.protocol.judgement import MERGED, Case, Kind, Record, State
from rayfed.protocol.messages import Status
from rayfed.store.files import FileStore
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger, MemoryStore
from tests.unit.node.test_edge_node import FEDERATION, GENESIS, charter

MEMBERS = [f"0x{i + 1:040x}" for i in range(4)]
OUTSIDER = "0x" + "99" * 20
STAKE, REWARD, BOND, POOL = 1_000, 400, 50, 10_000


class Table:
    """Four members who play rounds by hand, and watchers who look on."""

    def __init__(self, folder: Path, rule: str = "mean") -> None:
        self.folder = folder
        merge = MergeTerms(rule, trim=2_500 if rule == "trimmed_mean" else 0)
        self.charter = replace(charter(rounds=6), merge=merge)
        self.terms = replace(
            self.charter.terms(), stake=STAKE, reward=REWARD, bond=BOND, challenge_seconds=300, proof_seconds=100
        )
        self.clock = ManualClock()
        self.chain = MemoryChain(self.terms, self.clock)
        self.chain.court.chain_id, self.chain.court.federation = 31337, FEDERATION
        self.store = MemoryStore()
        self.notes: list[str] = []
        self.chain.court.fund(OUTSIDER, POOL)
        for member in MEMBERS:
            self.chain.court.deposit(member, member, STAKE)
            self.chain.join(member, self.charter.hash)

    def tools(self, name: str) -> BlobTools:
        return BlobTools.of(self.charter, 31337, FEDERATION, self.files(name), self.store, Memo())

    def files(self, name: str) -> FileStore:
        return FileStore(self.folder / name)

    def tower(self, who: str, tools: BlobTools | None = None) -> Watchtower:
        return Watchtower(MemoryLedger(self.chain, who), tools or self.tools(who), note=self.notes.append)

    def update(self, index: int, value: float, round: int) -> Root:
        state = {"w": np.full(3000, value, np.float32), "steps": np.array(round, np.int64)}
        tools = self.tools(MEMBERS[index])
        root = tools.disk.keep(tools.codec.update(round, MEMBERS[index], state, 10 + index).blob)
        assert tools.blobs.publish(root).is_done
        return root

    def vote(self) -> tuple[int, list[Root]]:
        """Have all commit, and all vote for all; return the round and the updates' roots."""
        round = self.chain.round
        roots = [self.update(i, float(i), round) for i in range(4)]
        for i in range(4):
            self.chain.commit(MEMBERS[i], round, roots[i])
        for i in range(4):
            self.chain.vote(MEMBERS[i], round, 0b1111)
        return round, roots

    def attest(self, round: int, roots: list[Root], twist: int | None = None, attesters: range = range(4)) -> Root:
        """Have these attest the merge; with ``twist``, one in which a byte is changed there. Return its root."""
        true = self.tools("table")
        merged, blob = true.merger.merge({root: self.blob(root) for root in roots}, round, self.chain.base)
        if twist is not None:
            forged = bytearray(blob)
            forged[twist] ^= 0x40
            merged = merkle.root(forged)
            self.store.put(merged, memoryview(bytes(forged)))
        else:
            assert true.blobs.publish(merged).is_done
        for i in attesters:
            if self.chain.round == round:
                self.chain.attest(MEMBERS[i], round, merged)
        return merged

    def play(self, twist: int | None = None, attesters: range = range(4)) -> tuple[int, Root]:
        """Play a round to its end; return its number and the root that all attest, see ``attest``."""
        round, roots = self.vote()
        return round, self.attest(round, roots, twist, attesters)

    def blob(self, root: Root) -> memoryview:
        found = self.tools("table").blobs.find(root, MEMBERS).blob
        assert found is not None
        return found

    def until_quiet(self, *towers: Watchtower) -> int:
        steps = 0
        while any(tower.step(self.chain.view()) for tower in towers):
            steps += 1
            assert steps < 50
        return steps


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def test_a_right_merge_is_left_alone_and_settled_when_its_time_is_over(table: Table) -> None:
    round, _ = table.play()
    tower = table.tower(MEMBERS[1])
    assert table.until_quiet(tower) == 0
    assert not tower.distrusts()
    table.clock.advance(1_000)
    tower.step(table.chain.view())
    table.clock.advance(4 * TURN_SECONDS)
    assert tower.step(table.chain.view())
    assert table.chain.court.books().settled >= round
    assert claim(MemoryLedger(table.chain, MEMBERS[1]), OUTSIDER)
    assert table.chain.court.account(MEMBERS[1]).claimable == 0
    assert table.chain.court.account(MEMBERS[2]).claimable == REWARD // 3


@pytest.mark.parametrize("rule", ["mean", "trimmed_mean", "median"])
@pytest.mark.parametrize("twist", [4096 + 40, 4096 * 3 + 800, 5 * 32, 2 * 4096 + 4095])
def test_a_wrong_merge_is_taken_back_by_one_honest_member(tmp_path: Path, rule: str, twist: int) -> None:
    table = Table(tmp_path, rule)
    right, base = table.play()
    wrong, _ = table.play(twist=twist, attesters=range(3))
    later, _ = table.play(attesters=range(3))
    honest = table.tower(MEMBERS[3])
    assert table.until_quiet(honest) >= 3
    outcomes = [table.chain.outcome(r) for r in (right, wrong, later)]
    assert [o.status for o in outcomes if o] == [Status.FINAL, Status.VOID, Status.VOID]
    view = table.chain.view()
    assert (view.base, view.base_round) == (base, right)
    assert view.active == 0b1000
    accounts = table.chain.court.accounts()
    assert [account.stake for account in accounts] == [0, 0, 0, STAKE]
    assert accounts[3].claimable == 3 * STAKE // 2 + BOND
    assert not honest.distrusts()
    assert table.chain.court.books().bonds == 0


def test_a_watcher_fetches_the_base_that_the_rule_asks_for(tmp_path: Path) -> None:
    table = Table(tmp_path, "norm_clipping")
    founder = table.tools("table")
    founder.models.build_genesis(table.charter.genesis, GENESIS)
    table.play()
    late = table.tower(OUTSIDER)
    table.until_quiet(late)
    assert not late.is_satisfied(table.chain.view()), "nobody gives it"
    assert founder.blobs.publish(table.charter.genesis).is_done
    table.clock.advance(10)
    table.until_quiet(late)
    assert late.is_satisfied(table.chain.view())


def test_who_has_no_seat_can_do_the_same(table: Table) -> None:
    round, _ = table.play(twist=5000)
    table.until_quiet(table.tower(OUTSIDER))
    outcome = table.chain.outcome(round)
    assert outcome is not None
    assert outcome.status is Status.VOID


def test_a_challenger_that_died_is_carried_on_for(table: Table) -> None:
    round, _ = table.play(twist=5000)
    first = table.tower(OUTSIDER)
    assert first.step(table.chain.view())  # opens the challenge, and is never seen again
    table.until_quiet(table.tower(MEMBERS[0]))
    outcome = table.chain.outcome(round)
    assert outcome is not None
    assert outcome.status is Status.VOID
    assert [case.challenger for case in table.chain.court.cases.values()] == [OUTSIDER]


def test_a_false_challenge_is_not_helped(table: Table) -> None:
    round, _ = table.play()
    table.chain.court.challenge(OUTSIDER, round, 1, 7, table.chain.included_roots(round))
    assert table.until_quiet(table.tower(MEMBERS[0])) == 0


def test_an_update_that_nobody_gives_takes_the_merge_back(table: Table) -> None:
    round, _ = table.play()
    withheld = table.chain.included_roots(round)[2]
    table.store.blobs.pop(withheld)
    tower = table.tower(OUTSIDER, table.tools("fresh"))
    assert not tower.step(table.chain.view())
    table.clock.advance(100)
    tower.step(table.chain.view())
    (case,) = table.chain.court.cases.values()
    assert case.which == 2
    table.clock.advance(101)
    assert tower.step(table.chain.view())
    assert table.chain.court.cases[1].state is State.FORFEITED
    outcome = table.chain.outcome(round)
    assert outcome is not None
    assert outcome.status is Status.VOID
    assert [account.stake for account in table.chain.court.accounts()] == [STAKE, STAKE, 0, STAKE]


def test_what_a_power_cut_has_damaged_is_fetched_and_not_demanded(table: Table) -> None:
    """It lies on the own disk by its name, with other bytes, and peers have it: nobody is to blame for that."""
    round, _ = table.play()
    root = table.chain.included_roots(round)[1]
    file = table.files(MEMBERS[1]).file(root)
    size = file.stat().st_size
    file.unlink()  # the file itself may be what others hold
    file.write_bytes(bytes(size))
    tower = table.tower(MEMBERS[1])
    tower.step(table.chain.view())
    assert tower.is_satisfied(table.chain.view())
    table.clock.advance(200)
    tower.step(table.chain.view())
    assert not table.chain.court.cases


def test_what_a_node_of_the_same_process_has_is_not_demanded(table: Table) -> None:
    """After a restart nobody offers it, and it lies on the disk of the node beside."""
    round, _ = table.play()
    root = table.chain.included_roots(round)[1]
    del table.store.blobs[root]
    revealed: list[Root] = []
    tools = table.tools(MEMBERS[0]).apart(beside=[table.files(name) for name in MEMBERS[:2]])
    ledger = MemoryLedger(table.chain, MEMBERS[0])
    tower = Watchtower(ledger, tools, reveal=revealed.extend, note=table.notes.append)
    tower.step(table.chain.view())
    assert tower.is_satisfied(table.chain.view()), table.notes
    assert set(revealed) == set(table.chain.included_roots(round))


def test_what_a_node_has_fetched_to_verify_it_gives_to_others(table: Table) -> None:
    table.play()
    tools, given = table.tools(OUTSIDER), set[Root]()
    ledger = MemoryLedger(table.chain, OUTSIDER)

    def reveal(roots: Iterable[Root]) -> None:
        given.update(root for root in roots if tools.disk.own(root) is not None)

    Watchtower(ledger, tools, reveal=reveal).step(table.chain.view())
    assert given == set(table.chain.included_roots(1))


def test_who_has_what_is_asked_for_shows_it_and_is_paid(table: Table) -> None:
    round, _ = table.play()
    table.chain.court.demand(OUTSIDER, round, 1, 2, table.chain.included_roots(round))
    holder = table.tower(MEMBERS[1])
    holder.step(table.chain.view())
    table.clock.advance(4 * TURN_SECONDS)
    assert holder.step(table.chain.view())
    assert table.chain.court.cases[1].state is State.ANSWERED
    assert table.chain.court.account(MEMBERS[1]).claimable == BOND


def test_after_the_window_nothing_is_done(table: Table) -> None:
    table.play(twist=5000)
    table.clock.advance(table.terms.challenge_seconds + 1_000)
    tower = table.tower(MEMBERS[3])
    tower.step(table.chain.view())
    assert not tower.distrusts()
    assert not table.chain.court.cases


# -- what a reorganisation takes away ----------------------------------------------------------------------------------


def test_a_wrong_round_that_the_chain_takes_back_is_begun_again(table: Table) -> None:
    """Final, known to be wrong, and back to the vote: nothing is left to be distrusted, and nothing fails."""
    round, roots = table.vote()
    before = table.chain.saved()
    table.attest(round, roots, twist=5000)
    tower = table.tower(MEMBERS[3])
    assert tower.step(table.chain.view())  # it opens a challenge
    assert tower.report().wrong == {round}
    table.chain.restore(before)
    table.clock.advance(10)
    tower.step(table.chain.view())
    assert not tower.distrusts()
    assert tower.report().verified == 0
    assert not table.chain.court.cases
    table.attest(round, roots)
    table.clock.advance(10)
    tower.step(table.chain.view())
    assert tower.is_satisfied(table.chain.view())


def test_a_right_round_that_comes_again_wrong_is_found_out(table: Table) -> None:
    table.play()
    round, roots = table.vote()
    before = table.chain.saved()
    table.attest(round, roots)
    later, _ = table.play()
    tower = table.tower(MEMBERS[3])
    tower.step(table.chain.view())
    assert tower.report().verified == later
    table.chain.restore(before)
    table.attest(round, roots, twist=5000, attesters=range(3))
    table.clock.advance(10)
    assert table.until_quiet(tower) >= 3
    outcome = table.chain.outcome(round)
    assert outcome is not None
    assert outcome.status is Status.VOID


def test_a_base_that_the_chain_takes_back_between_two_questions_is_asked_for_again(table: Table) -> None:
    """The view still says that two rounds are final, and the chain has gone back behind the first of them."""
    before = table.chain.saved()
    table.play()
    table.play(twist=5000)
    view = table.chain.view()
    tower = table.tower(MEMBERS[3])
    table.chain.restore(before)
    assert not tower.step(view)
    assert tower.report().verified == 0
    table.play()
    table.clock.advance(10)
    tower.step(table.chain.view())
    assert tower.is_satisfied(table.chain.view())


def test_roots_of_another_branch_are_not_taken_for_a_wrong_merge(table: Table) -> None:
    """The chain goes back between the question for a round's record and the one for its updates."""

    class Torn(MemoryLedger):
        def included_roots(self, round: int) -> tuple[Root, ...]:
            return tuple(reversed(super().included_roots(round)[1:]))

    table.play()
    tower = Watchtower(Torn(table.chain, MEMBERS[1]), table.tools(MEMBERS[1]), note=table.notes.append)
    assert not tower.step(table.chain.view())
    assert not tower.distrusts()
    assert tower.report().verified == 0, "it looks again"
    assert table.notes == []


# -- cases that anybody can end ----------------------------------------------------------------------------------------


def _ended(table: Table, *towers: Watchtower, seconds: int = 30) -> list[State]:
    """Let time pass, and the towers look; return how the cases stand then."""
    for _ in range(seconds):
        for tower in towers:
            tower.step(table.chain.view())
        table.clock.advance(1)
    return [case.state for case in table.chain.court.cases.values()]


def test_a_challenge_that_nobody_proves_is_ended_by_a_member_whose_turn_it_is(table: Table) -> None:
    round, _ = table.play()
    table.chain.court.challenge(OUTSIDER, round, 1, 7, table.chain.included_roots(round))
    members = [table.tower(member) for member in MEMBERS]
    assert _ended(table, *members) == [State.OPEN], "it may still be proved"
    table.clock.advance(table.terms.proof_seconds)
    assert _ended(table, *members) == [State.EXPIRED]
    assert table.chain.court.books().bonds == 0


def test_a_false_challenge_that_is_proved_is_concluded(table: Table) -> None:
    round, _ = table.play()
    court, roots = table.chain.court, table.chain.included_roots(round)
    court.challenge(OUTSIDER, round, 1, 7, roots)
    outcome = table.chain.outcome(round)
    assert outcome is not None
    blobs = {**{which: table.blob(root) for which, root in enumerate(roots)}, MERGED: table.blob(outcome.root)}
    court.prove(1, roots, [fraud_proofs.prove(blob, which, 1, weighted=True) for which, blob in blobs.items()])
    assert _ended(table, table.tower(MEMBERS[2])) == [State.FAILED]


def test_a_case_about_a_round_that_was_undone_is_closed_and_its_bond_comes_back(table: Table) -> None:
    round, _ = table.play(twist=5000)
    table.chain.court.demand(OUTSIDER, round, 1, 2, table.chain.included_roots(round))
    assert _ended(table, table.tower(MEMBERS[3])) == [State.CLOSED, State.UPHELD]
    assert table.chain.court.account(OUTSIDER).claimable == BOND


def test_a_case_that_is_ended_no_longer_keeps_its_round_from_being_settled(table: Table) -> None:
    round, _ = table.play()
    table.chain.court.challenge(OUTSIDER, round, 1, 7, table.chain.included_roots(round))
    table.clock.advance(1_000)
    _ended(table, *[table.tower(member) for member in MEMBERS])
    assert table.chain.court.books().settled >= round


def test_an_outsider_comes_after_all_members(table: Table) -> None:
    view = table.chain.view()
    assert sorted(turns.place(view, member, 5) for member in MEMBERS) == [0, 1, 2, 3]
    assert turns.place(view, OUTSIDER, 5) == 4
    assert {turns.place(view, MEMBERS[0], number) for number in range(4)} == {0, 1, 2, 3}


CHALLENGE = Case(7, Kind.CHALLENGE, State.OPEN, 1, OUTSIDER, 100, inputs=2)
PROVED = replace(CHALLENGE, proven=0b11, merged_proven=True)
DEMAND = replace(CHALLENGE, kind=Kind.DEMAND)
FINAL = Record(Status.FINAL, False, 0, 50, bytes(32), bytes(32), 0b11, 0b11, 0, 0)


@pytest.mark.parametrize(
    ("case", "record", "time", "expected"),
    [
        (CHALLENGE, FINAL, 100, None),
        (CHALLENGE, FINAL, 101, Expire(7)),
        (PROVED, FINAL, 1, Conclude(7)),
        (PROVED, FINAL, 101, Conclude(7)),
        (replace(CHALLENGE, proven=0b11), FINAL, 101, Expire(7)),
        (DEMAND, FINAL, 100, None),
        (DEMAND, FINAL, 101, Forfeit(7)),
        (CHALLENGE, replace(FINAL, status=Status.VOID, undone=True), 1, CloseCase(7)),
        (DEMAND, replace(FINAL, status=Status.VOID, undone=True), 101, CloseCase(7)),
        (DEMAND, None, 101, None),
        (replace(DEMAND, state=State.ANSWERED), FINAL, 101, None),
    ],
)
def test_how_a_case_ends(case: Case, record: Record | None, time: int, expected: object) -> None:
    assert ending(case, record, time) == expected


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_what_the_ledger_refuses_rests_and_other_things_go_on(table: Table) -> None:
    """An account that cannot pay for a bond answers all the same."""

    class Poor(MemoryLedger):
        tries = 0

        def submit(self, command: Command) -> None:
            if isinstance(command, Challenge):
                Poor.tries += 1
                raise LedgerError("insufficient funds")
            super().submit(command)

    right, _ = table.play()
    table.play(twist=5000)
    table.chain.court.demand(OUTSIDER, right, 3, 2, table.chain.included_roots(right))
    tower = Watchtower(Poor(table.chain, MEMBERS[3]), table.tools(MEMBERS[3]), note=table.notes.append)
    for _ in range(40):
        with suppress(LedgerError):
            tower.step(table.chain.view())
        table.clock.advance(1)
    assert 2 <= Poor.tries < 8
    assert table.chain.court.cases[1].state is State.ANSWERED
    assert tower.distrusts()


def test_a_full_disk_keeps_nobody_from_answering(table: Table) -> None:
    round, _ = table.play()
    table.chain.court.demand(OUTSIDER, round, 1, 2, table.chain.included_roots(round))

    class Full(FileStore):
        def put(self, root: Root, blob: memoryview) -> None:
            raise StoreError("cluster.state_dir: no room left for a blob")

    tools = BlobTools.of(table.charter, 31337, FEDERATION, Full(table.folder / MEMBERS[1]), table.store, Memo())
    tower = Watchtower(MemoryLedger(table.chain, MEMBERS[1]), tools, note=table.notes.append)
    for _ in range(4 * TURN_SECONDS):
        with suppress(StoreError):
            tower.step(table.chain.view())
        table.clock.advance(1)
    assert table.chain.court.cases[1].state is State.ANSWERED
    assert not tower.is_satisfied(table.chain.view()), "it could not verify the round"
    table.clock.advance(10)
    with pytest.raises(StoreError, match="no room left"):
        tower.step(table.chain.view())


def test_nothing_in_a_node_is_decided_by_an_assert() -> None:
    """``python -O`` leaves them out."""
    for file in Path(rayfed.node.__file__).parent.rglob("*.py"):
        found = [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)]
        assert found == [], file

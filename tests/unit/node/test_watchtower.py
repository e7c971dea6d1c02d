"""A node that looks after what has become final: with the court in memory, real blobs, real proofs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Root
from rayfed.node.blobs import Blobs
from rayfed.node.memo import Memo
from rayfed.node.watchtower import TURN_SECONDS, Watch, claim
from rayfed.protocol.charter import MergeTerms
from rayfed.protocol.judgement import State
from rayfed.protocol.messages import Status, View
from rayfed.store.files import FileStore
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger, MemoryStore
from tests.unit.node.test_edge_node import FEDERATION, GENESIS, LAYOUT, charter

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

    def blobs(self, name: str) -> Blobs:
        disk = FileStore(self.folder / name)
        return Blobs(LAYOUT, 31337, FEDERATION, self.charter.rule(), disk, self.store, Memo())

    def watch(self, who: str, blobs: Blobs | None = None) -> Watch:
        return Watch(MemoryLedger(self.chain, who), blobs or self.blobs(who), note=self.notes.append)

    def update(self, index: int, value: float, round: int) -> Root:
        state = {"w": np.full(3000, value, np.float32), "steps": np.array(round, np.int64)}
        blobs = self.blobs(MEMBERS[index])
        root, _ = blobs.update(round, MEMBERS[index], state, 10 + index, self.chain.base)
        assert blobs.publish(root)
        return root

    def play(self, twist: int | None = None, attesters: range = range(4)) -> tuple[int, Root]:
        """Play a round to its end; return its number and the root that all attest: with ``twist``, a value of the true
        merge is changed there."""
        round = self.chain.round
        roots = [self.update(i, float(i), round) for i in range(4)]
        for i in range(4):
            self.chain.commit(MEMBERS[i], round, roots[i])
        for i in range(4):
            self.chain.vote(MEMBERS[i], round, 0b1111)
        true = self.blobs("table")
        merged = true.merge({root: self.blob(root) for root in roots}, round, self.chain.base)
        if twist is not None:
            forged = bytearray(self.blob(merged, true))
            forged[twist] ^= 0x40
            merged = merkle.root(forged)
            self.store.put(merged, memoryview(bytes(forged)))
        else:
            assert true.publish(merged)
        for i in attesters:
            if self.chain.round == round:
                self.chain.attest(MEMBERS[i], round, merged)
        return round, merged

    def blob(self, root: Root, blobs: Blobs | None = None) -> memoryview:
        found = (blobs or self.blobs("table")).find(root, MEMBERS)
        assert found is not None
        return found

    def until_quiet(self, *watches: Watch, view: View | None = None) -> int:
        steps = 0
        while any(watch.step(self.chain.view()) for watch in watches):
            steps += 1
            assert steps < 50
        return steps


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def test_a_right_merge_is_left_alone_and_settled_when_its_time_is_over(table: Table) -> None:
    round, _ = table.play()
    watch = table.watch(MEMBERS[1])
    assert table.until_quiet(watch) == 0
    assert not watch.distrusted
    table.clock.advance(1_000)
    watch.step(table.chain.view())
    table.clock.advance(4 * TURN_SECONDS)
    assert watch.step(table.chain.view())
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
    honest = table.watch(MEMBERS[3])
    assert table.until_quiet(honest) >= 3
    outcomes = [table.chain.outcome(r) for r in (right, wrong, later)]
    assert [o.status for o in outcomes if o] == [Status.FINAL, Status.VOID, Status.VOID]
    view = table.chain.view()
    assert (view.base, view.base_round) == (base, right)
    assert view.active == 0b1000
    accounts = table.chain.court.accounts()
    assert [account.stake for account in accounts] == [0, 0, 0, STAKE]
    assert accounts[3].claimable == 3 * STAKE // 2 + BOND
    assert not honest.distrusted
    assert table.chain.court.books().bonds == 0


def test_a_watcher_fetches_the_base_that_the_rule_asks_for(tmp_path: Path) -> None:
    table = Table(tmp_path, "norm_clipping")
    founder = table.blobs("table")
    founder.genesis(table.charter.genesis, GENESIS)
    table.play()
    late = table.watch(OUTSIDER)
    table.until_quiet(late)
    assert not late.is_satisfied(table.chain.view()), "nobody gives it"
    assert founder.publish(table.charter.genesis)
    table.clock.advance(10)
    table.until_quiet(late)
    assert late.is_satisfied(table.chain.view())


def test_who_has_no_seat_can_do_the_same(table: Table) -> None:
    round, _ = table.play(twist=5000)
    table.until_quiet(table.watch(OUTSIDER))
    outcome = table.chain.outcome(round)
    assert outcome is not None
    assert outcome.status is Status.VOID


def test_a_challenger_that_died_is_carried_on_for(table: Table) -> None:
    round, _ = table.play(twist=5000)
    first = table.watch(OUTSIDER)
    assert first.step(table.chain.view())  # opens the challenge, and is never seen again
    table.until_quiet(table.watch(MEMBERS[0]))
    outcome = table.chain.outcome(round)
    assert outcome is not None
    assert outcome.status is Status.VOID
    assert [case.challenger for case in table.chain.court.cases.values()] == [OUTSIDER]


def test_a_false_challenge_is_not_helped(table: Table) -> None:
    round, _ = table.play()
    table.chain.court.challenge(OUTSIDER, round, 1, 7, table.chain.included_roots(round))
    assert table.until_quiet(table.watch(MEMBERS[0])) == 0


def test_an_update_that_nobody_gives_takes_the_merge_back(table: Table) -> None:
    round, _ = table.play()
    withheld = table.chain.included_roots(round)[2]
    table.store.blobs.pop(withheld)
    watch = table.watch(OUTSIDER, table.blobs("fresh"))
    assert not watch.step(table.chain.view())
    table.clock.advance(100)
    watch.step(table.chain.view())
    (case,) = table.chain.court.cases.values()
    assert case.which == 2
    table.clock.advance(101)
    assert watch.step(table.chain.view())
    assert table.chain.court.cases[1].state is State.FORFEITED
    outcome = table.chain.outcome(round)
    assert outcome is not None
    assert outcome.status is Status.VOID
    assert [account.stake for account in table.chain.court.accounts()] == [STAKE, STAKE, 0, STAKE]


def test_what_a_power_cut_has_damaged_is_fetched_and_not_demanded(table: Table) -> None:
    """It lies on the own disk by its name, with other bytes, and peers have it: nobody is to blame for that."""
    round, _ = table.play()
    own = table.blobs(MEMBERS[1])
    root = table.chain.included_roots(round)[1]
    file = own._disk.file(root)
    size = file.stat().st_size
    file.unlink()  # the file itself may be what others hold
    file.write_bytes(bytes(size))
    watch = table.watch(MEMBERS[1])
    watch.step(table.chain.view())
    assert watch.is_satisfied(table.chain.view())
    table.clock.advance(200)
    watch.step(table.chain.view())
    assert not table.chain.court.cases


def test_what_a_node_of_the_same_process_has_is_not_demanded(table: Table) -> None:
    """After a restart nobody offers it, and it lies on the disk of the node beside."""
    round, _ = table.play()
    root = table.chain.included_roots(round)[1]
    del table.store.blobs[root]
    blobs, revealed = table.blobs(MEMBERS[0]), []
    blobs.beside = [table.blobs(name)._disk for name in MEMBERS[:2]]
    ledger = MemoryLedger(table.chain, MEMBERS[0])
    watch = Watch(ledger, blobs, reveal=revealed.extend, note=table.notes.append)
    watch.step(table.chain.view())
    assert watch.is_satisfied(table.chain.view()), table.notes
    assert set(revealed) == set(table.chain.included_roots(round))


def test_who_has_what_is_asked_for_shows_it_and_is_paid(table: Table) -> None:
    round, _ = table.play()
    table.chain.court.demand(OUTSIDER, round, 1, 2, table.chain.included_roots(round))
    holder = table.watch(MEMBERS[1])
    holder.step(table.chain.view())
    table.clock.advance(4 * TURN_SECONDS)
    assert holder.step(table.chain.view())
    assert table.chain.court.cases[1].state is State.ANSWERED
    assert table.chain.court.account(MEMBERS[1]).claimable == BOND


def test_after_the_window_nothing_is_done(table: Table) -> None:
    table.play(twist=5000)
    table.clock.advance(table.terms.challenge_seconds + 1_000)
    watch = table.watch(MEMBERS[3])
    watch.step(table.chain.view())
    assert not watch.distrusted
    assert not table.chain.court.cases

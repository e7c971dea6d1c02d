"""A node that looks after what has become final: with the court in memory, real blobs, real proofs."""

from __future__ import annotations

import ast
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

import rayfed.node
from rayfed.encoding import merkle
from rayfed.encoding.primitives import Root
from rayfed.errors import LedgerError, StoreError
from rayfed.node.memo import Memo
from rayfed.node.tools import BlobTools
from rayfed.node.watchtower import LOOK_SECONDS, Watchtower, claim, departure
from rayfed.protocol.charter import MergeTerms
from rayfed.protocol.commands import (
    Advance,
    Attest,
    Claim,
    ClaimNative,
    Command,
    Commit,
    Deposit,
    DepositBonds,
    EnterRoot,
    Fund,
    Join,
    Leave,
    Release,
    Vote,
    Withdraw,
)
from rayfed.protocol.court import Fate, MergeEvidence
from rayfed.protocol.messages import Phase, Status
from rayfed.store.files import FileStore
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger, MemoryStore
from tests.unit.node.test_edge_node import FEDERATION, GENESIS, charter

MEMBERS = [f"0x{i + 1:040x}" for i in range(4)]
OUTSIDER, FORGER = "0x" + "99" * 20, "0x" + "66" * 20
STAKE, REWARD, BOND, POOL = 1_000, 400, 50, 10_000
LEAF = merkle.LEAF
ALL = range(4)


class Table:
    """Four members who play rounds by hand, and watchers who look on."""

    def __init__(self, folder: Path, rule: str = "mean", bits: int = 32) -> None:
        self.folder = folder
        merge = MergeTerms(rule, trim=2_500 if rule == "trimmed_mean" else 0, bits=bits)
        self.charter = charter(rounds=6, merge=merge)
        times = {"window_seconds": 40, "clock_seconds": 100, "proof_seconds": 60}
        self.terms = replace(self.charter.terms(), stake=STAKE, reward=REWARD, bond=BOND, **times)
        self.clock = ManualClock()
        self.chain = MemoryChain(self.terms, self.clock)
        self.store = MemoryStore()
        self.notes: list[str] = []
        self.chain.act(OUTSIDER, Fund(POOL))
        for member in MEMBERS:
            self.chain.act(member, Deposit(member, STAKE))
            self.chain.act(member, DepositBonds(member, self.terms.bonds))
            self.chain.act(member, Join(self.charter.hash))
        self.chain.act(OUTSIDER, Advance())

    def tools(self, name: str) -> BlobTools:
        return BlobTools.of(self.charter, 31337, FEDERATION, self.files(name), self.store, Memo())

    def files(self, name: str) -> FileStore:
        return FileStore(self.folder / name)

    def tower(self, who: str, tools: BlobTools | None = None, **options: Any) -> Watchtower:
        ledger = MemoryLedger(self.chain, who)
        return Watchtower(ledger, tools or self.tools(who), note=self.notes.append, **options)

    def update(self, index: int, value: float, round: int) -> Root:
        state = {"w": np.full(3000, value, np.float32), "steps": np.array(round, np.int64)}
        tools = self.tools(MEMBERS[index])
        made = tools.codec.update(round, MEMBERS[index], state, 10 + index)
        root = tools.disk.keep(tools.codec.packed(made, self.base).blob)
        assert tools.blobs.publish(root).is_done
        return root

    def base(self) -> memoryview:
        tools, base = self.tools("table"), self.chain.view().base
        if base == self.charter.genesis:
            return tools.codec.genesis(GENESIS)
        return self.store.get(base, tools.codec.whole.blob_size)

    def vote(self, roots: Sequence[Root] = ()) -> tuple[int, list[Root]]:
        """Have all commit, and all vote for all; return the round and the updates' roots."""
        round = self.chain.view().round
        given = list(roots) or [self.update(i, float(i), round) for i in ALL]
        for i in ALL:
            self.chain.act(MEMBERS[i], Commit(round, self.chain.view().context, given[i]))
        self.chain.act(OUTSIDER, Advance())
        for i in ALL:
            self.chain.act(MEMBERS[i], Vote(round, self.chain.view().context, 0b1111))
        self.chain.act(OUTSIDER, Advance())
        return round, given

    def attest(self, round: int, roots: list[Root], twist: int | None = None, forgers: Iterable[int] = ALL) -> Root:
        """Have all attest the merge; with ``twist``, these one in which a byte is changed there. Return the root of
        that, or of the merge."""
        true = self.tools("table")
        if self.terms.bits != 32:
            true.models.build_genesis(self.charter.genesis, GENESIS)
            assert true.blobs.publish(self.charter.genesis).is_done
        assert not true.merger.lacks(self.chain.view().base, MEMBERS)
        right, blob = true.merger.merge(roots, {root: self.blob(root) for root in roots}, round, self.chain.view().base)
        merged = right
        if twist is not None:
            forged = bytearray(blob)
            forged[twist] ^= 0x40
            merged = merkle.root(forged)
            self.store.put(merged, memoryview(bytes(forged)))
        else:
            assert true.blobs.publish(right).is_done
        context = self.chain.view().context
        for i in ALL:
            self.chain.act(MEMBERS[i], Attest(round, context, merged if i in forgers else right))
        self.chain.act(OUTSIDER, Advance())
        return merged

    def play(self, twist: int | None = None, forgers: Iterable[int] = ALL) -> tuple[int, Root]:
        """Play a round to its end; see ``attest``."""
        round, roots = self.vote()
        return round, self.attest(round, roots, twist, forgers)

    def blob(self, root: Root) -> memoryview:
        tools = self.tools("table")
        sizes = tools.codec.update_size, tools.codec.whole.blob_size
        found = [tools.blobs.find(root, MEMBERS, size=size).blob for size in sizes]
        return next(blob for blob in found if blob is not None)

    def roots(self, round: int) -> tuple[Root, ...]:
        evidence = self.chain.merge_evidence(round)
        assert evidence is not None
        return evidence.roots

    def status(self, round: int) -> Status:
        outcome = self.chain.outcome(round)
        assert outcome is not None
        return outcome.status

    def until(self, done: Callable[[], bool], *towers: Watchtower) -> None:
        """Let time pass, and the towers look, until it is done."""
        for _ in range(2_000):
            for tower in towers:
                while tower.step(self.chain.view()):
                    pass
            if done():
                return
            self.clock.advance(LOOK_SECONDS)
        raise AssertionError(f"never done: {self.notes}")

    def until_settled(self, *towers: Watchtower) -> None:
        self.until(lambda: not self.chain.view().unsettled, *towers)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path)


def said(table: Table, name: str) -> list[dict[str, Any]]:
    return [event.values for event in table.chain.events if event.name == name]


def test_a_right_merge_is_left_alone_and_settled_when_its_time_is_over(table: Table) -> None:
    round, _ = table.play()
    tower = table.tower(MEMBERS[1])
    assert not tower.step(table.chain.view())
    assert not tower.distrusts()
    assert tower.is_satisfied(table.chain.view())
    table.until_settled(tower)
    assert table.status(round) is Status.SETTLED
    assert claim(MemoryLedger(table.chain, MEMBERS[1]), OUTSIDER)
    assert table.chain.account(MEMBERS[1]).claimable == 0
    assert table.chain.account(MEMBERS[2]).claimable == REWARD // 4
    assert not said(table, "Entered")


@pytest.mark.parametrize(
    ("rule", "bits"), [("mean", 32), ("trimmed_mean", 32), ("median", 32), ("mean", 8), ("median", 16)]
)
@pytest.mark.parametrize("twist", [LEAF + 40, LEAF * 3 + 300, 5 * 32, 24 * LEAF + 511])
def test_a_wrong_merge_that_is_defended_is_undone_by_one_honest_member(
    tmp_path: Path, rule: str, bits: int, twist: int
) -> None:
    table = Table(tmp_path, rule, bits)
    right, base = table.play()
    wrong, forged = table.play(twist, forgers=range(3))
    later, _ = table.play()
    honest = table.tower(MEMBERS[3])
    table.until_settled(honest, forger(table, forged))
    assert [table.status(r) for r in (right, wrong, later)] == [Status.SETTLED, Status.OVER, Status.OVER]
    view = table.chain.view()
    assert (view.base, view.base_round) == (base, right)
    assert view.active == 0b1000
    accounts = [table.chain.account(member) for member in MEMBERS]
    assert [account.stake for account in accounts] == [0, 0, 0, STAKE]
    assert accounts[3].claimable == 3 * STAKE // 10 + REWARD // 4
    assert accounts[3].bonds == table.terms.bonds
    assert not honest.distrusts()
    assert honest.is_satisfied(view)


def forger(table: Table, forged: Root) -> Watchtower:
    """Return the watchtower of somebody who takes a wrong root for the right one, and has all that it takes."""
    tools = table.tools("forger")
    blob = table.blob(forged)

    class Believing(type(tools.merger)):  # type: ignore[misc]
        def made(self, roots: Any, updates: Any, round: int, base: Root) -> tuple[Root, memoryview]:
            root, true = super().made(roots, updates, round, base)
            same = sum(a == b for a, b in zip(true[: 8 * 32], blob[: 8 * 32], strict=True)) > 8 * 32 - 2
            return (forged, blob) if same else (root, true)

    merger = tools.merger
    believing = Believing(merger._rule, merger._codec, merger._blobs, merger._memo)
    return Watchtower(MemoryLedger(table.chain, FORGER), replace(tools, merger=believing))


def test_a_forger_that_shows_nothing_loses_too(table: Table) -> None:
    round, _ = table.play(twist=5_000)
    table.until_settled(table.tower(OUTSIDER))
    assert table.status(round) is Status.OVER
    assert table.chain.view().active == 0
    assert any("is entered against" in line for line in table.notes)
    assert any("is undone" in line for line in table.notes)


def test_a_right_root_is_defended_against_one_that_was_entered(table: Table) -> None:
    round, _ = table.play()
    sham = bytes(31) + b"\1"
    closed = table.chain.round_of(round)
    assert closed is not None
    table.chain.act(FORGER, EnterRoot(round, closed.context, sham))
    tower = table.tower(MEMBERS[0])
    tower.step(table.chain.view())
    assert not tower.is_satisfied(table.chain.view()), "who leaves now loses its stake"
    table.until_settled(*[table.tower(member) for member in MEMBERS])
    assert table.status(round) is Status.SETTLED
    entry = table.chain.entry(round, 1)
    assert entry is not None
    assert entry.fate is Fate.LOST
    assert [table.chain.account(member).stake for member in MEMBERS] == [STAKE] * 4
    assert len(said(table, "Shown")) == 1


def test_a_minority_is_defended_in_a_void_round(table: Table) -> None:
    round, _ = table.play(twist=5_000, forgers=range(2))
    assert table.status(round) is Status.VOID
    table.until_settled(table.tower(MEMBERS[3]))
    assert [table.chain.account(member).stake for member in MEMBERS] == [0, 0, STAKE, STAKE]
    assert table.chain.view().active == 0b1100


def test_a_watcher_fetches_the_base_that_the_rule_asks_for(tmp_path: Path) -> None:
    table = Table(tmp_path, "norm_clipping")
    founder = table.tools("table")
    founder.models.build_genesis(table.charter.genesis, GENESIS)
    table.play()
    late = table.tower(OUTSIDER)
    late.step(table.chain.view())
    assert not late.is_satisfied(table.chain.view()), "nobody gives it"
    assert founder.blobs.publish(table.charter.genesis).is_done
    table.clock.advance(10)
    late.step(table.chain.view())
    assert late.is_satisfied(table.chain.view())


def test_under_a_rule_that_the_court_cannot_recompute_a_wrong_root_is_told_and_distrusted(tmp_path: Path) -> None:
    table = Table(tmp_path, "norm_clipping")
    table.tools("table").models.build_genesis(table.charter.genesis, GENESIS)
    round, _ = table.play(twist=5_000)
    tower = table.tower(OUTSIDER, tools=table.tools("table"))
    tower.step(table.chain.view())
    assert tower.distrusts()
    table.until_settled(tower)
    tower.step(table.chain.view())
    assert table.status(round) is Status.SETTLED
    assert tower.report().settled_wrong == {round}
    assert not tower.distrusts(), "nobody undoes it any more: that is for its owner to judge"
    assert any("is not the merge" in line for line in table.notes)


def test_a_party_that_died_is_carried_on_for(table: Table) -> None:
    round, _ = table.play(twist=5_000)
    first = table.tower(OUTSIDER)
    table.until(lambda: bool(said(table, "Entered")), first)  # it enters the right root, and is never seen again
    table.until_settled(table.tower(MEMBERS[0]))
    assert table.status(round) is Status.OVER
    assert len(said(table, "Entered")) == 1


# -- what it has, and what it lacks -----------------------------------------------------------------------------------


def test_what_is_withheld_cannot_be_judged_and_nothing_is_said_for_any_root(table: Table) -> None:
    round, _ = table.play(twist=5_000)
    withheld = table.roots(round)[2]
    kept = table.store.blobs.pop(withheld)
    tower = table.tower(OUTSIDER, table.tools("fresh"))
    tower.step(table.chain.view())
    assert tower.report().unknown == {round}
    assert not tower.distrusts()
    assert not tower.is_satisfied(table.chain.view())
    (line,) = table.notes
    assert "cannot be judged" in line
    assert withheld.hex()[:12] in line
    table.clock.advance(10)
    table.store.put(withheld, memoryview(kept))
    tower.step(table.chain.view())
    assert tower.report().wrong == {round}, "it turned up in time"


def test_what_lacks_an_input_is_settled_all_the_same(table: Table) -> None:
    round, _ = table.play()
    table.store.blobs.pop(table.roots(round)[2])
    tower = table.tower(OUTSIDER, table.tools("fresh"))
    table.until_settled(tower)
    assert table.status(round) is Status.SETTLED
    tower.step(table.chain.view())
    assert tower.is_satisfied(table.chain.view()), "nothing about it can be judged any more"


def test_what_was_had_is_proved_after_a_restart_though_nobody_gives_it_any_more(table: Table) -> None:
    round, forged = table.play(twist=LEAF + 7)
    forging = forger(table, forged)
    forging.step(table.chain.view())
    table.tower(OUTSIDER).step(table.chain.view())  # has all, and is killed
    table.store.blobs.clear()
    after = table.tools(OUTSIDER)
    after.disk.prune(set())  # as the node beside it does between its rounds
    table.until_settled(table.tower(OUTSIDER, after), forging)
    assert table.status(round) is Status.OVER
    assert said(table, "Proved")


def test_inputs_are_let_go_some_time_after_the_round_is_settled(table: Table) -> None:
    round, _ = table.play()
    roots = table.roots(round)
    tools = table.tools(OUTSIDER)
    tower = table.tower(OUTSIDER, tools, lasts=100)
    table.until_settled(tower)
    assert all(tools.disk.files.has(root) for root in roots)
    table.until(lambda: round not in tools.disk.held, tower)
    assert not any(tools.disk.files.has(root) for root in roots)


def test_what_a_power_cut_has_damaged_is_fetched(table: Table) -> None:
    """It lies on the own disk by its name, with other bytes, and peers have it."""
    round, _ = table.play()
    root = table.roots(round)[1]
    file = table.files(MEMBERS[1]).file(root)
    size = file.stat().st_size
    file.unlink()  # the file itself may be what others hold
    file.write_bytes(bytes(size))
    tower = table.tower(MEMBERS[1])
    tower.step(table.chain.view())
    assert tower.is_satisfied(table.chain.view())


def test_what_a_node_of_the_same_process_has_is_there(table: Table) -> None:
    """After a restart nobody offers it, and it lies on the disk of the node beside."""
    round, _ = table.play()
    root = table.roots(round)[1]
    del table.store.blobs[root]
    revealed: list[Root] = []
    tools = table.tools(MEMBERS[0]).apart(beside=[table.files(name) for name in MEMBERS[:2]])
    tower = table.tower(MEMBERS[0], tools, reveal=revealed.extend)
    tower.step(table.chain.view())
    assert tower.is_satisfied(table.chain.view()), table.notes
    assert set(revealed) >= set(table.roots(round))


def test_what_a_node_has_fetched_to_verify_it_gives_to_others(table: Table) -> None:
    table.play()
    tools, given = table.tools(OUTSIDER), set[Root]()

    def reveal(roots: Iterable[Root]) -> None:
        given.update(root for root in roots if tools.disk.own(root) is not None)

    table.tower(OUTSIDER, tools, reveal=reveal).step(table.chain.view())
    assert given >= set(table.roots(1))


def test_what_it_has_merged_the_nodes_rounds_know(table: Table) -> None:
    round, root = table.play()
    tools = table.tools(OUTSIDER)
    table.tower(OUTSIDER, tools).step(table.chain.view())
    closed = table.chain.round_of(round)
    assert closed is not None
    assert tools.merges[closed.context] == root


# -- a merge is total -------------------------------------------------------------------------------------------------


def rubbish(table: Table, round: int) -> Root:
    """Return the root of bytes that are no update: another magic, and a weight of 2^255."""
    blob = np.random.default_rng(round).bytes(table.tools("table").codec.whole.blob_size)
    blob = blob[: 7 * 32] + b"\x80" + blob[7 * 32 + 1 :]
    table.store.put(merkle.root(blob), memoryview(blob))
    return merkle.root(blob)


@pytest.mark.parametrize("kind", ["rubbish", "two commit to the same"])
def test_whatever_a_majority_has_included_has_a_merge_and_is_proved(table: Table, kind: str) -> None:
    round = table.chain.view().round
    roots = [table.update(i, float(i), round) for i in ALL]
    roots[2] = rubbish(table, round) if kind == "rubbish" else roots[1]
    _, roots = table.vote(roots)
    forged = table.attest(round, roots, twist=2 * LEAF + 9)
    table.until_settled(table.tower(OUTSIDER), forger(table, forged))
    assert table.status(round) is Status.OVER
    assert said(table, "Proved")[-1]["proven"] == 0b1111


# -- money ------------------------------------------------------------------------------------------------------------


def test_a_bond_is_had_back_after_a_restart_though_the_round_is_settled(table: Table) -> None:
    round, _ = table.play(twist=5_000)
    first = table.tower(OUTSIDER)
    table.until(lambda: bool(said(table, "Entered")), first)
    table.until_settled(table.tower(MEMBERS[0]))
    assert table.chain.account(OUTSIDER).native_claimable == 0
    again = table.tower(OUTSIDER)
    table.until(lambda: table.chain.account(OUTSIDER).native_claimable == BOND, again)
    assert table.status(round) is Status.OVER
    for _ in range(20):
        again.step(table.chain.view())
        table.clock.advance(LOOK_SECONDS)
    assert claim(MemoryLedger(table.chain, OUTSIDER), OUTSIDER)
    assert table.chain.account(OUTSIDER).native_claimable == 0


def test_who_wants_all_back_leaves_and_withdraws_and_claims(table: Table) -> None:
    table.play()
    ledger = MemoryLedger(table.chain, MEMBERS[1])
    commands: list[Command] = []

    def depart() -> None:
        while (command := departure(ledger, table.chain.view(), OUTSIDER)) is not None:
            commands.append(command)
            ledger.submit(command)
            assert [receipt.error for receipt in ledger.receipts()] == [None], command

    depart()
    assert commands == [Leave()], "a round that can be judged counts on the seat"
    tower = table.tower(MEMBERS[0])
    table.until_settled(tower)
    depart()
    assert commands == [Leave()], "and so does the one in progress"
    table.clock.advance(10_000)
    table.chain.act(OUTSIDER, Advance())
    depart()
    assert commands == [Leave(), Release(1), Withdraw(), Claim(OUTSIDER), ClaimNative(OUTSIDER)]


def test_at_the_end_stake_and_bonds_come_back_by_themselves_for_who_wants_that(table: Table) -> None:
    table.play()
    tower = table.tower(MEMBERS[1])
    table.until_settled(tower)

    def departs() -> None:
        while tower.claim(OUTSIDER, table.chain.view(), departs=True):
            pass

    departs()
    account = table.chain.account(MEMBERS[1])
    assert (account.stake, account.bonds) == (STAKE, table.terms.bonds), "while a federation goes on nobody leaves it"
    assert table.chain.view().index_of(MEMBERS[1]) == 1
    for _ in range(table.terms.rounds - 1):
        table.play()
    table.until_settled(tower)
    while tower.claim(OUTSIDER, table.chain.view()):
        pass
    assert table.chain.view().phase is Phase.DONE
    assert not tower.claim(OUTSIDER, table.chain.view()), "who has not asked for it stays"
    departs()
    account = table.chain.account(MEMBERS[1])
    assert (account.stake, account.bonds, account.claimable, account.native_claimable) == (0, 0, 0, 0)
    assert table.chain.view().index_of(MEMBERS[1]) is None


# -- what a reorganisation takes away ----------------------------------------------------------------------------------


def test_a_wrong_round_that_the_chain_takes_back_is_begun_again(table: Table) -> None:
    """Final, known to be wrong, and back to the vote: nothing is left to be distrusted, and nothing fails."""
    round, roots = table.vote()
    before = table.chain.saved()
    table.attest(round, roots, twist=5_000)
    tower = table.tower(MEMBERS[3])
    table.until(lambda: bool(said(table, "Entered")), tower)
    assert tower.report().wrong == {round}
    table.chain.restore(before)
    tower.step(table.chain.view())
    assert not tower.distrusts()
    assert tower.report().verified == 0
    table.attest(round, roots)
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
    assert tower.is_satisfied(table.chain.view())
    table.chain.restore(before)
    table.attest(round, roots, twist=5_000, forgers=range(3))
    table.until_settled(tower)
    assert table.status(round) is Status.OVER


def test_a_settled_round_that_the_chain_takes_back_is_judged_by_bytes_that_are_still_there(table: Table) -> None:
    """Everybody else has let go of its bytes; on the other branch, made in the same time, a wrong root stands."""
    round, roots = table.vote()
    before, then = table.chain.saved(), table.clock.now
    table.attest(round, roots)
    tower = table.tower(OUTSIDER)
    table.until_settled(tower)
    assert table.status(round) is Status.SETTLED
    table.chain.restore(before)
    table.clock.now = then
    table.attest(round, roots, twist=5_000)
    table.store.blobs.clear()
    table.until_settled(tower)
    assert table.status(round) is Status.OVER
    assert said(table, "Undone")


def test_an_entry_that_the_chain_takes_back_is_entered_again(table: Table) -> None:
    round, _ = table.play(twist=5_000)
    before = table.chain.saved()
    tower = table.tower(OUTSIDER)
    table.until(lambda: bool(said(table, "Entered")), tower)
    table.chain.restore(before)
    table.until_settled(tower)
    assert table.status(round) is Status.OVER
    table.until(lambda: table.chain.account(OUTSIDER).native_claimable == BOND, tower)


def test_inputs_of_another_branch_are_not_taken_for_a_wrong_merge(table: Table) -> None:
    """The chain goes back between two questions, or its node lies."""

    class Torn(MemoryLedger):
        def merge_evidence(self, round: int) -> MergeEvidence | None:
            evidence = super().merge_evidence(round)
            assert evidence is not None
            return replace(evidence, roots=tuple(reversed(evidence.roots)))

    table.play()
    tower = Watchtower(Torn(table.chain, MEMBERS[1]), table.tools(MEMBERS[1]), note=table.notes.append)
    assert not tower.step(table.chain.view())
    assert not tower.distrusts()
    assert not tower.is_satisfied(table.chain.view()), "it looks again"
    assert table.notes == []


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_paid_for_rests_and_other_things_go_on(table: Table) -> None:
    class Poor(MemoryLedger):
        tries = 0

        def submit(self, command: Command) -> None:
            if isinstance(command, EnterRoot):
                Poor.tries += 1
                raise LedgerError("insufficient funds")
            super().submit(command)

    right, _ = table.play()
    wrong, _ = table.play(twist=5_000)
    tower = Watchtower(Poor(table.chain, MEMBERS[3]), table.tools(MEMBERS[3]), note=table.notes.append)
    for _ in range(40):
        with suppress(LedgerError):
            tower.step(table.chain.view())
        table.clock.advance(1)
    assert 2 <= Poor.tries < 8
    assert tower.report().wrong == {wrong}
    table.clock.advance(10)
    with suppress(LedgerError):
        tower.step(table.chain.view())
    table.clock.advance(10)
    with suppress(LedgerError):
        tower.step(table.chain.view())
    assert table.status(right) is Status.SETTLED


class FullDisk(FileStore):
    """Has no room until somebody makes some."""

    is_full = True

    def put(self, root: Root, blob: memoryview) -> None:
        if self.is_full:
            raise StoreError("cluster.state_dir: no room left for a blob")
        super().put(root, blob)


def test_a_full_disk_keeps_nobody_from_defending_a_merge(table: Table) -> None:
    wrong, forged = table.play(twist=LEAF + 7, forgers=range(3))
    files = FullDisk(table.folder / "full" / "blobs")
    tools = BlobTools.of(table.charter, 31337, FEDERATION, files, table.store, Memo(limit=1))
    honest = table.tower(OUTSIDER, tools)
    honest.step(table.chain.view())
    assert honest.report().wrong == {wrong}
    forging = forger(table, forged)
    forging.step(table.chain.view())
    table.store.blobs.clear()
    os.rename(files.path.parent, aside := table.folder / "aside")  # what it would write beside its blobs fails as well
    table.until_settled(honest, forging)
    assert table.status(wrong) is Status.OVER
    assert said(table, "Proved")
    (line,) = [line for line in table.notes if "no room left" in line]
    assert "in memory alone" in line
    os.rename(aside, files.path.parent)
    for _ in range(5):
        table.clock.advance(100)
        honest.step(table.chain.view())
    assert (files.path.parent / "blobs.court.json").exists(), "it is written when it can be"


def test_what_had_no_room_is_on_disk_as_soon_as_there_is_some(table: Table) -> None:
    round, right = table.play()
    files = FullDisk(table.folder / "full" / "blobs")
    tower = table.tower(OUTSIDER, BlobTools.of(table.charter, 31337, FEDERATION, files, table.store, Memo()))
    tower.step(table.chain.view())
    assert tower.is_satisfied(table.chain.view())
    assert not set(files.roots())
    files.is_full = False
    table.clock.advance(10)
    tower.step(table.chain.view())
    assert set(files.roots()) == {right, *table.roots(round)}


class Dripping(MemoryStore):
    """Gives one blob so slowly that nobody sees the end of it, until it is told to."""

    def __init__(self, blobs: dict[Root, bytes], slow: Root) -> None:
        super().__init__()
        self.blobs = blobs
        self.slow, self.is_asked, self.goes_on, self.has_ended = slow, Event(), Event(), Event()

    def get(self, root: Root, size: int, holders: Sequence[str] = ()) -> memoryview:
        if root == self.slow:
            self.is_asked.set()
            self.goes_on.wait(600)
            self.has_ended.set()
        return super().get(root, size, holders)


def test_no_turn_in_court_waits_for_bytes_that_drip(table: Table) -> None:
    right, _ = table.play()
    wrong, _ = table.play(twist=5_000)
    store, files = Dripping(table.store.blobs, table.roots(right)[0]), table.files("fresh")
    tools = BlobTools.of(table.charter, 31337, FEDERATION, files, store, Memo(), waits=0.05)
    tower = table.tower(OUTSIDER, tools)

    def entered() -> bool:
        return [event["round"] for event in said(table, "Entered")] == [wrong]

    for _ in range(38):
        tower.step(table.chain.view())
        time.sleep(0.05)  # the others' transfers have threads of their own
        table.clock.advance(1)
    assert store.is_asked.is_set()
    assert not store.has_ended.is_set(), "it came to its turns while the other transfer went on"
    assert entered()
    assert tower.report().unknown == {right}
    store.goes_on.set()
    while right in tower.report().unknown:
        table.clock.advance(LOOK_SECONDS)
        tower.step(table.chain.view())
    assert tower.report().wrong == {wrong}


def test_a_round_of_which_the_ledgers_node_has_forgotten_all_hides_no_other(table: Table) -> None:
    class Forgetful(MemoryLedger):
        def merge_evidence(self, round: int) -> MergeEvidence | None:
            if round == first:
                raise LedgerError(f"ledger.rpc_url: the chain's node does not have all events of round {round}")
            return super().merge_evidence(round)

    first, _ = table.play()
    wrong, _ = table.play(twist=5_000)
    tower = Watchtower(Forgetful(table.chain, MEMBERS[3]), table.tools(MEMBERS[3]), note=table.notes.append)
    for _ in range(5):
        with suppress(LedgerError):
            tower.step(table.chain.view())
        table.clock.advance(LOOK_SECONDS)
    assert (tower.report().wrong, tower.report().unknown) == ({wrong}, {first})
    assert [event["round"] for event in said(table, "Entered")] == [wrong]


def test_nothing_is_asked_for_again_at_once(table: Table) -> None:
    round, _ = table.play()
    missing = table.roots(round)[2]
    table.store.blobs.pop(missing)
    asked = 0
    get = table.store.get

    def counted(root: Root, size: int, holders: Sequence[str] = ()) -> memoryview:
        nonlocal asked
        asked += root == missing
        return get(root, size, holders)

    table.store.get = counted  # type: ignore[method-assign]
    tower = table.tower(OUTSIDER, table.tools("fresh"))
    for _ in range(60):
        tower.step(table.chain.view())
        table.clock.advance(1)
    assert 2 <= asked <= 6


def test_nothing_in_a_node_is_decided_by_an_assert() -> None:
    """``python -O`` leaves them out."""
    for file in Path(rayfed.node.__file__).parent.rglob("*.py"):
        found = [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Assert)]
        assert found == [], file

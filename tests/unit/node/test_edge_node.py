"""The edge node on a ledger and a store in memory: everything real but Ray, the chain and torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayfed.aggregation.rules.optimizer import extended
from rayfed.aggregation.screens.norm import Norm
from rayfed.encoding import codec, merkle
from rayfed.encoding.primitives import NO_ROOT, Address, Root, bitmap, bits
from rayfed.errors import BlobMissing, ConfigError, LedgerError, RayfedError
from rayfed.learning import State, Update
from rayfed.ledger.memory.slots import SeatSlot
from rayfed.ledger.relay.batches import NOT_HEARD
from rayfed.node.edge_node import EdgeNode, Progress
from rayfed.node.journal import Journal
from rayfed.node.parts import Hooks, Membership, Options, Resources
from rayfed.node.pending import Rejection
from rayfed.node.refusals import hopeless
from rayfed.protocol.charter import Charter, DataTerms, MergeTerms, StakeTerms
from rayfed.protocol.commands import Advance, Attest, Command, Commit, Deposit, DepositBonds, Vote
from rayfed.protocol.messages import NodeRecord, Outcome, Phase, Receipt, Status, Verb, View
from rayfed.store.files import FileStore
from rayfed.testing import ManualClock, MemoryChain, MemoryLedger, MemoryStore

GENESIS = {"w": np.linspace(-1, 1, 3000, dtype=np.float32), "steps": np.array(0, np.int64)}
LAYOUT = codec.Layout.of(GENESIS, {"w"})
FEDERATION = "0x" + "fe" * 20
KINDS: tuple[type[Any], ...] = (Resources, Options, Hooks)


def charter(**changes: Any) -> Charter:
    merge = changes.get("merge", MergeTerms("mean"))
    whole = replace(extended(LAYOUT, merge.optimizer), bits=merge.bits)
    blob = codec.encode(LAYOUT, GENESIS, codec.Header.merged(0), within=whole).blob
    terms: dict[str, Any] = {
        "rounds": 3,
        "join_seconds": 300,
        "commit_seconds": 60,
        "vote_seconds": 30,
        "attest_seconds": 30,
        "start_members": 4,
        "min_members": 2,
        "max_missed": 3,
        "max_unsettled": 16,
        "max_void": 8,
        "limit_seconds": 86_400,
        "merge": merge,
        "layout": LAYOUT,
        "genesis": merkle.root(blob),
    }
    return Charter(
        name="test",
        data=DataTerms(("a", "b"), (1, 1, 1), (0,), (1_000_000,)),
        model={},
        genesis_source={"seed": 0},
        **(terms | changes),
    )


class Pull:
    """Learns by pulling the weights towards the node's own target: enough for a merge to mean something."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.trained: list[int] = []

    def genesis(self) -> State:
        return GENESIS

    def train(self, base: State, round: int) -> Update:
        self.trained.append(round)
        target = np.float32(self.slot + 1)
        weights = base["w"] + np.float32(0.1) * (target - base["w"])
        loss = float(np.abs(target - weights).mean())
        return Update({"w": weights, "steps": np.asarray(base["steps"] + 1)}, loss, 10)

    def evaluate(self, state: State) -> tuple[float, int]:
        return 1 / (1 + float(np.abs(state["w"] - 2.5).mean())), 10 * (self.slot + 1)

    def alone(self) -> Iterator[float]:
        yield 0.25
        yield 0.5


class World:
    """Some nodes and what they share."""

    def __init__(self, tmp: Path, nodes: int = 4, **changes: Any) -> None:
        self.tmp = tmp
        self.charter = charter(**({"start_members": nodes} | changes))
        self.clock = ManualClock()
        self.chain = MemoryChain(self.charter.terms(), self.clock)
        self.store: Any = MemoryStore()
        self.records: list[NodeRecord] = []
        self.learners = {slot: Pull(slot) for slot in range(nodes)}
        self.nodes = {slot: self.start(slot) for slot in range(nodes)}

    def start(self, slot: int, **changes: Any) -> EdgeNode:
        """Start a node; the changes are to ``Resources``, ``Options`` and ``Hooks``, by their fields' names."""
        folder = self.tmp / f"node-{slot}"
        parts: dict[str, Any] = {
            "ledger": MemoryLedger(self.chain, self.address(slot)),
            "store": self.store,
            "disk": FileStore(folder / "blobs"),
            "journal": Journal(folder / "journal.jsonl"),
            "learner": self.learners.setdefault(slot, Pull(slot)),
            "screens": [Norm()],
            "patience": 15,
            "on_record": self.records.append,
            **changes,
        }
        made = [kind(**{f.name: parts[f.name] for f in fields(kind) if f.name in parts}) for kind in KINDS]
        return EdgeNode(Membership(self.charter, 31337, FEDERATION, slot), *made)

    @staticmethod
    def address(slot: int) -> Address:
        return f"0x{slot + 1:040x}"

    def run(self, until: Callable[[View], bool] = lambda view: False, limit: int = 500) -> View:
        """Step all nodes until they are finished; let time pass when nobody has anything to do."""
        for _ in range(limit):
            progress = {slot: node.step(self.chain.view()) for slot, node in self.nodes.items()}
            view = self.chain.view()
            if until(view) or set(progress.values()) == {Progress.FINISHED}:
                return view
            if Progress.ACTED not in progress.values():
                self.clock.advance(5 if Progress.RETRY in progress.values() else max(1, view.deadline - self.clock.now))
        raise AssertionError(f"not over after {limit} steps: {[n.status for n in self.nodes.values()]}")

    def blob(self, root: Root) -> memoryview:
        return self.store.get(root, LAYOUT.blob_size)

    def outcome(self, round: int) -> Outcome:
        found = self.chain.outcome(round)
        assert found is not None
        return found

    def said(self, slot: int, verb: Verb, round: int = 1) -> list[str]:
        """Return all that a node has signed in a round, on whatever branch."""
        entries = map(json.loads, (self.tmp / f"node-{slot}" / "journal.jsonl").read_text().splitlines())
        return [entry["value"] for entry in entries if (entry["verb"], entry["round"]) == (verb, round)]

    def included(self) -> list[int]:
        """What each closed round has included."""
        view = self.chain.view()
        return [self.outcome(round).included for round in range(1, view.round + (not view.is_open))]

    def committed(self) -> dict[int, Root]:
        """The open round's committed roots by index."""
        return {i: root for i, root in enumerate(self.chain.view().roots) if root != NO_ROOT}


def test_four_nodes_train_together(tmp_path: Path) -> None:
    world = World(tmp_path)
    view = world.run()
    assert view.phase is Phase.DONE
    assert [world.outcome(r).status for r in (1, 2, 3)] == [Status.FINAL] * 3
    assert all(world.outcome(r).included == 0b1111 for r in (1, 2, 3))
    assert {node.model for node in world.nodes.values()} == {view.base}
    # The mean of the targets is 2.5, and each round goes a tenth of the way.
    expected = 2.5 + (GENESIS["w"] - 2.5) * 0.9**3
    merged = codec.decode(LAYOUT, world.blob(view.base))
    np.testing.assert_allclose(merged["w"], expected, atol=1e-5)
    assert merged["steps"] == 3


def test_the_merge_is_a_central_federated_average_bit_for_bit(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=1)
    view = world.run()
    base = codec.decode(LAYOUT, world.blob(world.charter.genesis))
    updates = [learner.train(base, 1).state for learner in world.learners.values()]
    fixed = [np.rint(u["w"].astype(np.float64) * 2**24).astype(np.int64) for u in updates]
    central = np.sum(fixed, axis=0) // len(fixed)
    merged = codec.values(world.blob(view.base), LAYOUT.size)
    order = [spec.name for spec in LAYOUT.tensors].index("w")
    start = LAYOUT.offsets[order]
    np.testing.assert_array_equal(merged[start : start + 3000], central)
    float_average = np.mean([u["w"] for u in updates], axis=0, dtype=np.float64)
    # Half a unit for each rounding, up to one for the floor.
    assert np.abs(central / 2**24 - float_average).max() <= 1.5 * 2**-24


def test_records_tell_every_round(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run()
    assert sorted((r.round, r.slot) for r in world.records) == [(r, s) for r in (1, 2, 3) for s in range(4)]
    for record in world.records:
        assert {"train", "encode", "fetch", "screen", "evaluate"} <= record.seconds.keys()
        assert {"commit", "vote"} <= record.transactions.keys()
        assert record.accuracy is not None
        assert record.test_examples == 10 * (record.slot + 1)
        assert record.examples == 10
    attested = [r for r in world.records if "attest" in r.transactions]
    assert len(attested) >= 9


def test_an_update_is_published_only_once_commit_has_closed(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=1)
    quick, slow = [world.nodes[slot] for slot in range(3)], world.nodes[3]
    world.run(until=lambda view: view.phase is Phase.COMMIT)
    for _ in range(20):
        for node in quick:
            node.step(world.chain.view())
    view = world.chain.view()
    assert (view.phase, view.committed.bit_count()) == (Phase.COMMIT, 3), slow.status
    assert not any(world.store.has(view.roots[index]) for index in bits(view.committed)), "nobody can copy it yet"
    view = world.run(until=lambda view: view.phase is Phase.ATTEST)
    assert all(world.store.has(view.roots[index]) for index in bits(view.committed))


def test_a_node_trains_alone_at_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, nodes=1, rounds=1, min_members=1)
    world.nodes = {0: world.start(0, alone=True)}
    world.run()
    assert world.nodes[0].status.alone_curve == (0.25, 0.5)
    assert world.nodes[0].status.alone_accuracy == 0.5
    assert world.nodes[0].status.doing == "finished"


@pytest.mark.parametrize("phase", [Phase.FORMING, Phase.COMMIT, Phase.VOTE, Phase.ATTEST])
@pytest.mark.parametrize("moment", ["as the phase opens", "after it spoke"])
def test_a_killed_node_carries_on(tmp_path: Path, phase: Phase, moment: str) -> None:
    world = World(tmp_path)
    spoken = {Phase.COMMIT: "committed", Phase.VOTE: "voted", Phase.ATTEST: "attested"}.get(phase)

    def now(view: View) -> bool:
        if moment == "as the phase opens" or spoken is None:
            return view.phase is phase and view.round in (0, 2)
        return view.phase is phase and view.round == 2 and bool(getattr(view, spoken) & 1)

    world.run(until=now)
    world.nodes[0] = world.start(0)  # everything it had in memory is gone
    view = world.run()
    assert view.phase is Phase.DONE
    assert [world.outcome(r).included for r in (1, 2, 3)] == [0b1111] * 3
    assert world.clock.now == ManualClock().now, "nobody had to wait for a deadline"
    assert len(world.learners[0].trained) <= 4


def test_a_restart_after_the_journal_but_before_the_sending_repeats_itself(tmp_path: Path) -> None:
    world = World(tmp_path)

    class Deaf(MemoryLedger):
        """A ledger's door that loses what is sent: the node is killed at that instant."""

        def submit(self, command: Command) -> None:
            if isinstance(command, Commit):
                raise KeyboardInterrupt
            super().submit(command)

    world.nodes[0] = world.start(0, ledger=Deaf(world.chain, world.address(0)))
    with pytest.raises(KeyboardInterrupt):
        world.run()
    said = Journal(tmp_path / "node-0" / "journal.jsonl").said(1, Verb.COMMIT, world.chain.view().context)
    assert said is not None
    world.nodes[0] = world.start(0)
    world.run(until=lambda view: view.phase is Phase.VOTE)
    assert world.committed()[0].hex() == said
    assert world.learners[0].trained == [1], "it did not train again"


def test_an_update_that_cannot_be_fetched_is_left_out(tmp_path: Path) -> None:
    world = World(tmp_path)

    class Withholding(MemoryStore):
        def put(self, root: Root, blob: memoryview) -> None:
            pass

    world.nodes[3] = world.start(3, store=_both(Withholding(), world.store))
    world.run()
    assert [world.outcome(r).included for r in (1, 2, 3)] == [0b0111] * 3
    assert [world.outcome(r).status for r in (1, 2, 3)] == [Status.FINAL] * 3


def _both(write: Any, read: Any) -> Any:
    class Both:
        put, has, close = write.put, read.has, read.close
        get = read.get

    return Both()


@pytest.mark.parametrize("how", ["flipped byte", "garbage", "truncated", "another round's", "another node's"])
def test_a_bad_blob_costs_its_sender_the_place_and_nobody_anything_else(tmp_path: Path, how: str) -> None:
    world = World(tmp_path)
    honest = world.store

    class Cheat(MemoryLedger):
        """Commits to something that is no update of this node in this round."""

        def submit(self, command: Command) -> None:
            super().submit(self.garbage(command) if isinstance(command, Commit) else command)

        def garbage(self, command: Commit) -> Commit:
            round, root = command.round, command.root
            update = bytes(world.nodes[3].kit.tools.disk.read(root))
            if how == "garbage":
                update = bytes(len(update))
            elif how == "truncated":
                update = update[:-4096]
            elif how == "another round's":
                header = codec.Header.update(31337, FEDERATION, round + 1, self.address, LAYOUT.hash, 10)
                update = bytes(codec.encode(LAYOUT, GENESIS, header).blob)
            elif how == "another node's":
                header = codec.Header.update(31337, FEDERATION, round, world.address(0), LAYOUT.hash, 10)
                update = bytes(codec.encode(LAYOUT, GENESIS, header).blob)
            committed = root if how == "flipped byte" else merkle.root(update)
            honest.blobs[committed] = update if how != "flipped byte" else update[:5000] + b"\xff" + update[5001:]
            return replace(command, root=committed)

    class Silent(MemoryStore):
        def put(self, root: Root, blob: memoryview) -> None:
            pass

    world.nodes[3] = world.start(3, ledger=Cheat(world.chain, world.address(3)), store=_both(Silent(), honest))
    for _ in range(400):
        for slot in (0, 1, 2):
            world.nodes[slot].step(world.chain.view())
        with suppress(RayfedError):  # the cheat stumbles over its own lie; that is its problem alone
            world.nodes[3].step(world.chain.view())
        if world.chain.outcome(1):
            break
        world.clock.advance(3)
    assert world.outcome(1).status is Status.FINAL
    assert world.outcome(1).included == 0b0111
    refusals = [v for r in world.records if r.round == 1 for v in r.verdicts if not v.accepted]
    assert {v.index for v in refusals} <= {3}


def test_a_late_node_fetches_the_base_and_takes_part(tmp_path: Path) -> None:
    world = World(tmp_path, nodes=3)
    world.run(until=lambda view: view.round == 2)
    world.nodes[3] = world.start(3)
    view = world.run()
    assert view.members[3] == world.address(3)
    assert world.outcome(3).included == 0b1111


def test_a_node_that_builds_another_genesis_fetches_the_charters(tmp_path: Path) -> None:
    world = World(tmp_path)

    class OtherLibrary(Pull):
        def genesis(self) -> State:
            return {"w": GENESIS["w"] * np.float32(1.001), "steps": GENESIS["steps"]}

    world.learners[3] = OtherLibrary(3)
    world.nodes[3] = world.start(3)
    world.run()
    assert [world.outcome(r).included for r in (1, 2, 3)] == [0b1111] * 3


def test_a_phase_ends_though_whose_turn_it_is_to_end_it_is_dead(tmp_path: Path) -> None:
    """An update that nobody has is included: nobody can merge, and ATTEST ends by its deadline."""
    world = World(tmp_path, rounds=2, max_void=2)

    class AcceptsAll(MemoryLedger):
        """Votes for the update that nobody has, too."""

        def submit(self, command: Command) -> None:
            everything = bitmap(i for i, root in enumerate(self.chain.view().roots) if root != NO_ROOT)
            accepts_all = isinstance(command, Vote)
            super().submit(replace(command, accepts=everything, misses=0) if accepts_all else command)

    class Withholding(MemoryStore):
        def put(self, root: Root, blob: memoryview) -> None:
            pass

    for slot in range(3):
        world.nodes[slot] = world.start(slot, ledger=AcceptsAll(world.chain, world.address(slot)))
    world.nodes[3] = world.start(3, store=_both(Withholding(), world.store))
    places: set[tuple[int, Phase]] = set()
    for _ in range(600):
        view = world.chain.view()
        places.add((view.round, view.phase))
        for slot in range(3):
            world.nodes[slot].step(world.chain.view())
        if view.phase in (Phase.FORMING, Phase.COMMIT):
            world.nodes[3].step(world.chain.view())  # it disappears once it has committed
        if view.phase is Phase.DONE:
            break
        world.clock.advance(1)
    assert places == {(0, Phase.FORMING), (2, Phase.DONE)} | {
        (round, phase) for round in (1, 2) for phase in (Phase.COMMIT, Phase.VOTE, Phase.ATTEST)
    }
    assert [world.outcome(round).status for round in (1, 2)] == [Status.OVER] * 2


def test_a_starved_quorum_keeps_the_base(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=1)

    class NoAttest(MemoryLedger):
        def submit(self, command: Command) -> None:
            if isinstance(command, Attest) and command.round <= 1:
                self._receipts.append(Receipt(Verb.ATTEST, command.round, "0x", 0, 0, "OutOfGas"))
            else:
                super().submit(command)

    for slot in (2, 3):
        world.nodes[slot] = world.start(slot, ledger=NoAttest(world.chain, world.address(slot)))
    view = world.run()
    assert world.outcome(1).status is Status.VOID
    assert world.outcome(2).status is Status.FINAL
    assert view.base_round == 2
    assert all(r.accuracy is None for r in world.records if r.round == 1)


def test_a_transaction_that_the_chain_does_not_take_is_sent_again(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=1)

    class Broke(MemoryLedger):
        """Has no funds for gas at first."""

        tries = 0

        def submit(self, command: Command) -> None:
            self.tries += isinstance(command, Commit)
            if isinstance(command, Commit) and self.tries < 3:
                raise LedgerError("insufficient funds")
            super().submit(command)

    ledger = Broke(world.chain, world.address(0))
    world.nodes[0] = world.start(0, ledger=ledger)
    world.run()
    assert ledger.tries == 3
    assert world.outcome(1).included == 0b1111
    assert world.learners[0].trained == [1]


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("OutOfGas", "ledger: commit of round 1 was refused 5 times, though it is still due: OutOfGas"),
        ("UnderStaked", "stake.amount: commit of round 1 was refused 5 times, .*: the account has too little at stake"),
        ("ledger.max_gas: too low", "ledger.max_gas: commit of round 1 was refused 5 times, .*: too low"),
    ],
)
def test_a_node_whose_act_is_refused_again_and_again_stops_with_the_reason(
    tmp_path: Path, reason: str, line: str
) -> None:
    world = World(tmp_path, commit_seconds=600)

    class Refusing(MemoryLedger):
        tries = 0

        def submit(self, command: Command) -> None:
            if isinstance(command, Commit):
                self.tries += 1
                self._receipts.append(Receipt(Verb.COMMIT, command.round, "0x", 0, 0, reason, command))
            else:
                super().submit(command)

    ledger = Refusing(world.chain, world.address(0))
    world.nodes[0] = world.start(0, ledger=ledger)
    with pytest.raises(ConfigError, match=line):
        world.run()
    assert ledger.tries == 5
    assert world.chain.view().phase is Phase.COMMIT, "long before the phase is over"


def test_what_the_chain_has_not_heard_is_said_again_and_again(tmp_path: Path) -> None:
    world = World(tmp_path, commit_seconds=600, rounds=1)

    class Unheard(MemoryLedger):
        tries = 0

        def submit(self, command: Command) -> None:
            self.tries += isinstance(command, Commit)
            if isinstance(command, Commit) and self.tries < 10:
                self._receipts.append(Receipt(Verb.COMMIT, command.round, "", 0, 0, NOT_HEARD, command))
            else:
                super().submit(command)

    world.nodes[0] = world.start(0, ledger=Unheard(world.chain, world.address(0)))
    world.run()
    assert world.included() == [0b1111]


@pytest.mark.parametrize(("verb", "reason"), [(Verb.ADVANCE, "NothingDue"), (Verb.JOIN, "Paused")])
def test_what_is_not_due_by_the_chains_clock_stops_nobody(verb: Verb, reason: str) -> None:
    """On a chain that has mined nothing for a while, or has gone back, the node's clock is ahead of what refuses it."""
    assert hopeless(verb, 0, Rejection(reason, 9, 0)) is None


def test_what_is_refused_because_it_is_not_due_any_more_stops_nobody(tmp_path: Path) -> None:
    """Somebody else was quicker, time and again: each time the view says something else afterwards."""
    world = World(tmp_path)

    class Outrun(MemoryLedger):
        """Whatever step it takes, another has just taken it."""

        refused = 0

        def submit(self, command: Command) -> None:
            if isinstance(command, Advance):
                self.chain.act(world.address(9), command)
                self.refused += 1
            super().submit(command)

    ledgers = [Outrun(world.chain, world.address(slot)) for slot in range(4)]
    world.nodes = {slot: world.start(slot, ledger=ledger) for slot, ledger in enumerate(ledgers)}
    told: set[str] = set()
    world.run(until=lambda view: bool(told.update(node.status.error for node in world.nodes.values())))
    assert world.included() == [0b1111] * 3
    assert sum(ledger.refused for ledger in ledgers) >= 9
    assert told == {""}, "it is nobody's trouble"


def test_who_has_an_update_gives_it_to_who_was_denied_it(tmp_path: Path) -> None:
    """Node 3 gives its update to 1 and 2 alone: it is included, and 0 has it from them."""
    world = World(tmp_path, rounds=1)
    world.run(until=lambda view: view.phase is Phase.COMMIT)
    shelves = {slot: Guarded(world.store) for slot in range(4)}
    world.nodes = {slot: world.start(slot, store=shelf) for slot, shelf in shelves.items()}
    world.run(until=lambda view: len(world.committed()) == 4)
    update = world.committed()[3]
    shelves[0].denied = update
    world.run(until=lambda view: view.phase is Phase.ATTEST)
    assert world.chain.view().misses == (0b1000, 0, 0, 0)
    for slot in (1, 2):
        assert update in shelves[slot].given, "they vote, and do not miss it"
    shelves[0].denied = NO_ROOT
    world.run()
    assert world.outcome(1).attesters == 0b1111, "0 has attested late"
    assert world.outcome(1).included == 0b1111


class Guarded:
    """One node's way to a store: one update it cannot have, and what it offers is noted."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.denied = NO_ROOT
        self.given: set[Root] = set()

    def put(self, root: Root, blob: memoryview) -> None:
        self._store.put(root, blob)

    def get(self, root: Root, size: int, holders: Any = ()) -> memoryview:
        if root == self.denied:
            raise BlobMissing("denied")
        return self._store.get(root, size, holders)

    def has(self, root: Root) -> bool:
        self.given.add(root)  # a shared store has it: nobody puts it there again
        return self._store.has(root)

    def close(self) -> None: ...


def _slashed(world: World, slot: int) -> None:
    """Let a member lose its stake and its seat, as by a lost match."""
    after = world.chain.storage.copied()
    account = after.account(world.address(slot))
    account.stake, account.slashed = 0, account.stake
    after.active &= ~(1 << slot)
    world.chain.restore(after)


STAKED = {"stake": StakeTerms(stake=1000)}


def test_a_node_that_lost_its_whole_stake_stays_out_and_follows_to_the_end(tmp_path: Path) -> None:
    world = World(tmp_path, **STAKED)
    world.run(lambda view: view.phase is Phase.COMMIT)
    _slashed(world, 3)
    view = world.run()
    assert (view.phase, view.active) == (Phase.DONE, 0b0111)
    joined = [said.values["index"] for said in world.chain.events if said.name == "Joined"]
    assert joined == [0, 1, 2, 3], "it does not put another stake down by itself"
    assert world.nodes[3].status.error.startswith("out: its whole stake was slashed")
    assert world.nodes[3].model == view.base
    assert world.included() == [0b1111, 0b0111, 0b0111]


def test_a_node_that_lost_its_whole_stake_is_back_when_somebody_puts_one_down(tmp_path: Path) -> None:
    world = World(tmp_path, **STAKED)
    world.run(lambda view: view.phase is Phase.COMMIT)
    _slashed(world, 3)
    world.run(lambda view: view.round == 2)
    world.clock.advance(20)
    world.chain.act(world.address(9), Deposit(world.address(3), 1000))
    view = world.run()
    assert view.active == 0b1111
    assert world.outcome(3).included == 0b1111


def test_a_node_that_lost_bonds_where_there_is_no_stake_stays_out_until_somebody_makes_them_up(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=4, stake=StakeTerms(stake=0, bond=50))
    world.run(lambda view: view.phase is Phase.COMMIT)
    after = world.chain.storage.copied()
    account = after.account(world.address(3))
    account.bonds, account.forfeited = account.bonds - 50, 50
    after.active &= ~(1 << 3)
    world.chain.restore(after)
    view = world.run(lambda view: view.round == 3)
    assert view.active == 0b0111
    joined = [said.values["index"] for said in world.chain.events if said.name == "Joined"]
    assert joined == [0, 1, 2, 3], "it makes them up by itself no more than a stake"
    assert "rayfed bonds" in world.nodes[3].status.error
    world.clock.advance(20)
    world.chain.act(world.address(9), DepositBonds(world.address(3), 50))
    assert world.run().active == 0b1111


def test_an_attestation_comes_to_every_round_that_still_takes_it(tmp_path: Path) -> None:
    """Two rounds were final at once while a node was cut off from bytes of the first: it has not lost that one."""
    world = World(
        tmp_path, rounds=3, attest_seconds=600, max_unsettled=4, stake=StakeTerms(stake=10, window_seconds=600)
    )
    store = Guarded(world.store)
    world.nodes[3] = world.start(3, store=store)
    world.run(lambda view: view.phase is Phase.VOTE)
    store.denied = world.chain.view().roots[0]
    world.run(lambda view: view.round == 3)
    held = world.chain.round_of(1)
    assert held is not None
    assert held.attested == 0b0111
    store.denied = NO_ROOT
    world.run(lambda view: view.round == 3 and view.phase is Phase.ATTEST)
    first = world.chain.round_of(1)
    assert first is not None
    assert first.attested == 0b1111


def test_seats_that_nobody_needs_are_freed_where_all_are_taken(tmp_path: Path) -> None:
    world = World(tmp_path, nodes=4, rounds=3)
    world.run(lambda view: view.round == 2)
    after = world.chain.storage.copied()
    for index in range(4, 256):  # each was taken in one round and left in the next
        after.holders[index] = world.address(1000 + index)
        after.changed(after.seats, world.address(1000 + index), SeatSlot).seat = index
    world.chain.restore(after)
    world.nodes[9] = world.start(9)
    view = world.run(lambda view: view.round == 3)
    assert view.members[4] == world.address(9)
    assert [said.values["index"] for said in world.chain.events if said.name == "Released"] == [4]


def test_a_node_that_was_dropped_waits_for_its_pause_and_joins_again(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=40, max_missed=1)

    class Commitless(MemoryLedger):
        """Loses its first commit."""

        def submit(self, command: Command) -> None:
            if not isinstance(command, Commit) or command.round > 1:
                super().submit(command)

    world.nodes[3] = world.start(3, ledger=Commitless(world.chain, world.address(3)))
    started, active = world.clock.now, list[int]()

    def back(view: View) -> bool:
        active.append(view.active)
        world.clock.advance(1)
        return 0b0111 in active and view.active == 0b1111

    view = world.run(back, limit=2000)
    paused = world.chain.account(world.address(3)).paused_until
    assert paused - started >= 60 + 2 * 120, "two lengths of a round after it was dropped"
    assert paused <= view.time < paused + 10
    assert "refused" not in world.nodes[3].status.error, "it did not try before"


def test_an_outlier_is_voted_out(tmp_path: Path) -> None:
    world = World(tmp_path)

    class Wild(Pull):
        def train(self, base: State, round: int) -> Update:
            update = super().train(base, round)
            return Update({"w": update.state["w"] + np.float32(50), "steps": update.state["steps"]}, 0.0, 10)

    world.learners[3] = Wild(3)
    world.nodes[3] = world.start(3)
    world.run()
    assert [world.outcome(r).included for r in (1, 2, 3)] == [0b0111] * 3


def test_old_blobs_are_let_go_of(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=5)
    for slot in range(4):
        world.nodes[slot] = world.start(slot, keeps=False)
    world.nodes[0] = world.start(0, keep_rounds=2, keeps=False)
    view = world.run()
    kept, all_of_them = (set(FileStore(tmp_path / f"node-{slot}" / "blobs").roots()) for slot in (0, 1))
    assert len(all_of_them) == 1 + 2 * 5, "genesis, and an update and a merge a round"
    assert {view.base, world.charter.genesis} <= kept
    assert len(kept) <= 1 + 2 * 2 + 1


def test_others_updates_lie_on_the_own_disk_until_they_are_let_go(tmp_path: Path) -> None:
    world = World(tmp_path, rounds=2)
    world.nodes[0] = world.start(0, keep_rounds=1)
    world.run()
    disk = world.nodes[0].kit.tools.disk
    files, held = disk.files, disk.held
    assert held == {1, 2}
    evidence = [world.chain.merge_evidence(round) for round in (1, 2)]
    assert all(files.has(root) for one in evidence if one for root in one.roots)
    disk.release([1])
    first, second = (set(one.roots) for one in evidence if one)
    own = {root for root in first if files.has(root)}
    assert len(own) == 1, "its own is another matter"
    assert all(files.has(root) for root in second)


def test_nodes_of_one_process_share_what_is_pure(tmp_path: Path) -> None:
    from rayfed.node.memo import Memo

    world, memo = World(tmp_path), Memo()
    world.nodes = {slot: world.start(slot, memo=memo) for slot in range(4)}
    shared = world.run().base
    apart = World(tmp_path / "apart").run().base
    assert shared == apart, "and it changes no bit"


def test_nothing_random_is_in_the_final_root(tmp_path: Path) -> None:
    first = World(tmp_path / "1").run()
    second_world = World(tmp_path / "2")
    for slot, node in second_world.nodes.items():  # other accounts, another order of joining
        node.ledger._address = f"0x{99 - slot:040x}"
    second = second_world.run()
    assert first.base == second.base != NO_ROOT
    assert first.members != second.members


def test_members_of_a_bitmap() -> None:
    assert bitmap([0, 2]) == 0b101

"""The auditor on federations in memory: what is right is clean, and whatever is tampered with is found and named."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rayfed.audit import ChainRecord, Folder, RecordEntry, Report, Severity, StorePlace, audit, folders
from rayfed.audit.events import EVENTS, SPOKEN
from rayfed.audit.replay import replay
from rayfed.cli.audit import show
from rayfed.encoding import codec, merkle
from rayfed.encoding.layout import FROZEN_FILE, Frozen
from rayfed.encoding.primitives import NO_ROOT, Root
from rayfed.errors import CodecError, ConfigError
from rayfed.learning import State, Update
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.protocol.commands import Advance, Attest, ClaimNative, Command, Commit, EnterRoot, Vote
from rayfed.protocol.messages import Outcome, Phase, Status, View
from rayfed.testing import MemoryLedger, MemoryStore
from tests.audited import FOUNDED, AuditedWorld, record_of
from tests.courtroom import MEMBERS, OUTSIDER, Courtroom, Party, Trunk, context_of
from tests.sequences import say, sequence
from tests.unit.node.test_edge_node import FEDERATION, GENESIS, LAYOUT, Pull

Finished = tuple[AuditedWorld, ChainRecord]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A federation of four that trained three rounds; a test leaves it as it was."""
    world = AuditedWorld(tmp_path_factory.mktemp("world"))
    world.run()
    return world, world.record()


def words(report: Report, severity: Severity = Severity.DISCREPANCY) -> str:
    return "\n".join(finding.line() for finding in report.of(severity))


def files(world: AuditedWorld) -> list[Path]:
    return sorted(file for file in world.shared.path.rglob("?" * 64) if file.is_file())


# -- what is right ------------------------------------------------------------------------------------------------


def test_a_good_federation_is_clean(finished: Finished) -> None:
    world, record = finished
    report = audit(record, [world.folder], strict=True)
    assert not report.findings
    assert report.clean
    assert [one.merge for one in report.rounds] == ["verified"] * 4
    assert [one.blobs for one in report.rounds] == [1, 5, 5, 5]
    assert report.bytes == (1 + 3 * 5) * LAYOUT.blob_size
    assert [one.root for one in report.rounds[1:]] == [world.outcome(r).root for r in (1, 2, 3)]
    assert json.loads(report.to_json())["clean"] is True


def test_the_frozen_part_is_looked_at_where_it_lies_beside_a_nodes_disk(tmp_path: Path) -> None:
    content = b"a trunk"
    layout = replace(LAYOUT, frozen=Frozen(sha256(content).digest(), 5))
    genesis = merkle.root(codec.encode(layout, GENESIS, codec.Header.merged(0)).blob)
    world = AuditedWorld(tmp_path / "world", rounds=1, layout=layout, genesis=genesis)
    world.run()
    report = audit(world.record(), [world.folder], strict=True)
    assert report.clean, words(report)
    assert report.frozen == "not here"
    beside = Folder(tmp_path / "world" / "node-0" / "blobs")
    for said, wrong in ((content, 0), (b"another", 1)):
        (tmp_path / "world" / FROZEN_FILE).write_bytes(said)
        report = audit(world.record(), [world.folder, beside], strict=True)
        assert len(report.of(Severity.DISCREPANCY)) == wrong, words(report)
        assert report.frozen == ("wrong" if wrong else "verified")
    assert "frozen: is not what the charter calls frozen" in words(report)


def test_every_moment_of_a_running_federation_is_clean(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path, rounds=2)
    seen: set[tuple[int, Phase]] = set()

    def look(view: View) -> bool:
        seen.add((view.round, view.phase))
        report = audit(world.record(), [Folder(world.shared.path)], strict=True)
        assert report.clean, words(report) + words(report, Severity.UNCHECKED)
        return False

    look(world.chain.view())
    world.run(until=look)
    assert {(0, Phase.FORMING), (1, Phase.COMMIT), (1, Phase.VOTE), (2, Phase.ATTEST), (2, Phase.DONE)} <= seen


def test_the_nodes_own_disks_will_do(finished: Finished) -> None:
    world, record = finished
    places = folders(world.tmp)
    assert len(places) == 5
    report = audit(record, places, strict=True)
    assert not report.findings
    copies = [file for file in world.tmp.rglob("?" * 64) if file.is_file()]
    assert sum(one.blobs for one in report.rounds) == len(copies) > 40
    # All copies but one are compared, not hashed.
    assert report.bytes == (1 + 3 * 5) * LAYOUT.blob_size


def test_any_store_will_do(finished: Finished) -> None:
    world, record = finished
    store = MemoryStore()
    store.blobs = {bytes.fromhex(file.name): file.read_bytes() for file in files(world)}
    assert audit(record, [StorePlace(store, "memory")], strict=True).clean
    broken = store.blobs[record.outcomes[1].root]
    store.blobs[record.outcomes[1].root] = broken[:-1] + b"\1"
    report = audit(record, [StorePlace(store, "memory"), world.folder])
    assert [(f.round, f.root, f.place) for f in report.findings] == [(2, record.outcomes[1].root, "memory")]


@pytest.mark.parametrize("memory", [2 * LAYOUT.blob_size, 5 * LAYOUT.blob_size, 1 << 30])
def test_little_memory_gives_the_same_report(finished: Finished, memory: int) -> None:
    world, record = finished
    report = audit(record, [world.folder], strict=True, memory=memory, threads=3)
    assert not report.findings
    assert report.bytes == (1 + 3 * 5) * LAYOUT.blob_size


def test_progress_counts_to_the_end(finished: Finished) -> None:
    world, record = finished
    told: list[tuple[int, int]] = []
    audit(record, [world.folder], progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 15) for n in range(1, 16)]


def lived(number: int) -> MemoryChain:
    """Return a federation in which anybody said anything at any time, in rounds and in court."""
    terms, events = sequence(number)
    chain = MemoryChain(terms, ManualClock(FOUNDED))
    for event in events:
        say(chain, event)
    return chain


def disputed(number: int) -> MemoryChain:
    """Return a federation in which a wrong root was undone, a right one defended, and all was paid for and had back."""
    room = Courtroom(rule=1 + number % 3)
    made: list[Trunk] = []

    def forged(i: int, right: Trunk) -> Root:
        made.append(right.twisted((3, 5_000, 80_510)[number % 3]))
        return right.root if i == 3 else made[0].root

    first, right = room.play()
    wrong, other = room.play(forged)
    later, _ = room.play()
    for round, root in ((first, sha256(b"nothing").digest()), (later, sha256(b"something").digest())):
        room.chain.act(MEMBERS[0], EnterRoot(round, context_of(room, round), root))
    honest = [Party(address, {first: right, wrong: other}) for address in (MEMBERS[3], OUTSIDER)]
    room.until_settled([*honest, Party(MEMBERS[0], {wrong: made[0]})])
    for member in (*MEMBERS[:4], OUTSIDER):
        if room.chain.account(member).native_claimable:
            room.chain.act(member, ClaimNative(member))
    return room.chain


def test_the_replay_follows_any_history() -> None:
    kinds: set[str] = set()
    statuses: set[Status] = set()
    for chain in (*map(lived, range(120)), *map(disputed, range(3))):
        kinds |= {said.name for said in chain.events}
        record = record_of(chain)
        again = replay(record)
        assert not again.findings
        assert ChainRecord.from_json(record.to_json()) == record
        for facts in again.rounds:
            outcome = chain.outcome(facts.round)
            statuses.add(facts.status)
            if outcome is not None:
                assert (facts.status, facts.included) == (outcome.status, outcome.included)
                assert outcome.root == (facts.root if outcome.status.stands else NO_ROOT)
                assert facts.undone == (facts.root != NO_ROOT and not outcome.status.stands)
        assert again.members == chain.view().members
    assert kinds == EVENTS.keys()
    assert statuses == set(Status) - {Status.NONE}


def test_every_figure_of_money_and_court_counts() -> None:
    """Whatever the court's events say differently from what the rules give is found, and so is what it holds."""
    rng = random.Random(9)
    tried: set[tuple[str, str]] = set()
    for chain in (*map(disputed, range(3)), *map(lived, range(40))):
        record = record_of(chain)
        for n, entry in enumerate(record.entries):
            for name, kind in EVENTS[entry.name].items():
                if (entry.name, name) in tried or entry.name not in OF_COURT or (entry.name, name) in FREE:
                    continue
                if kind in LISTS and not entry.values[name]:
                    continue
                tried.add((entry.name, name))
                changed = replace(entry, values={**entry.values, name: other(kind, entry.values[name], rng)})
                entries = (*record.entries[:n], changed, *record.entries[n + 1 :])
                assert replay(replace(record, entries=entries)).findings, f"{entry} {name}"
        assert record.books is not None
        richer = replace(record, books=replace(record.books, pool=record.books.pool + 1))
        assert any("the books have pool" in finding.message for finding in replay(richer).findings)
        address, account = next(iter(record.accounts.items()))
        accounts = {**record.accounts, address: replace(account, stake=account.stake + 1)}
        [finding] = replay(replace(record, accounts=accounts)).findings
        assert (finding.what, finding.address) == ("money", address)
    assert {name for name, _ in tried} == OF_COURT


OF_COURT = frozenset(
    {"Slashed", "BondsSpent", "Reimbursed", "Settled", "Undone", "Entered", "Shown", "LeafShown", "Disputed", "Proved"}
    | {"Decided", "Claimed", "ClaimedNative", "Withdrawn", "Released", "Bonded"}
)
FREE = {
    *(("Claimed", "to"), ("ClaimedNative", "to"), ("Bonded", "from"), ("Deposited", "from")),
    *(("Entered", "entrant"), ("Entered", "root"), ("Reimbursed", "round")),
}
"""Nobody but the account's owner has a say in where its money goes; who paid a bond for another does not matter, nor
who entered which root where that was never shown. What moves cost only the contract knows: see the next test."""


def test_nobody_is_reimbursed_more_than_losers_bonds_had_left() -> None:
    record = record_of(disputed(1))
    n = next(n for n, entry in enumerate(record.entries) if entry.name == "Reimbursed")
    given = record.entries[n]
    changed = replace(given, values={**given.values, "amount": 10**9})
    findings = replay(replace(record, entries=(*record.entries[:n], changed, *record.entries[n + 1 :]))).findings
    assert any("more than losers' bonds had left" in finding.message for finding in findings)


LISTS = ("roots", "bitmaps", "bytes")


def test_without_a_founding_time_and_a_charter_it_says_what_it_could_not_check(finished: Finished) -> None:
    world, record = finished
    report = audit(replace(record, founded=0, charter=""), [world.folder])
    assert [finding.what for finding in report.of(Severity.DISCREPANCY)] == ["blob"]
    assert "the time of the founding" in words(report, Severity.UNCHECKED)
    assert "no charter" in words(report, Severity.UNCHECKED)
    assert not audit(replace(record, founded=0), [world.folder], strict=True).clean


def nowhere(world: AuditedWorld) -> list[Folder]:
    return []


def somewhere_else(world: AuditedWorld) -> list[Folder]:
    empty = world.tmp / "empty"
    empty.mkdir()
    return [Folder(empty)]


@pytest.mark.parametrize("places", [nowhere, somewhere_else])
@pytest.mark.parametrize("rounds", [1, 3])
def test_an_audit_that_hashed_nothing_does_not_pass(
    places: Callable[[AuditedWorld], list[Folder]],
    rounds: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = AuditedWorld(tmp_path, rounds=rounds)
    world.run()
    report = audit(world.record(), places(world))
    assert (report.bytes, report.clean) == (0, False)
    assert "not one blob was hashed" in words(report)
    assert json.loads(report.to_json())["clean"] is False
    show(report, Console(width=200))
    assert "1 discrepancy; 0 B hashed" in capsys.readouterr().out


def test_before_anything_was_published_nothing_is_missing_and_nothing_reads_as_a_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = AuditedWorld(tmp_path, rounds=1)
    report = audit(world.record(), [])
    assert (report.bytes, report.clean) == (0, True)
    show(report, Console(width=200))
    assert "no blob was hashed" in capsys.readouterr().out


# -- blobs that were tampered with -----------------------------------------------------------------------------------


def test_any_flipped_byte_of_any_blob_is_found_and_its_leaf_named(finished: Finished) -> None:
    world, record = finished
    rng = random.Random(7)
    copy = MemoryStore()
    copy.blobs = {bytes.fromhex(file.name): file.read_bytes() for file in files(world)}
    owners = {e.values["root"]: e.index for e in record.entries if e.name == "Committed"}
    for file in files(world) * 8:
        good = file.read_bytes()
        place = rng.randrange(len(good))
        file.write_bytes(good[:place] + bytes([good[place] ^ 1 << rng.randrange(8)]) + good[place + 1 :])
        try:
            alone = audit(record, [world.folder])
            beside = audit(record, [world.folder, StorePlace(copy, "copy")])
        finally:
            file.write_bytes(good)
        for report in (alone, beside):
            [finding] = report.of(Severity.DISCREPANCY)
            assert finding.root.hex() == file.name
            assert finding.place == str(file)
            assert finding.node == owners.get(finding.root)
            assert not report.clean
        assert beside.findings[0].leaf == place // merkle.LEAF
        if alone.findings[0].node is None and alone.findings[0].round:
            assert alone.findings[0].leaf == place // merkle.LEAF, "the merge itself is the copy to compare with"
    assert audit(record, [world.folder], strict=True).clean


@pytest.mark.parametrize("size", [0, 1, merkle.LEAF, LAYOUT.blob_size - 1, LAYOUT.blob_size + 1, 1 << 40])
def test_another_size_is_found_without_reading_it(tmp_path: Path, size: int) -> None:
    world = AuditedWorld(tmp_path, rounds=1)
    world.run()
    file = files(world)[0]
    os.truncate(file, size)  # a terabyte takes no room, as long as nobody reads it
    [finding] = audit(world.record(), [world.folder]).of(Severity.DISCREPANCY)
    assert finding.place == str(file)
    assert f"{size} bytes instead of" in finding.message


def test_a_layout_beyond_all_memory_allocates_nothing(finished: Finished) -> None:
    world, record = finished
    huge = codec.Layout((codec.TensorSpec("w", (1 << 31, 1 << 26), "float", "float32", 24),))
    charter = replace(world.charter, layout=huge)
    record = replace(record, charter=charter.canonical_json(), terms=charter.terms())
    with pytest.raises(ConfigError, match=r"--memory: a blob has \d+ MiB"):
        audit(record, [world.folder])
    report = audit(record, [world.folder], memory=huge.blob_size * 3)
    sizes = [f for f in report.of(Severity.DISCREPANCY) if f"instead of {huge.blob_size}" in f.message]
    assert len(sizes) == len(files(world))


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path, rounds=1)
    world.run()
    link, pipe, folder = files(world)[:3]
    link.rename(tmp_path / "elsewhere")
    link.symlink_to(tmp_path / "elsewhere")
    pipe.unlink()
    os.mkfifo(pipe)
    folder.unlink()
    folder.mkdir()
    report = audit(world.record(), [world.folder])
    assert sorted(f.place for f in report.of(Severity.DISCREPANCY)) == sorted(map(str, (link, pipe, folder)))


def test_a_missing_update_is_not_checkable(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path)
    world.run()
    record = world.record()
    lost = next(e for e in record.entries if e.name == "Committed" and e.round == 2)
    world.shared.file(lost.values["root"]).unlink()
    report = audit(record, [world.folder])
    assert report.clean
    [finding] = report.findings
    assert (finding.severity, finding.round, finding.node) == (Severity.UNCHECKED, 2, lost.index)
    assert [one.merge for one in report.rounds] == ["verified", "verified", "not checkable", "verified"]
    assert not audit(record, [world.folder], strict=True).clean


# -- records that were tampered with ---------------------------------------------------------------------------------


def other(kind: str, value: Any, rng: random.Random) -> Any:
    """Return another value of the same kind."""
    if kind in ("roots", "bitmaps"):
        return (other(kind[:-1], value[0], rng), *value[1:])
    if kind in ("root", "bytes"):
        if kind == "bytes":
            return bytes([value[0] ^ 1]) + value[1:]
        place = rng.randrange(32)
        return value[:place] + bytes([value[place] ^ 1 << rng.randrange(8)]) + value[place + 1 :]
    if kind == "address":
        return f"0x{int(value, 16) ^ 1 << rng.randrange(160):040x}"
    return value ^ 1 << rng.randrange(4)


def signed_again(record: ChainRecord) -> ChainRecord:
    """Return what a forger would hand out: the digest fits again."""
    return ChainRecord.from_json(record.to_json())


def test_every_figure_of_every_event_counts(finished: Finished) -> None:
    world, record = finished
    rng = random.Random(8)
    stored = record.to_json()
    for n, entry in enumerate(record.entries):
        for name, kind in EVENTS[entry.name].items():
            changed = replace(entry, values={**entry.values, name: other(kind, entry.values[name], rng)})
            forged = replace(record, entries=(*record.entries[:n], changed, *record.entries[n + 1 :]))
            report = audit(signed_again(forged), [world.folder], strict=True)
            if (entry.name, name) in {("Voted", "accepts"), *FREE}:
                continue  # one ballot less may include the same updates: only the digest tells, see below
            assert not report.clean, f"{entry} {name}"
            assert report.findings
        # Time, block, transaction, ballots: whoever keeps the digest sees a change in any figure.
        for change in ({"time": entry.time + 1}, {"block": entry.block + 1}, {"tx_hash": "0x0"}, {"position": 9}):
            forged = replace(record, entries=(*record.entries[:n], replace(entry, **change), *record.entries[n + 1 :]))
            assert forged.digest != record.digest
    assert record.to_json() == stored


def test_ballots_that_include_others_are_found(finished: Finished) -> None:
    world, record = finished
    entries = list(record.entries)
    ballots = [n for n, entry in enumerate(entries) if entry.name == "Voted" and entry.round == 2]
    for n in ballots[:2]:
        entries[n] = replace(entries[n], values={**entries[n].values, "accepts": 0b0111})
    report = audit(signed_again(replace(record, entries=tuple(entries))), [world.folder])
    assert "RoundClosed says included = 15, the rules give 7" in words(report)
    assert "merge: round 2" in words(report)


def apart(one: RecordEntry, another: RecordEntry) -> bool:
    """Say whether two events do not touch each other: two members', or a late attestation and the next round's."""
    names = {one.name, another.name}
    if len(names) == 1:
        return True
    if names <= {"Joined", "Bonded", "Deposited"}:
        return bool(one.values["member"] != another.values["member"])
    return names <= SPOKEN and one.round != another.round


@pytest.mark.parametrize("how", ["left out", "twice", "swapped"])
def test_events_left_out_repeated_or_swapped_are_found(finished: Finished, how: str) -> None:
    world, record = finished
    for n in range(len(record.entries) - 1):
        entries = list(record.entries)
        if how == "left out":
            del entries[n]
        elif how == "twice":
            entries.insert(n, entries[n])
        else:
            pair = entries[n : n + 2]
            if apart(*pair):
                continue  # who speaks first may not matter
            entries[n], entries[n + 1] = entries[n + 1], entries[n]
        entries = [replace(entry, block=place) for place, entry in enumerate(entries)]
        report = audit(signed_again(replace(record, entries=tuple(entries))), [world.folder], strict=True)
        assert report.of(Severity.DISCREPANCY), f"{record.entries[n]} {how}"


def test_every_figure_of_every_outcome_and_of_the_view_counts(finished: Finished) -> None:
    world, record = finished
    for n, outcome in enumerate(record.outcomes):
        for item in fields(Outcome):
            held = getattr(outcome, item.name)
            changed = Status.VOID if item.name == "status" else bytes(31) + b"\7" if item.name == "root" else held + 1
            forged = replace(outcome, **{item.name: changed})
            outcomes = (*record.outcomes[:n], forged, *record.outcomes[n + 1 :])
            report = audit(signed_again(replace(record, outcomes=outcomes)), [world.folder])
            assert "outcome" in words(report), item.name
    assert "no outcome" in words(audit(replace(record, outcomes=record.outcomes[:-1]), [world.folder]))
    for item in fields(View):
        held = getattr(record.view, item.name)
        if item.name == "time":
            assert "older" in words(audit(replace(record, view=replace(record.view, time=held - 1000)), []))
            continue
        changed: Any = None
        if isinstance(held, tuple):
            changed = held[:-1]
        elif isinstance(held, bytes):
            changed = b"\5" * 32
        elif isinstance(held, Phase):
            changed = Phase.VOTE
        elif isinstance(held, bool):
            changed = not held
        elif isinstance(held, int):
            changed = held + 1
        report = audit(signed_again(replace(record, view=replace(record.view, **{item.name: changed}))), [])
        assert f"view has {item.name} = " in words(report)


def test_any_flipped_bit_of_a_stored_record_is_found(finished: Finished) -> None:
    world, record = finished
    text = record.to_json().encode()
    rng = random.Random(9)
    refused = 0
    for _ in range(300):
        place = rng.randrange(len(text))
        changed = text[:place] + bytes([text[place] ^ 1 << rng.randrange(8)]) + text[place + 1 :]
        try:
            damaged = ChainRecord.from_json(changed)
        except CodecError:
            refused += 1
            continue
        assert not damaged.intact
        assert "digest" in words(audit(damaged, [world.folder]))
    assert 0 < refused < 300


def test_another_charter_or_other_terms_are_found(finished: Finished) -> None:
    world, record = finished
    other_charter = replace(world.charter, rounds=4).canonical_json()
    assert "not the one that the contract was founded on" in words(audit(record.with_charter(other_charter), []))
    terms = replace(record.terms, vote_seconds=31)
    assert "the contract's terms are not its" in words(audit(replace(record, terms=terms), []))
    assert "charter" in words(audit(record.with_charter("{}"), []))


# -- federations in which somebody did wrong --------------------------------------------------------------------------


class Liar(MemoryLedger):
    """Attests a merge of its own."""

    lie: Root = b"\x66" * 32

    def submit(self, command: Command) -> None:
        super().submit(replace(command, root=self.lie) if isinstance(command, Attest) else command)


def test_who_attests_another_merge_is_named(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path, rounds=2)
    world.nodes[1] = world.start(1, ledger=Liar(world.chain, world.address(1)))
    world.nodes = {1: world.nodes[1], **world.nodes}  # it speaks before the quorum is there
    world.run()
    report = audit(world.record(), [world.folder])
    index = world.chain.view().members.index(world.address(1))
    assert {(f.what, f.round, f.node) for f in report.findings} == {("attestation", r, index) for r in (1, 2)}
    assert [one.merge for one in report.rounds] == ["verified"] * 3


def test_a_wrong_final_root_is_found_with_its_attesters_and_its_leaf(tmp_path: Path) -> None:
    """A quorum of liars, who put their model into the store: the one thing that the contract alone cannot see."""
    world = AuditedWorld(tmp_path, rounds=1)
    wrong = codec.encode(LAYOUT, {**GENESIS, "w": GENESIS["w"] + np.float32(1)}, codec.Header.merged(1)).blob
    world.shared.put(merkle.root(wrong), wrong)

    class Ring(Liar):
        lie = merkle.root(wrong)

    for slot in (0, 1, 2, 3):
        world.nodes[slot] = world.start(slot, ledger=Ring(world.chain, world.address(slot)))
    world.run(until=lambda view: view.phase is Phase.DONE)
    assert world.outcome(1).root == Ring.lie
    report = audit(world.record(), [world.folder])
    [merge] = [f for f in report.findings if f.what == "merge"]
    assert (merge.round, merge.leaf, merge.root) == (1, 1, Ring.lie)
    named = {f.node for f in report.findings if f.what == "attestation"}
    assert len(named) >= 3
    assert sum(1 << node for node in named if node is not None) == report.rounds[1].attesters
    assert report.rounds[1].merge == "wrong"


def test_a_void_attest_phase_names_who_was_wrong(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path, rounds=1)
    for slot in (0, 1):
        liar = Liar(world.chain, world.address(slot))
        liar.lie = bytes([slot + 1]) * 32
        world.nodes[slot] = world.start(slot, ledger=liar)
    world.run(until=lambda view: view.round == 2)
    assert world.outcome(1).status is Status.VOID
    report = audit(world.record(), [world.folder])
    assert report.rounds[1].merge == "no quorum"
    assert {f.address for f in report.findings} == {world.address(0), world.address(1)}
    assert {f.severity for f in report.findings} == {Severity.NOTE}, "the court has yet to judge them"


class Stale(MemoryLedger):
    """Commits to an update whose header is another round's."""

    store: Any = None

    def submit(self, command: Command) -> None:
        super().submit(self.stale(command) if isinstance(command, Commit) else command)

    def stale(self, command: Commit) -> Commit:
        header = codec.Header.update(31337, FEDERATION, command.round + 1, self.address, LAYOUT.hash, 10)
        update = codec.encode(LAYOUT, GENESIS, header).blob
        self.store.put(merkle.root(update), update)
        return replace(command, root=merkle.root(update))


def test_a_bad_update_that_was_voted_out_is_a_note(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path, rounds=1)
    step_all(world, bad=3)
    assert world.outcome(1).included.bit_count() == 3
    report = audit(world.record(), [world.folder], strict=True)
    assert report.clean
    [note] = report.findings
    assert (note.severity, note.round) == (Severity.NOTE, 1)
    assert "another round than expected" in note.message


def test_a_bad_update_that_was_voted_in_names_its_voters(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path, rounds=1)

    class Blind(MemoryLedger):
        def submit(self, command: Command) -> None:
            super().submit(replace(command, accepts=0b1111) if isinstance(command, Vote) else command)

    for slot in (0, 1, 2):
        world.nodes[slot] = world.start(slot, ledger=Blind(world.chain, world.address(slot)))
    step_all(world, bad=3)
    assert world.outcome(1).included == 0b1111
    report = audit(world.record(), [world.folder])
    [finding] = report.of(Severity.DISCREPANCY)
    assert finding.what == "update"
    assert "included by the ballots of" in finding.message
    assert report.rounds[1].merge == "verified", "it counts as it lies there"


def step_all(world: AuditedWorld, bad: int) -> None:
    """Run round 1 with a node that commits to a stale update, and then stumbles over it."""
    ledger = Stale(world.chain, world.address(bad))
    ledger.store = world.shared
    world.nodes[bad] = world.start(bad, ledger=ledger)
    for _ in range(200):
        for slot, node in world.nodes.items():
            try:
                node.step(world.chain.view())
            except Exception:
                if slot != bad:
                    raise
        view = world.chain.view()
        if view.phase is Phase.DONE:
            return
        if view.due:
            world.chain.act(OUTSIDER, Advance())
            continue
        world.clock.advance(3)
    raise AssertionError("not over")


def test_an_outlier_voted_out_and_a_late_joiner_leave_no_discrepancy(tmp_path: Path) -> None:
    world = AuditedWorld(tmp_path, nodes=4, start_members=4)

    class Wild(Pull):
        def train(self, base: State, round: int) -> Update:
            update = super().train(base, round)
            return Update({"w": update.state["w"] + np.float32(50), "steps": update.state["steps"]}, 0.0, 10)

    world.learners[3] = Wild(3)
    world.nodes[3] = world.start(3)
    world.run(until=lambda view: view.round == 2)
    world.nodes[4] = world.start(4)
    world.run()
    report = audit(world.record(), [world.folder], strict=True)
    assert report.clean, words(report)
    assert report.rounds[3].included.bit_count() == 4
    assert report.rounds[3].roster == 0b11111


def test_the_folders_of_a_run_are_found(tmp_path: Path) -> None:
    root = sha256(b"").hexdigest()
    (tmp_path / "a/b/blobs" / root[:2]).mkdir(parents=True)
    (tmp_path / "a/b/blobs" / root[:2] / root).write_bytes(b"x")
    assert folders(tmp_path) == [Folder(tmp_path / "a/b/blobs")]
    with pytest.raises(ConfigError, match="no folder"):
        folders(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no blob"):
        folders(tmp_path / "empty")
    assert bytes.fromhex(root) != NO_ROOT

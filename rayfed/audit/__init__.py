"""The auditor: lives a whole federation again from ledger and store, without key or stake, and says what is not right.

A record of what the contract said (out of a chain, or out of a file) is replayed by the protocol's rules, every blob
that can be had is hashed, every merge computed again. Nothing is believed but the chain and SHA-256.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from rayfed.audit import frozen
from rayfed.audit.events import MESSAGES, RecordEntry
from rayfed.audit.examiner import MEMORY, Examiner
from rayfed.audit.facts import Replayed, RoundFacts
from rayfed.audit.findings import Finding, Report, RoundReport, Severity
from rayfed.audit.places import BlobPlace, Folder, StorePlace, folders, opened
from rayfed.audit.record import ChainRecord
from rayfed.audit.replay import replay
from rayfed.errors import CodecError
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import Phase, Status

__all__ = [
    "MEMORY",
    "BlobPlace",
    "ChainRecord",
    "Finding",
    "Folder",
    "RecordEntry",
    "Report",
    "RoundReport",
    "Severity",
    "StorePlace",
    "audit",
    "folders",
    "opened",
    "replay",
]


def audit(
    record: ChainRecord,
    places: Sequence[BlobPlace],
    *,
    source: str = "record",
    signatures: bool = False,
    strict: bool = False,
    memory: int = MEMORY,
    threads: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Check a federation from its founding to the record's last block.

    Args:
        record: what the contract said; with the charter, or no blob can be looked at.
        places: where blobs may lie.
        source: where the record is from, for the report.
        signatures: whether every message must come with its signature: a record from a file proves little without.
        strict: whether what cannot be checked counts as a discrepancy.
        memory: bytes of blobs held at a time; at least two blobs.
        threads: how many blobs are looked at at a time; None means one a core.
        progress: told (blobs done, blobs in all).

    Raises:
        ConfigError: two blobs of the charter's layout do not fit the memory.
    """
    started = time.perf_counter()
    report = Report(
        record.federation, record.chain_id, source, record.block, record.block_hash, record.digest, strict=strict
    )
    if not record.intact:
        words = "its digest is not the one that it states: it was changed after it was written"
        report.findings.append(Finding(Severity.DISCREPANCY, "record", words))
    charter = _charter(record, report.findings)
    history = replay(record)
    report.members = history.members
    report.findings += history.findings
    report.messages = sum(
        entry.values["members"].bit_count() if entry.name == "Relayed" else entry.name in MESSAGES
        for entry in record.entries
    )
    if record.transactions or signatures:
        from rayfed.audit.signatures import check

        report.signed, forged = check(record)
        report.findings += forged
        if signatures and report.signed + len(forged) < report.messages:
            words = f"{report.messages - report.signed - len(forged)} messages come without their signed transactions"
            report.findings.append(Finding(Severity.UNCHECKED, "signature", words))
    if charter is None:
        report.rounds = [_unseen(facts) for facts in history.rounds]
    else:
        report.charter = "0x" + charter.hash.hex()
        _examine(record, history, charter, places, report, memory, threads, progress)
        if charter.layout.frozen is not None:
            report.frozen, findings = frozen.check(charter.layout.frozen, places)
            report.findings += findings
    if not report.bytes and any(_published(facts) for facts in history.rounds):
        words = "not one blob was hashed: no merge and no update was checked, so this audit says nothing about them"
        report.findings.append(Finding(Severity.DISCREPANCY, "blob", words))
    report.seconds = time.perf_counter() - started
    return report


def _examine(
    record: ChainRecord,
    history: Replayed,
    charter: Charter,
    places: Sequence[BlobPlace],
    report: Report,
    memory: int,
    threads: int | None,
    progress: Callable[[int, int], None],
) -> None:
    total = sum(len(facts.updates) + bool(facts.included) for facts in history.rounds)
    done = 0

    def seen() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    examiner = Examiner(charter, record.chain_id, record.federation, places, memory=memory, threads=threads, seen=seen)
    members = [address for address in history.members if address]
    started = any(facts.updates for facts in history.rounds)
    for one, findings in (
        examiner.genesis(record.terms.genesis, started, members),
        *map(examiner.round, history.rounds),
    ):
        report.rounds.append(one)
        report.findings += findings


def _charter(record: ChainRecord, findings: list[Finding]) -> Charter | None:
    """Return the charter if it is the one that the federation was founded on."""
    if not record.charter:
        words = "there is no charter, which says how long a blob is: no blob was checked"
        findings.append(Finding(Severity.UNCHECKED, "charter", words))
        return None
    try:
        charter = Charter.from_json(record.charter)
    except CodecError as error:
        findings.append(Finding(Severity.DISCREPANCY, "charter", str(error)))
        return None
    if charter.terms(record.terms.coin) != record.terms:
        same = charter.hash == record.terms.charter
        words = "the contract's terms are not its" if same else "it is not the one that the contract was founded on"
        findings.append(Finding(Severity.DISCREPANCY, "charter", f"{words} (its hash is {charter.hash.hex()[:16]}...)"))
        return None
    return charter


def _published(facts: RoundFacts) -> bool:
    """Whether a round has blobs that can be had. Before COMMIT has closed, and where it closed void, none is."""
    voted = facts.status is not Status.OPEN and facts.phase is not Phase.COMMIT
    return bool(facts.updates) and (voted or bool(facts.included))


def _unseen(facts: RoundFacts) -> RoundReport:
    merge = "not checkable" if facts.included else ""
    return RoundReport(
        facts.round, facts.status, facts.roster, facts.included, facts.attesters, facts.root, merge=merge
    )


class _Package(ModuleType):
    """This package, which is also the function ``rayfed.audit(run)``: both go by one name."""

    def __call__(self, run: str | Path, *, strict: bool = False) -> Report:
        """See ``rayfed.audit.folder.audit_folder``."""
        from rayfed.audit.folder import audit_folder

        return audit_folder(run, strict=strict)


sys.modules[__name__].__class__ = _Package

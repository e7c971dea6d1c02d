"""The blobs of a federation: every copy hashed or compared, every header read, every merge computed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rayfed.audit.facts import RoundFacts
from rayfed.audit.findings import Finding, RoundReport, Severity
from rayfed.audit.places import BlobPlace
from rayfed.audit.searcher import DAMAGED, MISSING, Searcher, Sighting
from rayfed.encoding import blocks, codec, merkle
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.errors import ConfigError
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import Phase, Status

MEMORY = 2 << 30
"""Bytes of blobs held at a time; where a merge needs more, they wait in a temporary file."""


class Examiner:
    """Checks the blobs of one federation.

    Args:
        charter: gives the layout, and with it every size, and the merge rule.
        chain_id, federation, members: what the headers must name.
        places: where copies may lie; every copy in every place is checked.
        memory: bytes of blobs held at a time.
        threads: how many blobs are looked at at a time; None means one a core.
        seen: told of every blob that is done with.

    Raises:
        ConfigError: two blobs of this layout do not fit the memory.
    """

    def __init__(
        self,
        charter: Charter,
        chain_id: int,
        federation: Address,
        members: Sequence[Address],
        places: Sequence[BlobPlace],
        *,
        memory: int = MEMORY,
        threads: int | None = None,
        seen: Callable[[], None] = lambda: None,
    ) -> None:
        self._layout = charter.blob_layout
        self._size = self._layout.blob_size
        self._rule = charter.rule()
        self._chain_id = chain_id
        self._federation = federation
        self._members = members
        self._searcher = Searcher(self._layout, places)
        self._memory = memory
        if 2 * self._size > memory:
            words = f"a blob has {self._size >> 20} MiB, and two of them must fit: {memory >> 20} MiB is too little"
            raise ConfigError("--memory", words)
        # Each thread holds one blob, and one more is the merge.
        self._threads = min(threads or blocks.cores(), memory // self._size - 1)
        self._seen = seen
        self._base = (charter.genesis, 0)  # root and round of the model that the next round starts from

    def genesis(self, root: Root, needed: bool) -> tuple[RoundReport, list[Finding]]:
        """Check the blob that round 1 starts from; ``needed``: somebody has started from it, so it must be there."""
        started = time.perf_counter()
        sighting = self._searcher.look(root, self._members, Header.merged(0))
        report = RoundReport(0, Status.NONE, root=root)
        findings = self._take(report, [sighting], 0)
        if needed or not sighting.missing:
            findings += self._model(sighting, 0)
        report.merge = "verified" if sighting.valid else "not checkable" if sighting.missing else "wrong"
        self._searcher.give_back([sighting])
        report.seconds = time.perf_counter() - started
        return report, findings

    def round(self, facts: RoundFacts) -> tuple[RoundReport, list[Finding]]:
        """Check a round's updates, their merge, and who attested what."""
        started = time.perf_counter()
        report = RoundReport(facts.round, facts.status, facts.roster, facts.included, facts.attesters, facts.root)
        kept = facts.included.bit_count()
        spool = (kept + self._threads + 1) * self._size > self._memory
        sightings = []
        with ThreadPoolExecutor(self._threads, "rayfed-audit") as pool:
            for sighting in pool.map(lambda index: self._update(facts, index, spool), sorted(facts.roots)):
                sightings.append(sighting)
                self._seen()
        findings = self._take(report, sightings, facts.round)
        for sighting in sightings:
            findings += self._judge(sighting, facts)
        included = [sighting for sighting in sightings if facts.included >> sighting.owner & 1]
        if facts.included:
            findings += self._merge(report, facts, included)
        self._searcher.give_back(sightings)
        if facts.status is Status.FINAL:
            self._base = (facts.root, facts.round)
        report.seconds = time.perf_counter() - started
        return report, findings

    # -- one blob ---------------------------------------------------------------------------------------------------

    def _update(self, facts: RoundFacts, index: int, spool: bool) -> Sighting:
        """Check every copy of one update; keep its blob if it goes into the merge."""
        owner = self._members[index]
        header = Header.update(self._chain_id, self._federation, facts.round, owner)
        # The owner has it; whoever checked it in time may have it too.
        holders = [owner, *(member for member in self._members if member != owner)]
        sighting = self._searcher.look(facts.roots[index], holders, header)
        sighting.index = index
        if not facts.included >> index & 1:
            self._searcher.give_back([sighting])
        elif spool:
            self._searcher.spool(sighting)
        return sighting

    # -- judgements -------------------------------------------------------------------------------------------------

    def _take(self, report: RoundReport, sightings: Iterable[Sighting], number: int) -> list[Finding]:
        """Add what was read to the report; return what was found on the way, with round and node."""
        findings = []
        for sighting in sightings:
            report.blobs += sighting.copies
            report.bytes += sighting.hashed
            findings += [self._placed(finding, number, sighting.index) for finding in sighting.findings]
        return findings

    def _judge(self, sighting: Sighting, facts: RoundFacts) -> Iterable[Finding]:
        """Say what is wrong with an update."""
        included = facts.included >> sighting.owner & 1
        if sighting.reason in ("", DAMAGED):  # each damaged copy has a finding of its own
            return
        if sighting.missing:
            # Nothing is published before COMMIT has closed, so where it closed void there is nothing to be had.
            if facts.status is not Status.NONE and facts.phase is not Phase.COMMIT:
                words = "was included, but nobody has it" if included else "was committed, but nobody has it"
                yield self._finding(Severity.UNCHECKED, "update", words, facts, sighting)
            return
        if included:
            accepted = [str(i) for i, ballot in sorted(facts.ballots.items()) if ballot >> sighting.owner & 1]
            words = f"included by the ballots of {', '.join(accepted)}, but {sighting.reason}"
            yield self._finding(Severity.DISCREPANCY, "update", words, facts, sighting)
        else:
            yield self._finding(Severity.NOTE, "update", f"{sighting.reason}; not included", facts, sighting)

    def _model(self, sighting: Sighting, number: int) -> Iterable[Finding]:
        """Say what is wrong with a merged model whose bytes could not be worked out."""
        if sighting.missing:
            yield Finding(Severity.UNCHECKED, "base", "nobody has this model", number, root=sighting.root)
        elif sighting.blob is not None and sighting.reason:
            yield Finding(Severity.DISCREPANCY, "base", sighting.reason, number, root=sighting.root)

    def _merge(self, report: RoundReport, facts: RoundFacts, included: list[Sighting]) -> Iterable[Finding]:
        """Compute the merge again; compare it with what was attested, what is final, and what the places hold."""
        blobs = [sighting.blob for sighting in included if sighting.valid and sighting.blob is not None]
        merged: memoryview | None = None
        computed = facts.root  # where nothing can be computed, what the quorum said
        base = self._start()
        if len(blobs) == facts.included.bit_count() and (base is not None or not self._rule.needs_base):
            merged = self._compute(blobs, facts.round, base)
            computed = merkle.root(merged)
            report.bytes += self._size
        if merged is not None or facts.status is Status.FINAL:
            yield from self._attestations(facts, computed)
        if facts.undone and facts.root != NO_ROOT:
            report.merge = "rolled back"
            if facts.upheld and merged is not None and computed == facts.root:
                yield Finding(Severity.DISCREPANCY, "merge", "it was rolled back as wrong, and is right", facts.round)
        elif facts.status is not Status.FINAL:
            report.merge = "no quorum" if facts.status is Status.VOID else "open"
        elif merged is None:
            refused = any(sighting.reason not in (MISSING, DAMAGED, "") for sighting in included)
            report.merge = "wrong" if refused else "not checkable"
        else:
            report.merge = "verified" if computed == facts.root else "wrong"
        if facts.status is Status.FINAL:
            same = merged if computed == facts.root else None
            final = self._searcher.look(facts.root, self._members, Header.merged(facts.round), same)
            yield from self._take(report, [final], facts.round)
            if merged is None:
                yield from self._model(final, facts.round)
            elif computed != facts.root:
                leaf = _first_leaf(merged, final.blob) if final.blob is not None else None
                words = f"the final root is {_short(facts.root)}, the merge by the rule is {_short(computed)}"
                yield Finding(Severity.DISCREPANCY, "merge", words, facts.round, leaf=leaf, root=facts.root)
            self._searcher.give_back([final])
        self._seen()
        if merged is not None:
            self._searcher.reuse(merged)

    def _attestations(self, facts: RoundFacts, right: Root) -> Iterable[Finding]:
        """Name who attested another root than the right one."""
        for index, root in sorted(facts.attestations.items()):
            if root != right:
                words = f"attested {_short(root)}, the merge is {_short(right)}"
                who = self._members[index]
                # Where the round was rolled back, the court has dealt with it.
                severity = Severity.NOTE if facts.undone else Severity.DISCREPANCY
                yield Finding(severity, "attestation", words, facts.round, index, who, root=root)

    def _start(self) -> memoryview | None:
        """Return the round's base where the rule needs it and somebody has it; its own findings are its round's."""
        root, number = self._base
        return self._searcher.look(root, self._members, Header.merged(number)).blob if self._rule.needs_base else None

    def _compute(self, chosen: list[memoryview], number: int, base: memoryview | None) -> memoryview:
        weights = [codec.read_header(blob).weight for blob in chosen]
        merged = codec.blank(self._layout, Header.merged(number), self._searcher.room())
        values = [codec.values(blob, self._layout.size) for blob in chosen]
        start = None if base is None else codec.values(base, self._layout.size)
        self._rule.merge(values, weights, codec.values(merged, self._layout.size), base=start)
        return merged

    # -- small things -----------------------------------------------------------------------------------------------

    def _finding(self, severity: Severity, what: str, message: str, facts: RoundFacts, sighting: Sighting) -> Finding:
        return Finding(
            severity, what, message, facts.round, sighting.owner, self._members[sighting.owner], root=sighting.root
        )

    def _placed(self, finding: Finding, number: int, index: int | None) -> Finding:
        return replace(finding, round=number, node=index, address="" if index is None else self._members[index])


def _short(root: Root) -> str:
    return f"0x{root.hex()[:16]}..."


def _first_leaf(one: memoryview, other: memoryview) -> int | None:
    """Return the first leaf in which two blobs of one size differ, or None if they are the same."""
    for start in range(0, one.nbytes, merkle.LEAF):
        if one[start : start + merkle.LEAF] != other[start : start + merkle.LEAF]:
            return start // merkle.LEAF
    return None

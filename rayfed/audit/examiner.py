"""The blobs of a federation: every copy hashed or compared, every header read, every merge computed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rayfed.audit.courts import attested, judged, short
from rayfed.audit.facts import RoundFacts
from rayfed.audit.findings import Finding, RoundReport, Severity
from rayfed.audit.places import BlobPlace
from rayfed.audit.searcher import DAMAGED, MISSING, Searcher, Sighting
from rayfed.encoding import blocks, codec, merkle
from rayfed.encoding.header import Header
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import ConfigError
from rayfed.node.merger import merge_updates
from rayfed.node.update_codec import UpdateCodec
from rayfed.protocol.charter import Charter
from rayfed.protocol.messages import NATIVE, Phase, Status

NOBODY: Mapping[int, Address] = {}

MEMORY = 2 << 30
"""Bytes of blobs held at a time; where a merge needs more, they wait in a temporary file."""


class Examiner:
    """Checks the blobs of one federation.

    Args:
        charter: gives the layout, and with it every size, and the merge rule.
        chain_id, federation: what the headers must name.
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
        places: Sequence[BlobPlace],
        *,
        memory: int = MEMORY,
        threads: int | None = None,
        seen: Callable[[], None] = lambda: None,
    ) -> None:
        self._layout = charter.blob_layout
        self._codec = UpdateCodec(charter.layout, self._layout, chain_id, federation)
        self._size = self._layout.blob_size
        self._rule = charter.rule()
        self._needs_base = self._rule.needs_base or self._codec.is_narrow
        self._chain_id = chain_id
        self._federation = federation
        self._searcher = Searcher(self._layout, places)
        self._memory = memory
        if 2 * self._size > memory:
            words = f"a blob has {self._size >> 20} MiB, and two of them must fit: {memory >> 20} MiB is too little"
            raise ConfigError("--memory", words)
        # Each thread holds one blob, and one more is the merge.
        self._threads = min(threads or blocks.cores(), memory // self._size - 1)
        self._seen = seen

    def genesis(self, root: Root, needed: bool, holders: Sequence[Address]) -> tuple[RoundReport, list[Finding]]:
        """Check the blob that round 1 starts from; ``needed``: somebody has started from it, so it must be there."""
        started = time.perf_counter()
        sighting = self._searcher.look(root, holders, Header.merged(0))
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
            for sighting in pool.map(lambda index: self._update(facts, index, spool), sorted(facts.updates)):
                sightings.append(sighting)
                self._seen()
        findings = self._take(report, sightings, facts.round, facts.members)
        for sighting in sightings:
            findings += self._judge(sighting, facts)
        included = [sighting for sighting in sightings if facts.included >> sighting.owner & 1]
        if facts.included:
            findings += self._merge(report, facts, included)
        self._searcher.give_back(sightings)
        report.seconds = time.perf_counter() - started
        return report, findings

    # -- one blob ---------------------------------------------------------------------------------------------------

    def _update(self, facts: RoundFacts, index: int, spool: bool) -> Sighting:
        """Check every copy of one update; keep its blob if it goes into the merge."""
        owner = facts.members.get(index, NATIVE)
        header = Header.update(self._chain_id, self._federation, facts.round, owner)
        # The owner has it; whoever checked it in time may have it too.
        holders = [owner, *(member for member in facts.members.values() if member != owner)]
        sighting = self._searcher.look(facts.roots[index], holders, header)
        sighting.index = index
        if not facts.included >> index & 1:
            self._searcher.give_back([sighting])
        elif spool:
            self._searcher.spool(sighting)
        return sighting

    # -- judgements -------------------------------------------------------------------------------------------------

    def _take(
        self, report: RoundReport, sightings: Iterable[Sighting], number: int, members: Mapping[int, Address] = NOBODY
    ) -> list[Finding]:
        """Add what was read to the report; return what was found on the way, with round and node."""
        findings = []
        for sighting in sightings:
            report.blobs += sighting.copies
            report.bytes += sighting.hashed
            index = sighting.index
            owner = "" if index is None else members.get(index, "")
            findings += [replace(one, round=number, node=index, address=owner) for one in sighting.findings]
        return findings

    def _judge(self, sighting: Sighting, facts: RoundFacts) -> Iterable[Finding]:
        """Say what is wrong with an update."""
        included = facts.included >> sighting.owner & 1
        if sighting.reason in ("", DAMAGED):  # each damaged copy has a finding of its own
            return
        if sighting.missing:
            # Nothing is published before COMMIT has closed, so where it closed void there is nothing to be had.
            if facts.status is not Status.OPEN and facts.phase is not Phase.COMMIT:
                words = "was included, but nobody has it" if included else "was committed, but nobody has it"
                yield self._finding(Severity.UNCHECKED, "update", words, facts, sighting)
            return
        if included:
            accepted = [str(i) for i, ballot in sorted(facts.accepts.items()) if ballot >> sighting.owner & 1]
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
        """Compute the merge again; compare it with what was attested, what is final, what came of it in court, and what
        the places hold."""
        # A merge is total over any bytes: what is no update and was included counts as it lies there.
        blobs = [sighting.blob for sighting in included if sighting.blob is not None]
        merged: memoryview | None = None
        computed = facts.root  # where nothing can be computed, what the quorum said
        base = self._start(facts)
        if len(blobs) == facts.included.bit_count() and (base is not None or not self._needs_base):
            merged = self._compute(blobs, facts.round, base)
            computed = merkle.root(merged)
            report.bytes += self._size
            yield from judged(facts, computed)
        if merged is not None or facts.status.stands:
            yield from attested(facts, computed)
        report.merge = self._word(facts, merged is not None, computed, included)
        if facts.status.stands:
            same = merged if computed == facts.root else None
            holders = list(facts.members.values())
            final = self._searcher.look(facts.root, holders, Header.merged(facts.round), same)
            yield from self._take(report, [final], facts.round)
            if merged is None:
                yield from self._model(final, facts.round)
            elif computed != facts.root:
                leaf = _first_leaf(merged, final.blob) if final.blob is not None else None
                words = f"the final root is {short(facts.root)}, the merge by the rule is {short(computed)}"
                yield Finding(Severity.DISCREPANCY, "merge", words, facts.round, leaf=leaf, root=facts.root)
            self._searcher.give_back([final])
        self._seen()
        if merged is not None:
            self._searcher.reuse(merged)

    def _word(self, facts: RoundFacts, is_computed: bool, computed: Root, included: list[Sighting]) -> str:
        """Return what came of a round's merge, in a word."""
        if facts.undone:
            return "undone"
        if not facts.status.stands:
            return "open" if facts.status is Status.OPEN else "no quorum"
        if is_computed:
            return "verified" if computed == facts.root else "wrong"
        refused = any(sighting.reason not in (MISSING, DAMAGED, "") for sighting in included)
        return "wrong" if refused else "not checkable"

    def _start(self, facts: RoundFacts) -> memoryview | None:
        """Return the round's base where the merge needs it and somebody has it; its own findings are its round's."""
        if not self._needs_base:
            return None
        holders = list(facts.members.values())
        return self._searcher.look(facts.base, holders, Header.merged(facts.base_round)).blob

    def _compute(self, chosen: list[memoryview], number: int, base: memoryview | None) -> memoryview:
        merged = codec.blank(self._layout, Header.merged(number), self._searcher.room(self._size))
        start = None if base is None else self._codec.values(base)
        merge_updates(self._rule, self._codec, chosen, start, self._codec.values(merged))
        return merged

    # -- small things -----------------------------------------------------------------------------------------------

    def _finding(self, severity: Severity, what: str, message: str, facts: RoundFacts, sighting: Sighting) -> Finding:
        owner = facts.members.get(sighting.owner, "")
        return Finding(severity, what, message, facts.round, sighting.owner, owner, root=sighting.root)


def _first_leaf(one: memoryview, other: memoryview) -> int | None:
    """Return the first leaf in which two blobs of one size differ, or None if they are the same."""
    for start in range(0, one.nbytes, merkle.LEAF):
        if one[start : start + merkle.LEAF] != other[start : start + merkle.LEAF]:
            return start // merkle.LEAF
    return None

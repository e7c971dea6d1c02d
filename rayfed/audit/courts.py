"""What the court made of a round, held against the merge that was computed again. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rayfed.audit.facts import RoundFacts
from rayfed.audit.findings import Finding, Severity
from rayfed.encoding.primitives import Root
from rayfed.protocol.court import Entry, Fate
from rayfed.protocol.messages import Status


def judged(facts: RoundFacts, right: Root) -> Iterable[Finding]:
    """Say which entries lost that were right, and which won that were not."""
    for entry in facts.entries:
        if entry.root == right and entry.fate is Fate.LOST:
            words = f"the merge, {short(right)}, lost in stage {entry.stage} of its tournament"
            yield Finding(Severity.DISCREPANCY, "court", words, facts.round, root=right)
        elif entry.root != right and entry.fate is Fate.WON:
            words = f"{short(entry.root)} won its tournament, and the merge is {short(right)}"
            yield Finding(Severity.DISCREPANCY, "court", words, facts.round, root=entry.root)
        elif entry.root != right and entry.fate is Fate.LOST and entry.entrant:
            words = f"{short(entry.root)}, which is not the merge, was entered by {entry.entrant} and lost"
            yield Finding(Severity.NOTE, "court", words, facts.round, root=entry.root)


def attested(facts: RoundFacts, right: Root) -> Iterable[Finding]:
    """Name who attested another root than the right one; where the court deals with it, that is as the rules say."""
    fates = {entry.root: entry for entry in facts.entries}
    for index, root in sorted(facts.attestations.items()):
        if root == right:
            continue
        words = f"attested {short(root)}, the merge is {short(right)}{_came_of(fates.get(root))}"
        severity = Severity.NOTE if _is_dealt_with(facts, fates.get(root)) else Severity.DISCREPANCY
        who = facts.members.get(index, "")
        yield Finding(severity, "attestation", words, facts.round, index, who, root=root)


def short(root: Root) -> str:
    """Return the beginning of a root, for a message."""
    return f"0x{root.hex()[:16]}..."


def _is_dealt_with(facts: RoundFacts, entry: Entry | None) -> bool:
    """Whether the court has judged an attestation, or can still do so, or need not: nothing is built on it."""
    if entry is not None and entry.fate in (Fate.LOST, Fate.FALLEN):
        return True
    return facts.undone or facts.status is Status.VOID or (entry is not None and entry.fate is Fate.PENDING)


def _came_of(entry: Entry | None) -> str:
    if entry is None:
        return ""
    words = {Fate.LOST: "; it lost in court", Fate.PENDING: "; the court has yet to judge it", Fate.WON: "; it won"}
    return words.get(entry.fate, "")

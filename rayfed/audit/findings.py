"""What an audit finds, and the report that comes of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from rayfed.encoding.primitives import Address, bits
from rayfed.protocol.messages import Status


class Severity(StrEnum):
    """What a finding means for the verdict."""

    DISCREPANCY = "discrepancy"  # something is not as it must be
    UNCHECKED = "not checkable"  # nobody could show what it is; a discrepancy where the audit is strict
    NOTE = "note"  # somebody did wrong, and the federation dealt with it as its rules say


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an audit found.

    Attributes:
        severity: what it means for the verdict.
        what: what it is about: record, charter, replay, signature, outcome, view, money, blob, update, merge, court,
            attestation, base or frozen.
        message: one line.
        round: which round it concerns, or None.
        node: index of the member whom it concerns, or None.
        address: that member's.
        leaf: the first leaf of the blob that is not as it should be, where that can be told.
        root: of the blob.
        place: where the blob lies.
    """

    severity: Severity
    what: str
    message: str
    round: int | None = None
    node: int | None = None
    address: Address = ""
    leaf: int | None = None
    root: bytes = b""
    place: str = ""

    def line(self) -> str:
        """Return it as one line: where, then what."""
        where = [
            f"round {self.round}" if self.round is not None else "",
            f"node {self.node} ({self.address[:10]}...)" if self.node is not None else "",
            f"blob {self.root.hex()[:12]}" if self.root else "",
            f"leaf {self.leaf}" if self.leaf is not None else "",
        ]
        place = ", ".join(part for part in where if part)
        return f"{self.what}: {place + ': ' if place else ''}{self.message}{f' [{self.place}]' if self.place else ''}"

    def plain(self) -> dict[str, Any]:
        """Return it as JSON holds it, without what it does not say."""
        value = {**asdict(self), "severity": self.severity.value, "root": "0x" + self.root.hex() if self.root else ""}
        return {key: held for key, held in value.items() if held is not None and held != ""}


@dataclass(slots=True)
class RoundReport:
    """What the audit made of one round.

    ``merge`` is ``verified``, ``wrong``, ``undone``, ``no quorum``, ``open``, ``not checkable`` or empty (there was
    nothing to merge);
    ``blobs`` counts copies that were read, ``bytes`` what was hashed.
    """

    round: int
    status: Status
    roster: int = 0
    included: int = 0
    attesters: int = 0
    root: bytes = b""
    merge: str = ""
    blobs: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """Return it as JSON holds it; bitmaps as lists of indices."""
        return {
            "round": self.round,
            "status": self.status.name.lower(),
            "roster": list(bits(self.roster)),
            "included": list(bits(self.included)),
            "attesters": list(bits(self.attesters)),
            "root": "0x" + self.root.hex() if self.root else "",
            "merge": self.merge,
            "blobs": self.blobs,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 6),
        }


@dataclass(slots=True)
class Report:
    """What came of an audit.

    ``messages`` counts what members said, ``signed`` those of them whose signed transaction was at hand and right.
    ``frozen`` says of the part of the model that does not travel ``verified``, ``wrong``, ``not here`` (it is no blob,
    so that is no finding), or nothing where there is none.
    """

    federation: Address
    chain_id: int
    source: str
    block: int
    block_hash: str
    record_digest: str
    charter: str = ""
    members: tuple[Address, ...] = ()
    rounds: list[RoundReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    strict: bool = False
    messages: int = 0
    signed: int = 0
    frozen: str = ""
    seconds: float = 0.0

    def of(self, severity: Severity) -> list[Finding]:
        """Return the findings of one severity."""
        return [finding for finding in self.findings if finding.severity is severity]

    @property
    def clean(self) -> bool:
        """Whether there is no discrepancy; where the audit is strict, also nothing that could not be checked."""
        return not self.of(Severity.DISCREPANCY) and not (self.strict and self.of(Severity.UNCHECKED))

    @property
    def bytes(self) -> int:
        """How many bytes were hashed in all."""
        return sum(one.bytes for one in self.rounds)

    def to_json(self) -> str:
        """Return the report as a file holds it."""
        value = {
            "clean": self.clean,
            "strict": self.strict,
            "federation": self.federation,
            "chain_id": self.chain_id,
            "source": self.source,
            "block": self.block,
            "block_hash": self.block_hash,
            "record_digest": self.record_digest,
            "charter": self.charter,
            "members": list(self.members),
            "rounds": [one.plain() for one in self.rounds],
            "findings": [finding.plain() for finding in self.findings],
            "messages": self.messages,
            "signed": self.signed,
            "frozen": self.frozen,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 6),
        }
        return json.dumps(value, indent=2)

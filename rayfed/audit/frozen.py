"""The part of a model that is frozen: each copy of it beside the nodes' disks must hash to what the charter says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rayfed.audit.findings import Finding, Severity
from rayfed.audit.places import BlobPlace, Folder
from rayfed.encoding.layout import FROZEN_FILE, Frozen


def check(agreed: Frozen, places: Sequence[BlobPlace]) -> tuple[str, list[Finding]]:
    """Return what ``Report.frozen`` says, and what is wrong.

    Args:
        agreed: the charter's.
        places: where nodes' disks may lie: ``FEDERATION/NODE/blobs``, with the file in ``FEDERATION``.
    """
    findings, found = [], False
    for path in sorted({place.path.parent.parent / FROZEN_FILE for place in places if isinstance(place, Folder)}):
        try:
            with path.open("rb") as file:
                same = hashlib.file_digest(file, "sha256").digest() == agreed.digest
        except FileNotFoundError:
            continue
        except OSError as error:
            words = f"cannot be read: {error.strerror}"
            findings.append(Finding(Severity.UNCHECKED, "frozen", words, place=str(path)))
            continue
        found = True
        if not same:
            words = f"is not what the charter calls frozen, whose SHA-256 is {agreed.digest.hex()[:16]}..."
            findings.append(Finding(Severity.DISCREPANCY, "frozen", words, place=str(path)))
    wrong = any(one.severity is Severity.DISCREPANCY for one in findings)
    return "wrong" if wrong else "verified" if found else "not here", findings

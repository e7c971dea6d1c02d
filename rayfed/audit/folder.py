"""Audits a run from its output folder alone: its record of what the contract said, and its nodes' disks."""

from __future__ import annotations

from pathlib import Path

from rayfed.audit.findings import Report
from rayfed.audit.places import folders
from rayfed.audit.record import FILE, ChainRecord
from rayfed.errors import CodecError, ConfigError


def audit_folder(run: str | Path, *, strict: bool = False) -> Report:
    """Replay a run from its record and its nodes' disks, and return what is not as it must be.

    Args:
        run: a run's output folder.
        strict: whether what cannot be checked counts as a discrepancy.

    Returns:
        A report: ``clean`` says whether all is right, ``findings`` what is not.

    Raises:
        ConfigError: there is no record or no blob, or they cannot be read.
    """
    from rayfed.audit import audit

    path = Path(run) / FILE
    try:
        record = ChainRecord.from_json(path.read_bytes().decode("ascii").rstrip("\n"))
    except OSError as error:
        raise ConfigError("run", f"{path} cannot be read: {error.strerror}") from error
    except (CodecError, UnicodeDecodeError) as error:
        raise ConfigError("run", f"{path} is not a record: {error}") from error
    return audit(record, folders(Path(run)), source=str(path), signatures=True, strict=strict)

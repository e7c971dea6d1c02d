"""The records of closed rounds: on disk, so that a restart forgets nothing, and in memory for the recorder to fetch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rayfed.aggregation.screens.verdict import Verdict
from rayfed.protocol.messages import NodeRecord

FILE = "records.jsonl"


class RecordBook:
    """All records of one host's nodes, in the order in which they came. Safe to use from several threads."""

    def __init__(self) -> None:
        self._records: list[NodeRecord] = []

    def since(self, number: int) -> list[NodeRecord]:
        """Return the records from this number on, oldest first."""
        return self._records[number:]

    def keeper(self, folder: Path) -> Callable[[NodeRecord], None]:
        """Return what keeps a node's records in its folder, from now on."""

        def keep(record: NodeRecord) -> None:
            with (folder / FILE).open("a") as file:
                file.write(json.dumps(_fields(record)) + "\n")
            self._records.append(record)

        return keep

    def load(self, folder: Path) -> None:
        """Read what a node has kept before it was started again."""
        path = folder / FILE
        if not path.exists():
            return
        for line in path.read_text().splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # killed in the middle of it
            fields = json.loads(line)
            fields["verdicts"] = tuple(Verdict(**verdict) for verdict in fields["verdicts"])
            self._records.append(NodeRecord(**fields))


def _fields(record: NodeRecord) -> dict[str, Any]:
    """Return what ``dataclasses.asdict`` does, of which the copies take as long as all else that a record takes: there
    are as many verdicts as updates and screens."""
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    names = [field.name for field in dataclasses.fields(Verdict)]
    verdicts = [{name: getattr(verdict, name) for name in names} for verdict in record.verdicts]
    return {**fields, "verdicts": verdicts}

"""In which rounds an account has something to get back, written down on its disk: a bond, or what its moves cost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.acting import CourtAct, CourtSight
from rayfed.protocol.court_policy import dues, is_over
from rayfed.protocol.messages import View


class Interests:
    """Entries that an account has put a bond down for, or moved for. Once a round is settled its slot goes to another
    one, and nobody reminds of what is still to be had.

    Args:
        path: the file; what is damaged there counts as nothing.
        ledger: what is read.
        me: the account.
        tell: told in a line that it cannot be written: then it is known as long as this process lives.
    """

    def __init__(self, path: Path, ledger: CourtSight, me: Address, tell: Callable[[str], None]) -> None:
        self._path = path
        self._ledger = ledger
        self._me = me
        self._tell = tell
        self._is_written = True
        self._roots: dict[int, Root] = _read(path)
        self._numbers: dict[int, int] = {}

    def note(self, round: int, root: Root) -> None:
        """Remember that the account stands up for a root of a round."""
        if self._roots.get(round) != root:
            self._roots[round] = root
            self._write()

    def acts(self, view: View) -> Iterator[CourtAct]:
        """Yield what is due, and forget the rounds of which nothing will be any more.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        if not self._is_written:
            self._write()
        for round, root in list(self._roots.items()):
            number, slot = self._ledger.number_of(round, root), self._ledger.round_of(round)
            if number is None:
                # Of all entries the first one's root alone is not kept when the round's slot is another's.
                number = self._numbers.get(round, 0 if slot is None and round < view.round else None)
            due = [] if number is None else list(dues(self._ledger, round, number, view, self._me))
            if number is not None:
                self._numbers[round] = number
            yield from due
            is_open = slot is not None and slot.status.is_unsettled
            if not due and not is_open and is_over(self._ledger, round, view):
                del self._roots[round]
                self._write()

    def _write(self) -> None:
        aside = self._path.with_suffix(".new")
        try:
            aside.write_text(json.dumps({str(round): root.hex() for round, root in self._roots.items()}))
            os.replace(aside, self._path)
        except OSError as error:
            if self._is_written:
                what = "what it has to get back from court is in memory alone, and forgotten if this process ends"
                self._tell(f"cluster.state_dir: cannot write {self._path}: {error.strerror}; {what}")
            self._is_written = False
        else:
            self._is_written = True


def _read(path: Path) -> dict[int, Root]:
    try:
        return {int(round): bytes.fromhex(root) for round, root in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}

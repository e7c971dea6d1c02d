"""How a case ends that anybody can end. Pure."""

from __future__ import annotations

from rayfed.protocol.commands import CloseCase, Conclude, Expire, Forfeit
from rayfed.protocol.judgement import Case, Kind, Record, State

Ending = CloseCase | Conclude | Expire | Forfeit


def ending(case: Case, record: Record | None, time: int) -> Ending | None:
    """Return what ends a case now; None if it is over, or goes on.

    A case that nobody ends keeps its round, and all after it, from being settled.

    Args:
        record: of its round; None if that is not there any more.
        time: the chain's, in seconds since the epoch.
    """
    if case.state is not State.OPEN or record is None:
        return None
    if record.undone:
        return CloseCase(case.id)
    if case.kind is Kind.CHALLENGE and case.merged_proven and case.proven.bit_count() == case.inputs:
        return Conclude(case.id)
    if time <= case.deadline:
        return None
    return Expire(case.id) if case.kind is Kind.CHALLENGE else Forfeit(case.id)

"""Who meets whom in a tournament, and what came of it (docs/protocol.md, section 6): the contract's ``Bracket``.

A *survivor at level l of block b* is who is left of the entries ``b * 2**l`` and following, ``2**l`` of them, after
``l`` stages: an entry's number + 1, or NOBODY. All of it follows from what was shown and the time.
"""

from __future__ import annotations

from rayfed.ledger.memory.slots import DocketSlot, MatchSlot
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol.court import Fate, MatchState

NOBODY = 0


def start_of(s: Storage, docket: DocketSlot, stage: int) -> int:
    """Return when a stage starts: its moves are taken after that second."""
    return docket.start + stage * s.terms.stage_seconds


def stages(count: int) -> int:
    """Return how many stages so many entries take."""
    return max(0, count - 1).bit_length()


def begun(s: Storage, docket: DocketSlot) -> bool:
    """Return whether the entries are all there and stage 0 has begun. Before that nothing of the bracket counts."""
    return docket.count > 1 and docket.start != 0 and s.now > docket.start


def outcome(s: Storage, m: MatchSlot) -> tuple[bool, int]:
    """Return whether a match that somebody has moved in has ended, and who won it."""
    if m.state is MatchState.DECIDED:
        return True, m.winner
    if m.state is MatchState.PROVING:
        return s.now > m.since + s.terms.proof_seconds, NOBODY
    end_i, end_j = m.since + m.clock_i, m.since + m.clock_j
    if m.shown == 1:
        return s.now > end_j, m.i + 1
    if m.shown == 2:
        return s.now > end_i, m.j + 1
    if end_i == end_j:
        return s.now > end_i, NOBODY
    if end_i < end_j:
        return s.now > end_i, m.j + 1
    return s.now > end_j, m.i + 1


def survivor(s: Storage, round: int, docket: DocketSlot, level: int, block: int) -> tuple[bool, int]:
    """Return whether it is decided who survives, and who."""
    if block << level >= docket.count:
        return True, NOBODY
    if not level:
        return True, block + 1
    m = s.matches.get((round, level - 1, block))
    if m is not None:
        ended, who = outcome(s, m)
        return ended, who if ended else NOBODY
    ended, who = survivor(s, round, docket, level - 1, 2 * block)
    if not ended:
        return False, NOBODY
    ended, other = survivor(s, round, docket, level - 1, 2 * block + 1)
    if not ended:
        return False, NOBODY
    if who == NOBODY:
        return True, other
    if other == NOBODY:
        return True, who
    # Nobody has moved: both clocks run out together.
    return s.now > start_of(s, docket, level - 1) + s.terms.clock_seconds, NOBODY


def fate(s: Storage, round: int, docket: DocketSlot, number: int) -> tuple[Fate, int]:
    """Return how an entry stands; if it has lost, in which stage."""
    if docket.fallen:
        return Fate.FALLEN, 0
    last = stages(docket.count)
    for stage in range(last):
        ended, who = survivor(s, round, docket, stage + 1, number >> (stage + 1))
        if not ended:
            return Fate.PENDING, stage
        if who != number + 1:
            return Fate.LOST, stage
    return Fate.WON, last

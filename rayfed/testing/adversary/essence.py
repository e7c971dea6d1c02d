"""What of a state can still matter, under names that do not tell how it came about: what a search compares.

Two states that agree in this have the same future, move by move. Left out is what nobody reads any more (what was said
in a phase that is counted, rounds that are settled and that nothing unsettled rests on, times that are over), what
follows from the rest (hashes shown in a match), and amounts that decide nothing (rewards, the pool, what is burned).
Roots go by what they are: *the update of member 2 in round 1*, *the right merge of round 1*, *a base*. So a second
round begins only from what it can see of the first one. ``tests/unit/testing/test_essence.py`` checks this state by
state.

Only for games in which the chain does not go back any more: else what is over may come again (``looks``).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Root, bits
from rayfed.ledger.memory import bracket, phases, seats
from rayfed.ledger.memory.slots import DocketSlot, Head, RoundSlot, SeatSlot, StandingPhase
from rayfed.ledger.memory.storage import Storage
from rayfed.protocol import court_policy
from rayfed.protocol.commands import Vote
from rayfed.testing.adversary import blobs

if TYPE_CHECKING:
    from rayfed.testing.adversary.honest import Honest
    from rayfed.testing.adversary.second import SecondEdition

Names = dict[Root, Hashable]

TWISTS = range(3)
"""How wrong merges are that are tried (``repertoire``); 0: the right one."""


def of_game(game: SecondEdition) -> Hashable:
    """Return what of a state can still matter, as something to compare."""
    s = game.chain.storage
    held = [slot for number in s.terms.slots(s.round) if (slot := s.held(number)) is not None]
    open_ones = [slot for slot in held if slot.in_use]
    origin_round, origin, _ = phases.origin(s)
    bases = ({slot.base_round for slot in open_ones} | {origin_round}) - {0, *(slot.round for slot in open_ones)}
    settled = [slot for slot in held if slot.round in bases]
    names = _names(s, open_ones, settled)
    return (
        (s.round, s.standing, s.finals, s.voids, s.unsettled, s.active, origin_round, names.get(origin, origin)),
        _until_the_limit(s),
        max(0, s.deadline - s.now) if s.standing is StandingPhase.FORMING else 0,
        tuple(_slot(s, slot, names) for slot in open_ones),
        tuple(_court(s, slot.round, names) for slot in open_ones),
        _dues(game, open_ones),
        _members(game),
        frozenset(s.holders.items()),
        frozenset((index, streak) for index, streak in s.streaks.items() if streak),
        (game.entered, game.turned, game.quiet),
        tuple(_knows(game, one, open_ones, settled, names) for one in game.honest),
    )


# -- names ------------------------------------------------------------------


def _names(s: Storage, open_ones: list[RoundSlot], settled: list[RoundSlot]) -> Names:
    """Name every root that can be compared with another."""
    names: Names = {s.terms.genesis: "genesis"}
    for slot in settled:  # what it is matters no more, but who has merged another
        names[s.root_of(slot.round, slot.final_entry)] = ("base", slot.round)
    for slot in open_ones:
        for index, root in slot.roots.items():
            names.setdefault(root, ("update", slot.round, index))
        evidence = s.evidence.get(slot.round)
        if evidence is not None and all(root in blobs.UPDATES for root in evidence.roots):
            for twist in TWISTS:
                merged = blobs.merge(s.terms, slot.round, evidence.roots, twist).root
                names.setdefault(merged, ("merge", slot.round, twist))
        for number in range(2):
            names.setdefault(blobs.rubbish(slot.round, number), ("nothing", slot.round, number))
    return names


# -- the ledger ------------------------------------------------------------------


def _until_the_limit(s: Storage) -> int | None:
    """Return the seconds left until a limit in time ends the federation; None: so many that nothing else waits so
    long."""
    left = s.since + s.terms.limit_seconds - s.now
    return None if 2 * left > s.terms.limit_seconds else max(0, left)


def _slot(s: Storage, slot: RoundSlot, names: Names) -> Hashable:
    late = s.terms.window_seconds + 1 if slot.head > Head.ATTEST else 0
    said: list[Hashable] = [slot.abstained]
    if slot.head <= Head.VOTE:
        said += [frozenset((i, names[root]) for i, root in slot.roots.items()), slot.committed]
        said += [frozenset(slot.accepts.items()), frozenset(slot.misses.items())]
    else:
        said += [tuple(names[slot.roots[i]] for i in bits(slot.included))]
        said += [slot.committed, slot.voted, slot.excused] if slot.head is Head.ATTEST else []
    return (
        (slot.round, slot.head, max(-late, slot.deadline - s.now), slot.roster, slot.awaited, slot.finals_before),
        (slot.base_round, names.get(slot.base, slot.base), slot.included),
        (names.get(slot.first, slot.first), slot.agreed, slot.dissenters, slot.final_entry),
        tuple(said) if slot.head <= Head.ATTEST else said[1],
    )


def _court(s: Storage, round: int, names: Names) -> Hashable:
    docket = s.dockets.get(round)
    if docket is None:
        return None
    entries = []
    for number in range(1, docket.count):
        entry = s.entries[round, number]
        entries.append((names.get(entry.root, entry.root), entry.attesters, entry.entrant, entry.collected))
    over = bracket.stages(docket.count) * s.terms.stage_seconds + 1
    start = max(-over, docket.start - s.now) if docket.start else 0
    known = (docket.start != 0, start, docket.count, docket.cursor, docket.fallen, docket.first_punished)
    return known, tuple(entries), tuple(_matches(s, round, docket))


def _matches(s: Storage, round: int, docket: DocketSlot) -> Iterator[Hashable]:
    if not bracket.begun(s, docket) or docket.fallen:
        return
    for stage in range(bracket.stages(docket.count)):
        for block in range(1 + (docket.count - 1 >> stage + 1)):
            ended, who = bracket.survivor(s, round, docket, stage + 1, block)
            match = s.matches.get((round, stage, block))
            if ended:
                yield who
            elif match is not None:
                yield (
                    (match.i, match.j, match.since - s.now, match.clock_i, match.clock_j),
                    (match.first, match.count, match.shown, match.state, match.proven),
                )
            else:
                yield None


def _dues(game: SecondEdition, open_ones: list[RoundSlot]) -> Hashable:
    """Return what honest members still have to ask for in rounds that are over."""
    chain, view = game.chain, game.chain.view()
    found: set[Hashable] = set()
    for round in set(chain.storage.dockets) - {slot.round for slot in open_ones}:
        evidence = chain.merge_evidence(round)
        for index, one in enumerate(game.honest):
            own = one.merges.get(evidence.context) if evidence is not None else None
            number = chain.number_of(round, own) if own is not None else None
            if number is not None:
                due = court_policy.dues(chain, round, number, view, one.address)
                found |= {(index, round, repr(act.command)) for act in due}
    return frozenset(found)


# -- members ------------------------------------------------------------------


def _members(game: SecondEdition) -> Hashable:
    s, scope = game.chain.storage, game.scope
    told: list[Hashable] = []
    for who in scope.everybody:
        account, word = s.accounts[who], s.seats.get(who, SeatSlot())
        told.append((account.stake, account.bonds, word.seat))
        if scope.rich or who not in scope.crooks:
            told.append((word.streak, word.drops, max(0, seats.paused_until(s, word) - s.now)))
    return tuple(told)


def _knows(
    game: SecondEdition, one: Honest, open_ones: list[RoundSlot], settled: list[RoundSlot], names: Names
) -> Hashable:
    chain = game.chain
    votes = {place[1]: vote.misses for place, vote in one.journal.items() if isinstance(vote, Vote)}
    told: list[Hashable] = [names.get(one.model)]
    for slot in open_ones:
        asked = [*bits(slot.included)] if slot.head > Head.VOTE else [*slot.roots]
        has = frozenset(i for i in asked if slot.roots[i] in one.has)
        own = one.merges.get(slot.context)
        missed = votes.get(slot.round, 0)
        told.append((has, own and names.get(own, own), missed, slot.round in one.took_part))
    for slot in settled:
        evidence = chain.merge_evidence(slot.round)
        own = one.merges.get(slot.context)
        has_all = evidence is not None and one.has.issuperset(evidence.roots)
        told.append((own and names.get(own, "another"), has_all, slot.round in one.took_part))
    return tuple(told)

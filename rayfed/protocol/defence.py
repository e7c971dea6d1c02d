"""Moving for an entry in its matches: the half of ``court_policy`` that needs the party's own merge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rayfed.encoding import differences, merkle
from rayfed.encoding.primitives import NO_ROOT
from rayfed.protocol.acting import CourtAct, CourtSight, OwnMerge, stage_of
from rayfed.protocol.commands import Command, Prove, Resolve, Show, ShowLeaf
from rayfed.protocol.court import LEFT, RIGHT, InputProof, Match, MatchState, Point, Shown, Tournament
from rayfed.protocol.messages import Round, Terms, View

PROOFS_AT_ONCE = 8
"""Inputs proved in one transaction: about a million units of gas, most of it for their bytes."""

RESOLVED_LEVEL = 9
"""Blocks of 2^9 entries are worked out by calls of their own before a move that would have to look through more."""

MEAN = 1
"""The rule's number in the terms; the only one that asks for weights."""


class Defence:
    """An entry's moves in one round's tournament.

    Args:
        ledger: what is read.
        round: the round.
        tournament: its tournament, which has begun.
        number: of the entry.
        own: what it stands for.
        view: as of now.
    """

    def __init__(
        self, ledger: CourtSight, round: Round, tournament: Tournament, number: int, own: OwnMerge, view: View
    ) -> None:
        self._ledger = ledger
        self._round = round
        self._tournament = tournament
        self._number = number
        self._own = own
        self._view = view
        self._terms = ledger.terms()

    def moves(self) -> Iterator[CourtAct]:
        """Yield what the entry's match of this stage needs now."""
        ledger, round, number = self._ledger, self._round.round, self._number
        stage = stage_of(self._tournament, self._terms, self._view)
        if stage >= self._tournament.stages or ledger.survivor(round, stage, number >> stage) != (True, number):
            return  # all is over, or it has lost
        decided, other = ledger.survivor(round, stage, (number >> stage) ^ 1)
        if not decided or other is None:
            return  # it passes
        match = ledger.match(round, stage, number >> (stage + 1))
        if match is None:
            yield from self._resolve(stage, (number >> stage) ^ 1)
            match = self._unmoved(stage, *sorted((number, other)))
            if self._view.time > match.since + match.clock_i:
                return  # nobody has moved in time: both have lost
        if match.state is MatchState.DESCENT:
            yield from self._show(match, LEFT if match.point.i == number else RIGHT)
        elif match.state is MatchState.PROVING:
            yield from self._prove(match)

    def _begins(self, stage: int) -> int:
        return self._tournament.start + stage * self._terms.stage_seconds

    def _unmoved(self, stage: int, i: int, j: int) -> Match:
        terms = self._terms
        point = Point(self._round.round, stage, i, j, 0, merkle.leaves(terms.values))
        clock = terms.clock_seconds
        return Match(MatchState.DESCENT, point, self._begins(stage), clock, clock, 0, NO_ROOT, NO_ROOT)

    def _resolve(self, stage: int, block: int) -> Iterator[CourtAct]:
        """Whom the other block has left is worked out by the first move: part by part, where that is more than fits."""
        below = stage - RESOLVED_LEVEL
        if below <= 0:
            return
        for part in range(block << below, (block + 1) << below):
            if part << RESOLVED_LEVEL >= self._tournament.entries:
                return
            if self._ledger.match(self._round.round, RESOLVED_LEVEL - 1, part) is None:
                yield self._urgent(Resolve(self._round.round, RESOLVED_LEVEL, part), self._begins(stage))

    def _show(self, match: Match, mine: int) -> Iterator[CourtAct]:
        """Show the own side, with the other's if that has shown first."""
        if match.shown & mine:
            return  # it is for the other side
        point, nothing = match.point, Shown()
        other = self._ledger.shown(point) if match.shown else nothing
        if match.shown and other == nothing:
            return  # the ledger's node has not got so far
        command: Command
        if point.count > 1:
            parts = self._own.parts(point.first, point.count)
            command = Show(point, parts, other.parts_j) if mine == LEFT else Show(point, other.parts_i, parts)
        else:
            leaf = self._own.leaf(point.first)
            command = ShowLeaf(point, leaf, other.leaf_j) if mine == LEFT else ShowLeaf(point, other.leaf_i, leaf)
        clock = match.clock_i if mine == LEFT else match.clock_j
        by = match.since + max(0, clock - self._terms.clock_seconds // 2)
        yield self._urgent(command, match.since, by, self._what(match))

    def _what(self, match: Match) -> str:
        """Return what there is to tell of a move: that the match has begun."""
        point = match.point
        if point.first or point.count != merkle.leaves(self._terms.values):
            return ""
        return (
            f"round {point.round}, stage {point.stage}: entry {self._number} is defended ({point.i} against {point.j})"
        )

    def _prove(self, match: Match) -> Iterator[CourtAct]:
        evidence = self._ledger.merge_evidence(self._round.round)
        if evidence is None or evidence.context != self._round.context:
            return  # the chain has just gone back
        left = [which for which in range(len(evidence.roots)) if not match.proven >> which & 1]
        inputs = proofs(self._own, self._terms, match, left[:PROOFS_AT_ONCE], len(evidence.roots))
        command = Prove(match.point, evidence.voting, evidence.roots, inputs)
        yield self._urgent(command, match.since, match.since + self._terms.proof_seconds // 2)

    def _urgent(self, command: Command, since: int, by: int = 0, line: str = "") -> CourtAct:
        by = by or since + self._terms.clock_seconds // 2
        return CourtAct(command, self._round.round, since, by, line=line, root=self._own.root)


def proofs(own: OwnMerge, terms: Terms, match: Match, which: Sequence[int], included: int) -> list[InputProof]:
    """Return the proofs of inputs for the value in dispute.

    Args:
        own: has them.
        terms: say how updates are encoded.
        match: stands at a leaf.
        which: positions among the included updates.
        included: how many of them there are; the base, where updates are differences from it, is the one behind.

    Raises:
        StoreError: the disk has lost one of them.
    """
    leaf, weighted = match.point.first, terms.rule == MEAN
    if terms.bits == 32:
        return own.inputs(which, leaf, weighted=weighted)
    place, _ = differences.place(merkle.position(leaf, match.coordinate), terms.bits)
    return [*own.inputs([included], leaf, weighted=False), *own.inputs(which, place, weighted=weighted)]

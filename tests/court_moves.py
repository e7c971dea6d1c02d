"""What can be said in court by who has all updates of a round: right and wrong merges, and moves for both sides."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root
from rayfed.ledger.memory.chain import MemoryChain
from rayfed.protocol import commands
from rayfed.protocol.commands import Command
from rayfed.protocol.court import MatchState, Point, Tournament
from rayfed.protocol.messages import Round
from tests import trials
from tests.trials import Blob


class CourtMoves:
    """Knows every update and every merge that was made up.

    Args:
        chain: as things stand.
        dice: makes the choices.
    """

    def __init__(self, chain: MemoryChain, dice: random.Random) -> None:
        self.chain = chain
        self.random = dice
        self._updates: dict[Root, Blob] = {}
        self._merges: dict[tuple[int, bytes], list[Blob]] = {}
        genesis = trials.genesis(chain.terms())
        self._models = {genesis.root: genesis}

    def update(self, round: int, index: int, variant: int) -> Blob:
        """Return an update; known from now on."""
        made = trials.update(self.chain.terms(), round, index, variant)
        self._updates[made.root] = made
        return made

    def merges(self, round: int) -> list[Blob]:
        """Return the right merge of a round and some wrong ones; nothing where the updates are not known."""
        evidence, terms = self.chain.merge_evidence(round), self.chain.terms()
        if evidence is None or any(root not in self._updates for root in evidence.roots):
            return []
        base = self._models.get(evidence.base)
        if base is None and terms.bits != 32:
            return []
        key = (round, evidence.context)
        if key not in self._merges:
            updates = tuple(self._updates[root] for root in evidence.roots)
            right = trials.merge(terms, round, updates, base if terms.bits != 32 else None)
            last = terms.values - 1
            wrong = [right.with_value(last, right.value(last) ^ 1), right.with_value(0, right.value(0) ^ 3)]
            if terms.values % 128:
                wrong.append(right.with_value(terms.values, 5))  # padding
            wrong.append(right.with_bytes(77, b"\1"))  # header
            self._merges[key] = [right, *wrong]
            self._models |= {model.root: model for model in self._merges[key]}
        return self._merges[key]

    def times(self) -> list[int]:
        """Return moments at, or just after, which something in court is over."""
        times, terms = [], self.chain.terms()
        for held in self._unsettled():
            times += [held.deadline, held.deadline + terms.window_seconds, held.deadline + terms.window_seconds + 1]
            tournament = self.chain.tournament(held.round)
            if tournament is None or not tournament.start:
                continue
            for stage in range(tournament.stages + 1):
                start = tournament.start + stage * terms.stage_seconds
                times += [start, start + 1, start + 2, start + terms.clock_seconds + 1]
                match = self.chain.match(held.round, stage, 0)
                if match is not None:
                    times += [match.since + match.clock_i, match.since + match.clock_j + 1]
                    times += [match.since + terms.proof_seconds, match.since + terms.proof_seconds + 1]
        return times

    def disputes(self) -> list[int]:
        """Return the unsettled rounds that have a tournament."""
        return [held.round for held in self._unsettled() if self.chain.tournament(held.round) is not None]

    def is_playing(self, round: int) -> bool:
        """Return whether a round's tournament is at its best."""
        tournament, terms = self.chain.tournament(round), self.chain.terms()
        if tournament is None or not self._begun(tournament) or not terms.rule:
            return False
        return self.chain.clock.now <= tournament.start + tournament.stages * terms.stage_seconds

    def move(self, accounts: Sequence[Address]) -> Command | None:
        """Return something that may be said in court now, or None where there is nothing to judge."""
        unsettled = self._unsettled()
        if not unsettled:
            return None
        held, dice = self.random.choice(unsettled), self.random
        tournament = self.chain.tournament(held.round)
        settle = commands.Settle(held.round, dice.choice((0, 1, 2, 256)))
        merges = self.merges(held.round)
        if tournament is None or (not self._begun(tournament) and dice.random() < 0.5):
            root = dice.choice(merges).root if merges and dice.random() < 0.9 else dice.randbytes(32)
            return dice.choice((settle, commands.EnterRoot(held.round, held.context, root)))
        if dice.random() < 0.7 and (move := self._played(held, tournament, merges)) is not None:
            return self._spoiled(move) if dice.random() < 0.12 else move
        number = dice.randrange(tournament.entries)
        level = dice.randint(0, tournament.stages)
        return dice.choice(
            (
                settle,
                settle,
                commands.Undo(held.round),
                commands.Collect(held.round, number),
                commands.Resolve(held.round, level, dice.randrange(1 + (tournament.entries >> level))),
                commands.Reimburse(held.round, level, 0, dice.choice(accounts)),
            )
        )

    def nonsense(self, round: int) -> Command:
        """Return a move that is mostly wrong."""
        dice, leaves = self.random, merkle.leaves(self.chain.terms().values)
        point = Point(
            round,
            dice.choice((0, 0, 1, 3)),
            dice.choice((0, 1, 2)),
            dice.choice((1, 2, 3)),
            dice.choice((0, 1)),
            leaves,
        )
        word = dice.randbytes(32)
        return dice.choice(
            (
                commands.Show(point, (word,), ()),
                commands.ShowLeaf(point, dice.randbytes(dice.choice((1, 512)))),
                commands.Prove(point, word, (word,), ()),
            )
        )

    # -- parts ------------------------------------------------------------------

    def _unsettled(self) -> list[Round]:
        view = self.chain.view()
        rounds = (self.chain.round_of(number) for number in self.chain.terms().slots(view.round))
        return [held for held in rounds if held is not None and held.status.is_unsettled]

    def _begun(self, tournament: Tournament) -> bool:
        return tournament.start != 0 and self.chain.clock.now > tournament.start

    def _played(self, held: Round, tournament: Tournament, merges: list[Blob]) -> Command | None:
        """Return a move in a match that can be played now, of which both sides are there."""
        dice, by_root = self.random, {blob.root: blob for blob in merges}
        points = self._points(held.round, tournament)
        if not points:
            return None
        point = dice.choice(points)
        match = self.chain.match(held.round, point.stage, point.block)
        if dice.random() < 0.03:
            point = Point(held.round, point.stage, point.i, point.j, dice.randint(0, 2), dice.choice((1, 2)))
        if match is not None and match.state is MatchState.PROVING:
            return self._proved(held, point)
        entries = [self.chain.entry(held.round, number) for number in (point.i, point.j)]
        blobs = [by_root.get(entry.root) if entry is not None else None for entry in entries]
        throw = dice.random()
        if throw < 0.15:
            blobs[0] = None
        elif throw < 0.3:
            blobs[1] = None
        if point.count == 1:
            leaf = [b"" if blob is None else blob.leaf(point.first) for blob in blobs]
            return commands.ShowLeaf(point, *leaf)
        parts = [() if blob is None else blob.parts(point.first, point.count) for blob in blobs]
        return commands.Show(point, *parts)

    def _spoiled(self, move: Command) -> Command:
        """Return a move with something wrong in it."""
        dice = self.random
        if isinstance(move, commands.Show):
            swapped = replace(move, parts_i=move.parts_j, parts_j=move.parts_i)
            leaf = commands.ShowLeaf(move.point, dice.randbytes(512))
            return dice.choice((swapped, replace(move, parts_i=[*move.parts_i, bytes(32)]), leaf))
        if isinstance(move, commands.ShowLeaf):
            swapped_leaf = replace(move, leaf_i=move.leaf_j, leaf_j=move.leaf_i)
            proof = commands.Prove(move.point, bytes(32), (), ())
            short = replace(move, leaf_i=b"short")
            return dice.choice((swapped_leaf, short, proof, commands.Show(move.point, (bytes(32),))))
        if isinstance(move, commands.Prove) and move.inputs:
            first, *others = move.inputs
            cut = replace(first, leaf=first.leaf[1:])
            moved = replace(first, which=(first.which + 1) % len(move.roots))
            beyond = replace(first, which=len(move.roots) + dice.randrange(2))
            bare = replace(first, header_path=(), header=bytes(512))
            return replace(move, inputs=[dice.choice((cut, moved, beyond, bare)), *others])
        return move

    def _points(self, round: int, tournament: Tournament) -> list[Point]:
        """Return where the matches stand that can be played."""
        points: list[Point] = []
        for stage in range(tournament.stages):
            if self.chain.clock.now <= tournament.start + stage * self.chain.terms().stage_seconds:
                break
            for block in range(1 + (tournament.entries >> (stage + 1))):
                match = self.chain.match(round, stage, block)
                if match is not None:
                    points += [match.point] if match.state is not MatchState.DECIDED else []
                    continue
                ended, i = self.chain.survivor(round, stage, 2 * block)
                other, j = self.chain.survivor(round, stage, 2 * block + 1)
                if ended and other and i is not None and j is not None:
                    points.append(Point(round, stage, i, j, 0, merkle.leaves(self._values)))
        return points

    @property
    def _values(self) -> int:
        return self.chain.terms().values

    def _proved(self, held: Round, point: Point) -> Command | None:
        evidence, dice = self.chain.merge_evidence(held.round), self.random
        if evidence is None or any(root not in self._updates for root in evidence.roots):
            return None
        point = replace(point, first=min(point.first, merkle.leaves(self._values) - 1))
        some = [k for k in range(len(evidence.roots)) if dice.random() < 0.6]
        terms, match = self.chain.terms(), self.chain.match(held.round, point.stage, point.block)
        with_header = terms.rule == 1 or dice.random() < 0.1
        updates, base = [self._updates[root] for root in evidence.roots], self._models.get(evidence.base)
        if match is None or not point.first or (base is None and terms.bits != 32):
            return None
        position = min(merkle.position(point.first, match.coordinate), terms.values - 1)
        proofs = trials.proofs(terms, updates, some, base or updates[0], position, with_header)
        voting = evidence.voting if dice.random() < 0.97 else bytes(32)
        return commands.Prove(point, voting, evidence.roots, proofs)

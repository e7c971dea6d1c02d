"""What dishonest members of the second edition may try, whatever it is good for; the ledger refuses the rest.

Bounded: an update reaches all honest members, one, just enough to be included, or none; a ballot is one of a few; a
root is the right one, one of two wrong ones that are blobs and can be defended, or nothing's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Address, Root, bits
from rayfed.protocol.commands import (
    Advance,
    Attest,
    Collect,
    Command,
    Commit,
    EnterRoot,
    Join,
    Leave,
    Prove,
    Release,
    Resolve,
    Settle,
    Show,
    ShowLeaf,
    Statement,
    Undo,
    Vote,
)
from rayfed.protocol.court import MatchState, Point
from rayfed.protocol.messages import Phase, Round, Status, View
from rayfed.testing.adversary import blobs
from rayfed.testing.adversary.blobs import Trunk
from rayfed.testing.adversary.game import Move
from rayfed.testing.adversary.scope import THIEF

if TYPE_CHECKING:
    from rayfed.testing.adversary.second import SecondEdition


@dataclass(frozen=True, slots=True)
class Say:
    """Somebody says something; of a commit, ``readers`` are the honest who are given the update."""

    sender: Address
    command: Command
    readers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Together:
    """Several say something, one after the other."""

    said: tuple[Say, ...]


@dataclass(frozen=True, slots=True)
class Serve:
    """An update that was withheld is given to all honest members after all."""

    root: Root


@dataclass(frozen=True, slots=True)
class Turn:
    """The chain goes back to where this phase began, or the one before (2); its time does not."""

    phases: int


@dataclass(frozen=True, slots=True)
class Again:
    """What an honest member has said on another branch is posted here, as resting on what this branch has."""

    index: int
    statement: Statement
    context: bytes


def repertoire(game: SecondEdition) -> Iterator[Move]:
    """Yield the moves that may be tried now."""
    view = game.chain.view()
    yield from _rounds(game, view)
    yield from _late(game, view)
    yield from _court(game, view)
    yield from _anybody(game, view)
    if game.scope.turns_back > game.turned:
        yield Move("the chain goes back to where the phase began", Turn(1))
        yield Move("the chain goes back to where the phase before began", Turn(2))
    if game.turned:
        for index, statement in sorted(game.heard, key=repr):
            if statement.round == view.round:
                yield Move(f"again what {index} said: {statement.verb}", Again(index, statement, view.context))


# -- rounds ------------------------------------------------------------------


def _rounds(game: SecondEdition, view: View) -> Iterator[Move]:
    waiting = [who for who in game.scope.crooks if _is_awaited(view, who)]
    # In the order of their indices, for it is all the same who speaks first.
    for who in waiting if game.scope.rich else waiting[:1]:
        for what, command, readers in _statements(game, view, who):
            yield Move(f"{_name(game, who)} {what}", Say(who, command, readers))
    if game.scope.rich and len(waiting) > 1:
        each = [[Say(who, said, readers) for _, said, readers in _statements(game, view, who)] for who in waiting]
        kinds = [what for what, *_ in _statements(game, view, waiting[0])]
        for what, together in zip(kinds, zip(*each, strict=True), strict=True):
            yield Move(f"all of the dishonest: {what}", Together(together))


def _is_awaited(view: View, who: Address) -> bool:
    index = view.index_of(who)
    return index is not None and bool((view.roster & ~view.spoken) >> index & 1) and view.time < view.deadline


def _statements(game: SecondEdition, view: View, who: Address) -> Iterator[tuple[str, Command, tuple[int, ...]]]:
    scope, context = game.scope, view.context
    if view.phase is Phase.COMMIT:
        root = blobs.update(game.chain.terms(), view.round, view.base, int(who, 16) - 1).root
        enough = max(0, scope.members // 2 + 1 - scope.dishonest)
        for some in sorted({0, 1, min(enough, scope.honest), scope.honest}):
            yield (
                f"commits, and gives it to {some} of the honest",
                Commit(view.round, context, root),
                tuple(range(some)),
            )
        yield "abstains", Commit(view.round, context), ()
        if scope.rich:
            yield (
                "commits to what another did",
                Commit(view.round, context, next(iter(filter(any, view.roots)), root)),
                (),
            )
    elif view.phase is Phase.VOTE:
        own = sum(1 << i for i in bits(view.committed) if view.members[i] in game.scope.crooks)
        others = view.committed & ~own
        yield "accepts all", Vote(view.round, context, view.committed), ()
        yield "accepts what is the dishonest's, and misses the rest", Vote(view.round, context, own, others), ()
        yield "accepts nothing", Vote(view.round, context, 0), ()
        if scope.rich:
            yield "accepts what is the honest's", Vote(view.round, context, others, own), ()
            yield "misses all", Vote(view.round, context, 0, view.committed), ()
    else:
        for what, root in _roots(game, view.round):
            yield f"attests {what}", Attest(view.round, context, root), ()


def _roots(game: SecondEdition, round: int) -> Iterator[tuple[str, Root]]:
    """Yield the roots that may be attested, or entered."""
    for what, trunk in _trunks(game, round):
        yield what, trunk.root
    yield "nothing's root", blobs.rubbish(round, 0)
    if game.scope.rich:
        yield "another of nothing", blobs.rubbish(round, 1)


def _trunks(game: SecondEdition, round: int) -> Iterator[tuple[str, Trunk]]:
    """Yield the merges that can be defended."""
    evidence = game.chain.merge_evidence(round)
    if evidence is None or any(root not in blobs.UPDATES for root in evidence.roots):
        return
    for twist, what in ((0, "the right root"), (1, "a wrong root"), (2, "another wrong root")):
        yield what, blobs.merge(game.chain.terms(), round, evidence.roots, twist)


def _late(game: SecondEdition, view: View) -> Iterator[Move]:
    """Attestations of a round that is final already, and updates that are given after all."""
    last = view.previous
    if last is not None and last.status is Status.FINAL and view.time < last.deadline:
        for who in game.scope.crooks:
            index = view.index_of(who)
            if index is not None and (last.roster & ~last.attested) >> index & 1:
                for what, root in _roots(game, last.round):
                    said = Attest(last.round, last.context, root)
                    yield Move(f"{_name(game, who)} attests {what} of round {last.round}, late", Say(who, said))
    held = last if last is not None and last.status.is_unsettled else None
    now = game.chain.round_of(view.round) if view.phase is Phase.ATTEST else None
    for round in (held, now):
        evidence = game.chain.merge_evidence(round.round) if round is not None else None
        if evidence is None:
            continue
        for index, root in zip(bits(evidence.included), evidence.roots, strict=True):
            if any(root not in one.has for one in game.honest):
                yield Move(f"update {index} of round {evidence.round} is given to all", Serve(root))


# -- court ------------------------------------------------------------------


def _court(game: SecondEdition, view: View) -> Iterator[Move]:
    for number in range(1, view.round + 1):
        held = game.chain.round_of(number)
        if held is None or not held.status.is_unsettled:
            continue
        if held.status is Status.FINAL and game.entered < game.scope.disputes:
            for what, root in _roots(game, number):
                said = EnterRoot(number, held.context, root)
                yield Move(f"the thief enters {what} in round {number}", Say(THIEF, said))
        yield from _matches(game, held)


def _matches(game: SecondEdition, held: Round) -> Iterator[Move]:
    chain, tournament = game.chain, game.chain.tournament(held.round)
    if tournament is None or not tournament.start or chain.clock.now <= tournament.start:
        return
    known = {trunk.root: trunk for _, trunk in _trunks(game, held.round)}
    for stage in range(tournament.stages):
        for block in range(1 + (tournament.entries >> (stage + 1))):
            match = chain.match(held.round, stage, block)
            if match is not None and match.state is MatchState.DECIDED:
                continue
            sides = [chain.survivor(held.round, stage, 2 * block + side) for side in (0, 1)]
            (ended_i, i), (ended_j, j) = sides
            if not (ended_i and ended_j) or i is None or j is None:
                continue
            point = match.point if match is not None else Point(held.round, stage, i, j, 0, merkle.leaves(blobs.VALUES))
            entries = [chain.entry(held.round, number) for number in (i, j)]
            trunks = [known.get(entry.root) if entry is not None else None for entry in entries]
            if match is not None and match.state is MatchState.PROVING:
                yield from _proofs(game, held, point, next((trunk for trunk in trunks if trunk is not None), None))
                continue
            for left, right in ((True, False), (False, True), (True, True)):
                shown = (trunks[0] if left else None, trunks[1] if right else None)
                if (left and shown[0] is None) or (right and shown[1] is None):
                    continue
                sides_shown = f"{'left' if left else ''}{' and ' if left and right else ''}{'right' if right else ''}"
                what = f"round {held.round}, {i} against {j}: the thief shows {sides_shown}"
                yield Move(f"{what} of {point.first}+{point.count}", Say(THIEF, _shown(point, *shown)))


def _shown(point: Point, left: Trunk | None, right: Trunk | None) -> Command:
    if point.count == 1:
        leaf_i, leaf_j = (b"" if side is None else side.leaf(point.first) for side in (left, right))
        return ShowLeaf(point, leaf_i, leaf_j)
    parts_i, parts_j = (() if side is None else side.parts(point.first, point.count) for side in (left, right))
    return Show(point, parts_i, parts_j)


def _proofs(game: SecondEdition, held: Round, point: Point, trunk: Trunk | None) -> Iterator[Move]:
    evidence = game.chain.merge_evidence(held.round)
    if evidence is None or trunk is None:
        return
    weighted = game.scope.rule == 1
    for which in ([0], list(range(len(evidence.roots)))):
        inputs = tuple(trunk.inputs(which, point.first, weighted=weighted))
        said = Prove(point, evidence.voting, evidence.roots, inputs)
        yield Move(f"round {held.round}: the thief proves {len(which)} inputs", Say(THIEF, said))


# -- what anybody may do ------------------------------------------------------------------


def _anybody(game: SecondEdition, view: View) -> Iterator[Move]:
    if view.due:
        yield Move("the thief takes the step", Say(THIEF, Advance()))
    for number in range(1, view.round + 1):
        held = game.chain.round_of(number)
        tournament = game.chain.tournament(number)
        if held is None or not held.status.is_unsettled or tournament is None:
            continue
        yield Move(f"the thief settles an entry of round {number}", Say(THIEF, Settle(number, 1)))
        yield Move(f"the thief keeps a result of round {number}", Say(THIEF, Resolve(number, 1, 0)))
        if game.scope.rich:
            for block in (1, 1 << 16, (number + 1) << 32):
                yield Move(f"the thief keeps block {block} of round {number}", Say(THIEF, Resolve(number, 1, block)))
            for entry in range(tournament.entries):
                yield Move(f"the thief collects entry {entry} of round {number}", Say(THIEF, Collect(number, entry)))
            yield Move(f"the thief undoes round {number}", Say(THIEF, Undo(number)))
    if game.scope.rich:
        for who in game.scope.crooks:
            yield Move(f"{_name(game, who)} leaves", Say(who, Leave()))
            yield Move(f"{_name(game, who)} joins", Say(who, Join(game.chain.terms().charter)))
        for index in range(len(view.members)):
            yield Move(f"seat {index} is released", Say(THIEF, Release(index)))


def _name(game: SecondEdition, who: Address) -> str:
    return f"dishonest {game.scope.everybody.index(who)}"

"""How a game goes on when the dishonest let it: the honest do all that they can; if that is nothing, time passes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import bits
from rayfed.errors import Rejected
from rayfed.protocol.commands import Commit, Vote
from rayfed.protocol.messages import Phase, Verb

if TYPE_CHECKING:
    from rayfed.testing.adversary.second import SecondEdition

PATIENCE = 400
"""Acts of an honest member at one time after which they are said never to stop."""


def go_on(game: SecondEdition) -> None:
    """Let the honest do all that they can; if that is nothing, let time pass to when something changes."""
    acted = not game.at_rest and _all_act(game)
    game.at_rest = acted
    if not acted:
        _pass(game)


def _all_act(game: SecondEdition) -> bool:
    """Let the honest act in turns until none has anything to do; return whether there was anything."""
    acted, idle = False, 0
    for index, one in islice(cycle(enumerate(game.honest)), PATIENCE * len(game.honest)):
        _give(game)
        commands = one.next(game.chain)
        for command in commands:
            try:
                game.chain.act(one.address, command)
            except Rejected as rejected:
                game.refused = f"honest member {index} is refused {command.verb}: {rejected.name}"
                return acted
            if isinstance(command, Commit):
                game.serve(command.root, tuple(range(game.scope.honest)))
            if game.scope.turns_back and command.verb in ("commit", "vote", "attest"):
                game.heard |= {(index, command)}  # type: ignore[arg-type]
            game.note()
        acted, idle = acted or bool(commands), 0 if commands else idle + 1
        if idle == len(game.honest):
            return acted
    game.refused = "the honest never come to rest"
    return True


def _give(game: SecondEdition) -> None:
    """Whoever has voted and does not miss an update gives it to the roster."""
    storage = game.chain.storage
    for one in game.honest:
        for (verb, round, context), vote in one.journal.items():
            held = storage.held(round) if verb is Verb.VOTE else None
            if held is None or not isinstance(vote, Vote) or held.context == context:
                continue  # votes of others may come as long as what votes rest on is what is to be said
            given = {held.roots[i] for i in bits(held.committed & ~vote.misses) if i in held.roots} & one.has
            for other in game.honest:
                if not given <= other.has:
                    other.has |= given


def _pass(game: SecondEdition) -> None:
    now = game.chain.clock.now
    moment = min((time for time in _moments(game) if time > now), default=None)
    if moment is None:
        game.quiet = True
    else:
        game.chain.clock.now = moment


def _moments(game: SecondEdition) -> Iterator[int]:
    """Yield the times at which something becomes possible, or is over."""
    terms, view = game.chain.terms(), game.chain.view()
    yield view.deadline
    for one in game.honest:
        yield one.until
        yield game.chain.account(one.address).paused_until
    if view.phase in (Phase.FORMING, Phase.WAITING):
        yield view.since + terms.limit_seconds
    for number in terms.slots(view.round):
        held = game.chain.round_of(number)
        if held is None or not held.status.is_unsettled:
            continue
        yield from (held.deadline, held.deadline + terms.window_seconds, held.deadline + terms.window_seconds + 1)
        yield from _moments_in_court(game, number)


def _moments_in_court(game: SecondEdition, round: int) -> Iterator[int]:
    terms, tournament = game.chain.terms(), game.chain.tournament(round)
    if tournament is None or not tournament.start:
        return
    for stage in range(tournament.stages + 1):
        start = tournament.start + stage * terms.stage_seconds
        yield from (start + 1, start + terms.clock_seconds, start + terms.clock_seconds + 1)
        for block in range(1 + (tournament.entries >> (stage + 1))):
            match = game.chain.match(round, stage, block)
            if match is not None:
                ends = (match.clock_i, match.clock_j, terms.proof_seconds)
                yield from (match.since + seconds + late for seconds in ends for late in (0, 1))

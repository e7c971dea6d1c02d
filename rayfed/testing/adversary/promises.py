"""The promises of the second edition, as checks of one state (docs/protocol.md; the dishonest part *f* of the roster).

Whatever the dishonest do, and however many they are: an honest member loses no stake and no bond, whoever outvotes it;
a wrong merge, of which an honest member has all inputs in time, is never settled. With f below 2/3 no wrong root is
ever final, and no honest member is dropped. With f below 1/3 every round is final, and pays what it included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Root, bits
from rayfed.ledger.memory.storage import Said
from rayfed.protocol.messages import Status
from rayfed.testing.adversary import blobs

if TYPE_CHECKING:
    from rayfed.testing.adversary.second import SecondEdition


def broken(game: SecondEdition) -> str:
    """Return which promise is broken, and how; empty: none."""
    scope = game.scope
    return (
        _money(game)
        or _settled(game)
        or (_safety(game) or _dropped(game) if 3 * scope.dishonest < 2 * scope.members else "")
        or (_liveness(game) if 3 * scope.dishonest < scope.members else "")
    )


def damage(game: SecondEdition) -> float:
    """Return how bad things are for the honest, for each stake that it has cost the dishonest."""
    chain, honest = game.chain, [game.chain.account(one.address) for one in game.honest]
    outcomes = list(chain.storage.outcomes.values())
    void = sum(outcome.status in (Status.VOID, Status.OVER) for outcome in outcomes)
    wrong = sum(_is_wrong(game, number) for number in range(1, chain.view().round + 1))
    lost = sum(chain.account(who).slashed > 0 for who in game.scope.crooks)
    harm = 100 * sum(a.slashed > 0 for a in honest) + 20 * sum(a.drops for a in honest) + 5 * void + 10 * wrong
    return harm / (1 + lost) + 0.1 * chain.view().unsettled


def _news(game: SecondEdition) -> list[Said]:
    """Return what the ledger has said since the last move began."""
    return game.chain.events[game.told :]


def right_root(game: SecondEdition, round: int) -> Root | None:
    """Return the right merge of a round; None: it has none, or nobody knows all of its inputs."""
    evidence = game.chain.merge_evidence(round)
    if evidence is None or any(root not in blobs.UPDATES for root in evidence.roots):
        return None
    return blobs.merge(game.chain.terms(), round, evidence.roots).root


def _is_wrong(game: SecondEdition, round: int) -> bool:
    outcome = game.chain.outcome(round)
    return outcome is not None and outcome.status.stands and outcome.root != right_root(game, round)


def _money(game: SecondEdition) -> str:
    """Nobody loses stake, or a bond, because others outvoted it."""
    for index, one in enumerate(game.honest):
        account = game.chain.account(one.address)
        if account.slashed:
            return f"honest member {index} has lost its stake"
        for event in _news(game):
            if event.name == "Slashed" and event.values["member"] == one.address:
                return f"honest member {index} has lost a bond"
    return ""


def _settled(game: SecondEdition) -> str:
    """A wrong merge is undone if one honest member has the updates in time; it moves for the right one then."""
    if not game.scope.rule:
        return ""
    for number in range(1, game.chain.view().round + 1):
        outcome, evidence = game.chain.outcome(number), game.chain.merge_evidence(number)
        if outcome is None or evidence is None or outcome.status is not Status.SETTLED or not _is_wrong(game, number):
            continue
        knew = [index for index, one in enumerate(game.honest) if evidence.context in one.merges]
        if knew:
            return f"round {number} is settled with a wrong root, and honest member {knew[0]} had all of its inputs"
    return ""


def _safety(game: SecondEdition) -> str:
    """No wrong root is ever final."""
    wrong = [number for number in range(1, game.chain.view().round + 1) if _is_wrong(game, number)]
    return f"round {wrong[0]} is final with a wrong root" if wrong else ""


def _dropped(game: SecondEdition) -> str:
    """No honest member is dropped."""
    dropped = [index for index, one in enumerate(game.honest) if game.chain.account(one.address).drops]
    return f"honest member {dropped[0]} is dropped" if dropped else ""


def _liveness(game: SecondEdition) -> str:
    """A round is final by its deadlines; what was included of who attested it is paid."""
    for number, outcome in game.chain.storage.outcomes.items():
        held = game.chain.round_of(number)
        if not outcome.status.stands:
            return f"round {number} is not final"
        if outcome.status is not Status.SETTLED or held is None:
            continue
        for event in _news(game):
            if event.name == "Settled" and event.values["round"] == number:
                unpaid = [*bits(held.included & held.attesters & ~event.values["earners"])]
                if unpaid:
                    return f"round {number} does not pay member {unpaid[0]}"
    return ""

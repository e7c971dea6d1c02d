"""The honest policy for rounds: what a node does next, given what the ledger says. Pure: no I/O, no clock, no state.

``next_action`` names one thing to do. Doing it and asking again, until ``Finish``, is all that a node ever does; what
could not be done just now (a peer has not given its bytes yet) is handed back in ``Me.stuck``, and the next best thing
is named. Everything that a node must remember between two calls it hands in as ``Me``, and all of that can be rebuilt
from ledger, store and the node's own disk, which is why a node may be killed at any instant.

The court's half is ``court_policy``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from rayfed.encoding.primitives import NO_ROOT, Address, Root, bits
from rayfed.protocol.messages import Phase, Round, Status, Verb, View
from rayfed.protocol.phases import PHASES, PhaseTable

TURN_SECONDS = 2
"""How much longer each next one waits, at least, before it does what anybody may do, in chain time."""

LONGEST_TURN = 30
"""And at most: whoever goes first may be away."""


@dataclass(frozen=True, slots=True)
class Enter:
    """Become a member (again)."""


@dataclass(frozen=True, slots=True)
class FreeSeat:
    """Free a seat that nothing rests on any more: all are taken."""

    index: int


@dataclass(frozen=True, slots=True)
class MoveOn:
    """Take the federation one step further."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Get the model with this root: build it (genesis), take it from the own disk, or fetch it from any peer."""

    root: Root


@dataclass(frozen=True, slots=True)
class Check:
    """Merge what a closed round has included, to see whether its root is right."""

    round: int
    context: bytes


@dataclass(frozen=True, slots=True)
class Train:
    """Train from ``base``, and commit to the update if ``commits``: the base is known to be good."""

    round: int
    base: Root
    commits: bool = True


@dataclass(frozen=True, slots=True)
class Abstain:
    """Commit to nothing: the base is wrong, or cannot be checked, and can still be undone."""

    round: int


@dataclass(frozen=True, slots=True)
class Judge:
    """Give the own update, have the others', and vote. ``committed`` is the bitmap of updates to judge."""

    round: int
    base: Root
    committed: int


@dataclass(frozen=True, slots=True)
class Merge:
    """Merge what is included and attest the result, whatever is final; ``context`` is what that rests on."""

    round: int
    context: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before the phase changes or ``until`` (seconds since the epoch; 0: no deadline).

    Attributes:
        reason: in a line, what the node's owner has to know; empty if all is well.
    """

    until: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The federation is done and the final model is at hand; ``reason`` as in ``Wait``."""

    reason: str = ""


Action = Enter | FreeSeat | MoveOn | Adopt | Check | Train | Abstain | Judge | Merge | Wait | Finish


class Standing(Enum):
    """What a node knows of the base that the federation builds on."""

    GOOD = "good"
    """Genesis, the own merge of its round, or settled while this node was not there."""
    WRONG = "wrong"
    """The own merge of its round, or of one that it rests on, is another."""
    UNCHECKED = "unchecked"
    """There is no own merge of its round: what it included is not to be had, or not yet."""


@dataclass(frozen=True, slots=True)
class Me:
    """What a node knows of itself.

    Attributes:
        address: its account.
        model: root of the model it holds, NO_ROOT if none yet.
        merges: what it has merged itself, by the ``included`` context that this rests on.
        took_part: whether it has said anything in the round that made the base.
        distrusts: it knows that a final root which still stands, and can be undone, is wrong.
        in_flight: (verb, round) of what was sent and is not in the view yet.
        stuck: what it has tried in this very moment, in vain.
        leaving: it does not want to be a member any more, or cannot be.
        paused_until: when it may join again; 0: it may.
        spare: where all seats are taken, one that can be freed, if there is one.
        due_since: when it first saw that the step is due, seconds since the epoch; 0: just now.
        late: rounds closed before the last one that still take its attestation, in their order.
        turn: how much longer each next one waits before it takes a step (``turn_seconds``).
        hurry: so many seconds before COMMIT's deadline it commits to nothing if the base is still not known to be good:
            not before, for the base may be had or undone by then, and rounds in which nobody commits are counted.
    """

    address: Address
    model: Root = NO_ROOT
    merges: Mapping[bytes, Root] = field(default_factory=dict)
    took_part: bool = False
    distrusts: bool = False
    in_flight: frozenset[tuple[Verb, int]] = frozenset()
    stuck: frozenset[Action] = frozenset()
    leaving: bool = False
    paused_until: int = 0
    spare: int | None = None
    due_since: int = 0
    late: tuple[Round, ...] = ()
    turn: int = TURN_SECONDS
    hurry: int = 0


VERBS: Mapping[type, Verb] = {
    Enter: Verb.JOIN,
    FreeSeat: Verb.RELEASE,
    MoveOn: Verb.ADVANCE,
    Train: Verb.COMMIT,
    Abstain: Verb.COMMIT,
    Judge: Verb.VOTE,
    Merge: Verb.ATTEST,
}
"""What the actions say to the ledger."""


def next_action(view: View, me: Me, phases: PhaseTable = PHASES) -> Action:
    """Return the one next thing to do; ``phases`` is the protocol that the federation follows."""
    for action in _due(view, me, phases):
        flies = (VERBS.get(type(action)), getattr(action, "round", 0)) in me.in_flight
        if not flies and action not in me.stuck:
            return action
    return Wait(_until(view, me), _trouble(view, me))


def standing(view: View, me: Me) -> Standing:
    """Return what the node knows of the base.

    A root that is settled has stood all that could be brought against it. Who was not there when it was made takes
    that for enough, as it does for all that lies before it; who was there, and was denied what it merged, does not.
    """
    if me.distrusts and not view.base_settled:
        return Standing.WRONG
    own = me.merges.get(view.base_context)
    if view.base_round == 0 or own == view.base or (own is None and view.base_settled and not me.took_part):
        return Standing.GOOD
    return Standing.UNCHECKED if own is None else Standing.WRONG


def turn(view: View, address: Address) -> int:
    """Return how many members come before an account in doing what anybody may do; the order changes every round."""
    order = list(bits(view.roster or view.active))
    index = view.index_of(address)
    return (order.index(index) + view.round) % len(order) if index in order else len(order)


def turn_seconds(attest_seconds: int) -> int:
    """Return how much longer each next one waits: so long that what the one before says is mined by then, on a chain
    for which the phases are made."""
    return min(LONGEST_TURN, max(TURN_SECONDS, attest_seconds // 32))


def takes_attestation(round: Round, view: View, address: Address) -> bool:
    """Say whether a closed round is final and still takes the attestation of this account."""
    index = view.index_of(address)
    is_open = round.status is Status.FINAL and view.time < round.deadline
    return is_open and index is not None and bool((round.roster & ~round.attested) >> index & 1)


def late_rounds(view: View, me: Me) -> tuple[Round, ...]:
    """Return the closed rounds that still take the node's attestation, in their order."""
    closed = me.late if view.previous is None else (*me.late, view.previous)
    return tuple(round for round in closed if takes_attestation(round, view, me.address))


def _due(view: View, me: Me, phases: PhaseTable) -> Iterator[Action]:
    """Yield all that can be done now, the most urgent first."""
    index = view.index_of(me.address)
    mine = 0 if index is None else 1 << index
    late = late_rounds(view, me)

    is_out = not mine & (view.active | view.roster) and view.phase is not Phase.DONE
    if is_out and not me.leaving and view.time >= me.paused_until:
        yield FreeSeat(me.spare) if me.spare is not None else Enter()
    elif me.spare is not None and not turn(view, me.address):
        yield FreeSeat(me.spare)
    if view.due and view.time >= (me.due_since or view.time) + me.turn * turn(view, me.address):
        yield MoveOn()
    for round in late:
        yield Merge(round.round, round.context)
    if view.phase is Phase.FORMING:
        return
    base = standing(view, me)
    if base is not Standing.WRONG and me.model != view.base:
        yield Adopt(view.base)
    verb = phases[view.phase].verb
    # What is said after the deadline is refused.
    if verb is not None and mine & view.roster & ~view.spoken and view.time < view.deadline:
        yield from _say(verb, view, me, base)
    if view.phase is Phase.DONE and not late:
        if base is Standing.WRONG and view.base_settled:
            yield Finish(_trouble(view, me))
        elif me.model == view.base:
            yield Finish()


def _say(verb: Verb, view: View, me: Me, base: Standing) -> Iterator[Action]:
    if verb is Verb.VOTE:
        yield Judge(view.round, view.base, view.committed)
    elif verb is Verb.ATTEST:
        yield Merge(view.round, view.context)
    elif base is Standing.GOOD:
        if me.model == view.base:
            yield Train(view.round, view.base)
    else:
        asked = {round.context for round in late_rounds(view, me)}
        if base is Standing.UNCHECKED and view.base_context not in asked:
            yield Check(view.base_round, view.base_context)
        if not view.base_settled and view.time >= view.deadline - me.hurry:
            yield Abstain(view.round)
        if base is Standing.UNCHECKED and me.model == view.base:
            yield Train(view.round, view.base, commits=False)


def _until(view: View, me: Me) -> int:
    """Return when there may be something to do though the phase has not changed."""
    moments = [view.deadline]
    if view.phase is Phase.COMMIT:
        moments.append(view.deadline - me.hurry)
    if view.due:
        moments.append((me.due_since or view.time) + me.turn * turn(view, me.address))
    moments += [round.deadline for round in late_rounds(view, me)]
    if me.paused_until:
        moments.append(me.paused_until)
    return min((moment for moment in moments if moment > view.time), default=0)


def _trouble(view: View, me: Me) -> str:
    base = standing(view, me)
    if base is Standing.GOOD or not view.base_round or view.phase not in (Phase.COMMIT, Phase.DONE):
        return ""
    made = f"round {view.base_round}: its model {view.base.hex()[:12]}"
    if base is Standing.WRONG:
        state = "settled" if view.base_settled else "not settled yet"
        return f"{made}, or one that it rests on, is not the merge of what was included, and {state}: not built on here"
    if view.base_settled and view.phase is Phase.COMMIT:
        return f"{made} is settled and cannot be checked, for what it included is withheld: not built on here"
    return ""

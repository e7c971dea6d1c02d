"""The protocol: what a node does next, given what the ledger says. Pure: no I/O, no Ray, no clock, no state.

The phases are data (``phases.PHASES``), and ``next_action`` reads them; nothing here knows of a server, a first node
or a last joiner. Everything that a node must remember between two calls it hands in as ``Me``, and all of that can be
rebuilt from ledger, store and the node's own disk, which is why a node may be killed at any instant (DESIGN 1.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.encoding.primitives import NO_ROOT, Address, Root
from rayfed.protocol.messages import Phase, Status, Verb, View
from rayfed.protocol.phases import PHASES, PhaseTable


@dataclass(frozen=True, slots=True)
class Me:
    """What a node knows of itself.

    Attributes:
        address: its account.
        model: root of the model it holds, NO_ROOT if none yet.
        merged: (round, root) of the last merge that it computed itself, or None.
        in_flight: (verb, round) of transactions that were sent and are not mined yet.
        leaving: it does not want to be a member any more, or cannot be.
        distrusts: it knows that a final merge is wrong, and builds nothing on it until that is rolled back.
    """

    address: Address
    model: Root = NO_ROOT
    merged: tuple[int, Root] | None = None
    in_flight: frozenset[tuple[Verb, int]] = frozenset()
    leaving: bool = False
    distrusts: bool = False


@dataclass(frozen=True, slots=True)
class Enter:
    """Become a member (again)."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Get the model with this root: build it (genesis), take it from the own disk, or fetch it from any peer."""

    root: Root


@dataclass(frozen=True, slots=True)
class Train:
    """Train from ``base`` and commit to the update."""

    round: int
    base: Root


@dataclass(frozen=True, slots=True)
class Judge:
    """Publish the own update, check the others' and vote. ``committed`` is the bitmap of updates to judge."""

    round: int
    base: Root
    committed: int


@dataclass(frozen=True, slots=True)
class Merge:
    """Merge the ``included`` updates (unless ``root`` is known already) and attest the result."""

    round: int
    included: int
    root: Root = NO_ROOT


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before the phase changes or ``until`` (seconds since the epoch; 0: no deadline)."""

    until: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The federation is done and the final model is at hand."""


Action = Enter | Adopt | Train | Judge | Merge | Wait | Finish


def next_action(view: View, me: Me, phases: PhaseTable = PHASES) -> Action:
    """Return the one next thing to do; ``phases`` is the protocol that the federation follows.

    Doing it and asking again, until ``Finish``, is all that a node ever does.
    """
    index = view.index_of(me.address)
    mine = 0 if index is None else 1 << index

    if not mine & view.active and not me.leaving and view.phase is not Phase.DONE and not mine & view.roster:
        return _unless_in_flight(me, Verb.JOIN, 0, Enter(), view)
    if view.phase is Phase.FORMING:
        return Wait(view.deadline)
    late = _late_attestation(view, me, mine)
    if late is not None:
        return late
    if me.distrusts:
        return Wait(view.deadline)
    if me.model != view.base:
        return Adopt(view.base)
    if view.phase is Phase.DONE:
        return Finish()
    row = phases[view.phase]
    if row.verb is None or not mine & view.roster or mine & getattr(view, row.done):
        return Wait(view.deadline)
    return _unless_in_flight(me, row.verb, view.round, _say(row.verb, view), view)


def _say(verb: Verb, view: View) -> Action:
    if verb is Verb.COMMIT:
        return Train(view.round, view.base)
    if verb is Verb.VOTE:
        return Judge(view.round, view.base, view.committed)
    return Merge(view.round, view.included)


def _unless_in_flight(me: Me, verb: Verb, round: int, action: Action, view: View) -> Action:
    return Wait(view.deadline) if (verb, round) in me.in_flight else action


def _late_attestation(view: View, me: Me, mine: int) -> Action | None:
    """A round is final from the quorum on; whoever was still merging then may say so until ATTEST's deadline."""
    last = view.previous
    if (
        last is not None
        and last.status is Status.FINAL
        and me.merged == (last.round, last.root)
        and view.time <= last.open_until
        and mine
        and not mine & last.attesters
        and (Verb.ATTEST, last.round) not in me.in_flight
    ):
        return Merge(last.round, last.included, last.root)
    return None

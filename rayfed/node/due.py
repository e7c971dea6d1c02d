"""What comes between the two parts of a node's step, and what both ask of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rayfed.node.kit import Kit
from rayfed.node.pending import Outbox
from rayfed.node.phases.ready import NOTHING, Ready
from rayfed.node.phases.train import is_outrun
from rayfed.node.scores import Alone
from rayfed.protocol import policy
from rayfed.protocol.messages import Phase, Round, Verb, View


@dataclass(frozen=True, slots=True)
class Due:
    """What a step has come to, and still has to say.

    Attributes:
        action: the last that was tried; None: the node rests.
        tried: in vain, before it.
        ready: what came of it.
        late: closed rounds that still take the node's attestation.
    """

    action: policy.Action | None
    tried: tuple[policy.Action, ...] = ()
    ready: Ready = NOTHING
    late: tuple[Round, ...] = ()


def stop_outrun(kit: Kit, view: View) -> None:
    """End training that the phase has outrun."""
    worker = kit.resources.worker
    if is_outrun(worker.job, view):
        worker.stop()
    elif isinstance(worker.job, Alone) and view.phase is not Phase.DONE:  # the chain has gone back
        worker.stop()
        kit.scores.forget_alone()


def lacks(kit: Kit, outbox: Outbox, view: View, late: Sequence[Round], round: int) -> bool:
    """Say whether a closed round's record waits for its score, for the model to score, or for what is still said."""
    waits_for_base = view.base_round == round and kit.held.model != view.base
    is_late = round in (one.round for one in late)
    flies = outbox.flies_in(round) or (Verb.ADVANCE, 0) in outbox.in_flight
    return kit.scores.wants(round) or waits_for_base or is_late or flies

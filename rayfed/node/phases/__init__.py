"""What a node does, a handler for each of the policy's actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rayfed.node.phases.adopt import AdoptHandler
from rayfed.node.phases.enter import AbstainHandler, EnterHandler, FreeSeatHandler, MoveOnHandler
from rayfed.node.phases.judge import JudgeHandler
from rayfed.node.phases.merge import CheckHandler, MergeHandler
from rayfed.node.phases.ready import Handler
from rayfed.node.phases.train import TrainHandler
from rayfed.protocol import policy


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One row of the table: how an action is carried out, and how it is called."""

    handler: type[Handler] | None
    doing: str


ACTIONS: dict[type[Any], ActionRow] = {
    policy.Enter: ActionRow(EnterHandler, "joining"),
    policy.FreeSeat: ActionRow(FreeSeatHandler, "freeing a seat"),
    policy.MoveOn: ActionRow(MoveOnHandler, "opening the next phase"),
    policy.Adopt: ActionRow(AdoptHandler, "fetching base"),
    policy.Check: ActionRow(CheckHandler, "checking base"),
    policy.Train: ActionRow(TrainHandler, "training"),
    policy.Abstain: ActionRow(AbstainHandler, "abstaining"),
    policy.Judge: ActionRow(JudgeHandler, "checking"),
    policy.Merge: ActionRow(MergeHandler, "merging"),
    policy.Wait: ActionRow(None, "waiting"),
    policy.Finish: ActionRow(None, "finishing"),
}
"""What a node does with each of the policy's actions."""

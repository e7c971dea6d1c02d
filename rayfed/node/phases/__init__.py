"""What a node does, a handler for each of the policy's actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rayfed.node.phases.adopt import AdoptHandler
from rayfed.node.phases.enter import EnterHandler
from rayfed.node.phases.judge import JudgeHandler
from rayfed.node.phases.merge import MergeHandler
from rayfed.node.phases.ready import Handler
from rayfed.node.phases.train import TrainHandler
from rayfed.protocol import policy
from rayfed.protocol.messages import Verb


@dataclass(frozen=True, slots=True)
class ActionRow:
    """One row of the table: how an action is carried out, what it says to the ledger, and how it is called."""

    handler: type[Handler] | None
    verb: Verb | None
    doing: str


ACTIONS: dict[type[Any], ActionRow] = {
    policy.Enter: ActionRow(EnterHandler, Verb.JOIN, "joining"),
    policy.Adopt: ActionRow(AdoptHandler, None, "fetching base"),
    policy.Train: ActionRow(TrainHandler, Verb.COMMIT, "training"),
    policy.Judge: ActionRow(JudgeHandler, Verb.VOTE, "checking"),
    policy.Merge: ActionRow(MergeHandler, Verb.ATTEST, "merging"),
    policy.Wait: ActionRow(None, None, "waiting"),
    policy.Finish: ActionRow(None, None, "finishing"),
}
"""What a node does with each of the policy's actions."""

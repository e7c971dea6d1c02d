"""The edge node: plain Python that asks the policy what to do next, and does it.

One call of ``step`` does one thing and returns; whoever drives the node (a Ray actor, a test, an example) decides
when to call again. A node is a function of ledger, store, its own disk and its own data: everything in ``self`` can be
rebuilt from them, so it may be killed between any two lines.
"""

from __future__ import annotations

from typing import Any, ClassVar

from rayfed.attacks.behaviour import HONEST
from rayfed.encoding.primitives import Address, Root
from rayfed.ledger import Ledger
from rayfed.node.kit import Held, Kit
from rayfed.node.parts import Hooks, Membership, Options, Resources
from rayfed.node.phases import ACTIONS, ActionRow
from rayfed.node.phases.merge import MergeHandler
from rayfed.node.phases.ready import NOTHING, Ready
from rayfed.node.phases.train import is_outrun
from rayfed.node.progress import Progress
from rayfed.node.publisher import Publisher
from rayfed.node.revival import Revival
from rayfed.node.round_log import RoundLog
from rayfed.node.scores import Alone, Scores
from rayfed.node.seat import LostSeat
from rayfed.node.speaker import Speaker
from rayfed.node.status import StatusBoard
from rayfed.node.tools import BlobTools
from rayfed.protocol import policy
from rayfed.protocol.commands import Poke
from rayfed.protocol.messages import NodeStatus, Phase, Verb, View

__all__ = ["EdgeNode", "Progress"]


class EdgeNode:
    """One participant's rounds. One thread at a time; ``status`` and ``kit.board`` may be used from any.

    Args:
        membership: which federation.
        resources: what the node works with.
        options: what its owner chooses.
        hooks: whom it asks and tells.

    Attributes:
        kit: its parts.
    """

    rows: ClassVar[dict[type[Any], ActionRow]] = ACTIONS
    publishes: ClassVar[type[Publisher]] = Publisher

    def __init__(
        self, membership: Membership, resources: Resources, options: Options | None = None, hooks: Hooks | None = None
    ) -> None:
        options, hooks = options or Options(), hooks or Hooks()
        address = resources.ledger.address
        tools = BlobTools.of(
            membership.charter,
            membership.chain_id,
            membership.federation,
            resources.disk,
            resources.store,
            resources.memo,
        )
        board = StatusBoard(NodeStatus(membership.slot, address, None, 0, "starting"))
        log = RoundLog(membership.slot, address, hooks.on_record)
        publisher = self.publishes(tools.blobs, hooks.behaviour, board.note)
        scores = Scores(resources.learner, resources.worker, log, board, options.alone)
        self.kit = Kit(membership, resources, options, hooks, tools, Held(), log, publisher, scores, board)
        self._handlers = {action: row.handler(self.kit) for action, row in self.rows.items() if row.handler}
        self._speaker = Speaker(resources.ledger, log, board)
        self._revival = Revival()
        self._seat = LostSeat(resources.ledger, board.note)

    # -- who it is ----------------------------------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        """The node's account."""
        return self.kit.address

    @property
    def slot(self) -> int:
        """The node's place in the starter's config, or -1."""
        return self.kit.membership.slot

    @property
    def ledger(self) -> Ledger:
        """The node's handle on the federation."""
        return self.kit.resources.ledger

    @property
    def is_honest(self) -> bool:
        """Whether it does what an honest node does; another one is there for an experiment."""
        return self.kit.hooks.behaviour is HONEST

    @property
    def model(self) -> Root:
        """Root of the model that the node has adopted; NO_ROOT if none yet."""
        return self.kit.held.model

    @property
    def status(self) -> NodeStatus:
        """What the node says of itself right now."""
        return self.kit.board.now

    @property
    def in_flight(self) -> bool:
        """Whether a transaction was sent whose fate is not known yet."""
        return bool(self._speaker.outbox.in_flight)

    # -- the loop's body ----------------------------------------------------------------------------------------------

    def step(self, view: View) -> Progress:
        """Do the one next thing. Never waits for training, and for peers no longer than one answer of theirs takes:
        what is not there yet is asked for again in the next step.

        Raises:
            LedgerUnreachable: nothing answers.
            RayfedError: what ends a node: a full disk, training that diverged.
        """
        self.collect(view)
        self._stop_outrun(view)
        kit, outbox, index = self.kit, self._speaker.outbox, view.index_of(self.address)
        action = self._decide(view, index)
        row = self.rows[type(action)]
        kit.log.index = -1 if index is None else index
        kit.board.show(index=index, round=view.round, doing=row.doing)
        rests = row.verb is not None and outbox.rests((row.verb, getattr(action, "round", 0)), view)
        handler = self._handlers.get(type(action))
        ready = NOTHING if handler is None or rests else handler(action, view, index)
        self._carry_out(ready, view)

        def lacks(round: int) -> bool:
            """Whether a closed round's record waits for its score, for the model to score, or for a receipt."""
            waits_for_base = view.base_round == round and kit.held.model != view.base
            return kit.scores.wants(round) or waits_for_base or outbox.flies_in(round)

        kit.log.close(view, lacks)
        if not ready.acted and self._revival.is_due(view, index) and (Verb.POKE, 0) not in outbox.in_flight:
            self._revival.poked(view)
            ready = Ready(True, command=Poke())
            self._carry_out(ready, view)
        return Progress.ACTED if ready.acted else self._progress(action, view)

    def serve(self, view: View) -> None:
        """Offer what peers wait for, and end training that the phase has outrun. Whoever drives several nodes calls
        this for all of them before any step, so that no peer asks in vain, and none waits for another's training."""
        self._stop_outrun(view)
        index = view.index_of(self.address)
        if view.phase is Phase.VOTE and index is not None:
            self.kit.publisher.own_update(view, index)

    def collect(self, view: View) -> None:
        """Take note of what became of transactions, without doing anything else."""
        self._speaker.collect(view)

    # -- decide, carry out --------------------------------------------------------------------------------------------

    def _decide(self, view: View, index: int | None) -> policy.Action:
        if index is not None and view.active >> index & 1:
            self._speaker.outbox.forget((Verb.JOIN, 0))
        held, said = self.kit.held, self._speaker.outbox.said(view)
        merging = self._handlers.get(policy.Merge)
        if isinstance(merging, MergeHandler):
            said |= merging.refrains(view)
        lost, distrusts = self._seat.is_lost(view, index), self.kit.hooks.distrusts()
        me = policy.Me(self.address, held.model, held.merged, said, leaving=lost, distrusts=distrusts)
        action = policy.next_action(view, me)
        verb = self.rows[type(action)].verb
        if verb is not None and not self.kit.hooks.behaviour.speaks(verb, view.round):
            return policy.Wait(view.deadline)
        return action

    def _carry_out(self, ready: Ready, view: View) -> None:
        """Persist, then send; a node that is killed in between repeats itself."""
        if ready.note:
            self.kit.board.note(ready.note)
        if ready.entry is not None:
            self.kit.resources.journal.say(ready.entry.round, ready.entry.verb, ready.entry.value)
        if ready.command is not None:
            self._speaker.send(ready.command, view)

    def _stop_outrun(self, view: View) -> None:
        worker = self.kit.resources.worker
        if is_outrun(worker.job, view):
            worker.stop()
        elif isinstance(worker.job, Alone) and view.phase is not Phase.DONE:  # the chain has gone back
            worker.stop()
            self.kit.scores.forget_alone()

    def _progress(self, action: policy.Action, view: View) -> Progress:
        """Use the time in which others work, and say what the node waits for."""
        finished, kit = isinstance(action, policy.Finish), self.kit
        if kit.scores.advance() or (finished and kit.scores.train_alone()):
            return Progress.ACTED
        if kit.publisher.owes(finished, view, kit.options.patience):
            return Progress.RETRY
        if isinstance(action, policy.Judge | policy.Merge | policy.Adopt):
            return Progress.RETRY
        if not kit.resources.worker.is_free:
            return Progress.WORKING
        if finished and not self.in_flight:
            kit.board.show(doing="finished")
            return Progress.FINISHED
        return Progress.WAITING if isinstance(action, policy.Wait | policy.Finish) else Progress.RETRY

"""The edge node: plain Python that asks the policy what to do next, and does it.

One call of ``step`` does one thing and returns; whoever drives the node (a Ray actor, a test, an example) decides
when to call again. A node is a function of ledger, store, its own disk and its own data: everything in ``self`` can be
rebuilt from them, so it may be killed between any two lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from rayfed.attacks.behaviour import HONEST
from rayfed.encoding.primitives import Address, Root
from rayfed.errors import StoreError
from rayfed.ledger import Ledger
from rayfed.node.due import Due, lacks, stop_outrun
from rayfed.node.faltering import Faltering
from rayfed.node.kit import Held, Kit
from rayfed.node.late import ClosedRounds, LateRounds
from rayfed.node.parts import Hooks, Membership, Options, Resources
from rayfed.node.phases import ACTIONS, ActionRow
from rayfed.node.phases.ready import NOTHING, Ready
from rayfed.node.progress import Progress
from rayfed.node.publisher import Publisher
from rayfed.node.refusals import hopeless
from rayfed.node.round_log import RoundLog
from rayfed.node.scores import Scores
from rayfed.node.seat import Admission, SpareSeats
from rayfed.node.speaker import Speaker
from rayfed.node.status import StatusBoard
from rayfed.node.steps import DueStep
from rayfed.node.tools import BlobTools
from rayfed.protocol import policy
from rayfed.protocol.charter import PUBLIC
from rayfed.protocol.messages import NodeStatus, Phase, Verb, View

__all__ = ["EdgeNode", "Progress"]

HURRY_PART = 4
"""A node whose base is unchecked commits to nothing in the last of so many parts of COMMIT: in time to be heard."""


class EdgeNode:
    """One participant's rounds. One thread at a time; ``status`` and ``kit.board`` may be used from any.

    Args:
        membership: which federation.
        resources: what the node works with.
        options: what its owner chooses.
        hooks: whom it asks and tells.

    Attributes:
        kit: its parts.
        falters: what becomes of it when a step fails.
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
            options.waits,
        )
        for context, root in resources.journal.attested().items():  # before it was started again
            tools.merges.note(context, root)
        board = StatusBoard(NodeStatus(membership.slot, address, None, 0, "starting"))
        records = RoundLog(membership.slot, address, hooks.on_record)
        opens = membership.charter.final_model == PUBLIC
        publisher = self.publishes(tools.blobs, hooks.behaviour, board.trouble, options.keeps, opens)
        scores = Scores(resources.learner, resources.worker, records, board, options.alone)
        self.kit = Kit(membership, resources, options, hooks, tools, Held(), records, publisher, scores, board)
        self._handlers = {action: row.handler(self.kit) for action, row in self.rows.items() if row.handler}
        self._speaker = Speaker(resources.ledger, records, board)
        self._step = DueStep()
        self.falters = Faltering(address, self._speaker, board)
        self._seat = Admission(resources.ledger, board.note)
        self._spare = SpareSeats(resources.ledger)
        closed = resources.memo.get(("closed rounds", membership.federation), ClosedRounds)
        self._late = LateRounds(resources.ledger, address, closed)
        self._serves = False  # what it had served before it was started again

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
            RayfedError: what ends a node: a full disk, training that diverged, a ledger that refuses what is due.
        """
        due = self.work(view)
        self.kit.resources.journal.sync()  # killed after that, it repeats itself
        return self.say(due, view)

    def work(self, view: View) -> Due:
        """Do the first part of a step. ``say`` is the last one: what this one has noted in the node's journal must be
        on the disk (``Journal.sync``) before. Who drives several nodes has all their disks write at a time."""
        self.collect(view)
        stop_outrun(self.kit, view)
        if self.falters.rests(view):
            return Due(None)
        kit, index = self.kit, view.index_of(self.address)
        kit.log.index = -1 if index is None else index
        me, ready, tried = self._me(view, index), NOTHING, list[policy.Action]()
        if self.falters.sits_out(view):
            me = replace(me, stuck=frozenset({policy.Train(view.round, view.base)}))  # it has failed in this round
        while True:
            action = policy.next_action(view, me)
            if isinstance(action, policy.Wait | policy.Finish):
                break
            if kit.hooks.behaviour.speaks(policy.VERBS.get(type(action), Verb.CLAIM), view.round):
                ready = self._try(action, view, index)
                if ready.acted:
                    break
                tried.append(action)
            me = replace(me, stuck=me.stuck | {action})  # the next best thing, then
        shown = action if ready.acted or not tried else tried[0]
        kit.board.show(index=index, round=view.round, doing=self.rows[type(shown)].doing)
        kit.board.tell(getattr(action, "reason", ""))
        if ready.note:
            kit.board.note(ready.note)
        if ready.entry is not None:
            entry = ready.entry
            kit.resources.journal.say(entry.round, entry.verb, entry.context, entry.value, sync=False)
        return Due(action, tuple(tried), ready, policy.late_rounds(view, me))

    def say(self, due: Due, view: View) -> Progress:
        """Do the last part of a step that began with this view."""
        if due.action is None:
            return Progress.RETRY
        if due.ready.command is not None:
            self._speaker.send(due.ready.command, view)
            if due.ready.command.verb is Verb.ATTEST:
                self.falters.attested(due.ready.command.round)
        self.kit.log.close(view, partial(lacks, self.kit, self._speaker.outbox, view, due.late))
        return Progress.ACTED if due.ready.acted else self._progress(due.action, due.tried, view)

    def serve(self, view: View) -> None:
        """Offer what peers wait for, and end training that the phase has outrun. Whoever drives several nodes calls
        this for all of them before any step, so that no peer asks in vain, and none waits for another's training."""
        stop_outrun(self.kit, view)
        if self.falters.rests(view):
            return
        if not self._serves and view.round:
            self.kit.publisher.again(self.kit.resources.journal.roots(range(1, view.round)))
            self._serves = True
        index = view.index_of(self.address)
        if view.phase is Phase.VOTE and index is not None:
            self.kit.publisher.own_update(view, index)

    def collect(self, view: View) -> None:
        """Take note of what became of transactions, without doing anything else."""
        self._speaker.collect(view)

    # -- decide, carry out --------------------------------------------------------------------------------------------

    def _me(self, view: View, index: int | None) -> policy.Me:
        kit, outbox = self.kit, self._speaker.outbox
        if index is not None and view.active >> index & 1:
            outbox.forget((Verb.JOIN, 0))
        if not self._step.is_at(view):
            outbox.forget((Verb.ADVANCE, 0))
        access = self._seat.access(view, index)
        return policy.Me(
            address=self.address,
            model=kit.held.model,
            merges={view.base_context: view.base} if kit.hooks.behaviour.trusts else kit.tools.merges,
            took_part=kit.resources.journal.spoke_in(view.base_round),
            distrusts=kit.hooks.distrusts() and not kit.hooks.behaviour.trusts,
            in_flight=outbox.said(view),
            leaving=access.lost or self.falters.sits_out(view),
            paused_until=access.paused_until,
            spare=self._spare.look(view),
            due_since=self._step.due_since(view),
            late=self._late.look(view),
            turn=policy.turn_seconds(kit.membership.charter.attest_seconds),
            hurry=-(-kit.membership.charter.commit_seconds // HURRY_PART),
        )

    def _try(self, action: policy.Action, view: View, index: int | None) -> Ready:
        """Do an action's work, unless the ledger refused just this a moment ago.

        Raises:
            ConfigError: it did so again and again, and the act is still due.
        """
        outbox, verb = self._speaker.outbox, policy.VERBS.get(type(action))
        if verb is not None:
            said = verb, getattr(action, "round", 0)
            if outbox.rests(said, view):
                return NOTHING
            error = hopeless(*said, outbox.refusal(said))
            if error is not None:
                raise error
        handler = self._handlers.get(type(action))
        return NOTHING if handler is None else handler(action, view, index)

    def _progress(self, action: policy.Action, tried: Sequence[policy.Action], view: View) -> Progress:
        """Use the time in which others work, and say what the node waits for."""
        finished, kit = isinstance(action, policy.Finish), self.kit
        if kit.scores.advance() or (finished and kit.scores.train_alone()):
            return Progress.ACTED
        if kit.publisher.owes(finished, view, kit.options.patience):
            return Progress.RETRY
        if any(isinstance(one, policy.Adopt) for one in tried) and self.falters.is_late(view):
            lacks = f"the final model {view.base.hex()[:12]} is not to be had, and all who had it have gone"
            raise StoreError(f"{lacks}: {kit.board.now.error or 'nobody gives it'}")
        working = not kit.resources.worker.is_free
        trains = working and any(isinstance(one, policy.Train) for one in tried)
        if any(not (trains and isinstance(one, policy.Train)) for one in tried):
            return Progress.RETRY
        # Nobody tells when it is this node's turn; before it has spoken itself, only a deadline can make it that.
        if not finished and (view.due or not trains) and self._step.is_near(view, self.address):
            return Progress.RETRY
        if working:
            return Progress.WORKING
        if finished and not self.in_flight:
            self.falters.over()
            kit.board.recovered()
            kit.board.show(doing="finished")
            return Progress.FINISHED
        return Progress.WAITING

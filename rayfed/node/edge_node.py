"""The edge node: plain Python that asks the protocol what to do next, and does it.

One call of ``step`` does one thing and returns; whoever drives the node (a Ray actor, a test, an example) decides
when to call again. A node is a function of ledger, store, its own disk and its own data: everything in ``self`` can be
rebuilt from them, so it may be killed between any two lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import Any

from rayfed.aggregation.screens import Screen, ballot
from rayfed.aggregation.screens.verdict import Verdict
from rayfed.attacks.behaviour import HONEST, Behaviour
from rayfed.encoding.primitives import NO_ROOT, Address, Root, bits
from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.learning import Learner, State
from rayfed.ledger import Ledger
from rayfed.node.blobs import MISSING, Blobs
from rayfed.node.journal import Journal
from rayfed.node.memo import Memo
from rayfed.node.pending import Outbox
from rayfed.node.round_log import Records
from rayfed.node.seat import Seat
from rayfed.protocol import policy
from rayfed.protocol.charter import Charter
from rayfed.protocol.commands import Attest, Command, Commit, Join, Poke, Vote
from rayfed.protocol.messages import NodeRecord, NodeStatus, Phase, Verb, View
from rayfed.store import Store
from rayfed.store.files import FileStore

FETCHES = 16
"""Updates that are fetched at a time: more than the peers that may be slow, or they would be waited for in turn."""


class Progress(Enum):
    """What came of a step."""

    ACTED = "acted"
    WAITING = "waiting"  # for the ledger to move on
    RETRY = "retry"  # for something that no event announces: a peer's blob, the store
    FINISHED = "finished"


class EdgeNode:
    """One participant.

    Args:
        slot: its place in the starter's config, or -1.
        ledger: its account's door to the federation.
        store: where blobs travel.
        disk: the node's own blobs; what it commits to is here before it is sent.
        journal: what it has signed.
        learner: its data and model.
        charter: what it agrees to.
        screens: its own judgement.
        chain_id, federation: bound into the header of every update.
        memo: shared with the other nodes of the process.
        patience: seconds for which the node tries to get an update in VOTE before it votes without it.
        alone: whether to train alone at the end, for comparison.
        keep_rounds: how many rounds' blobs stay on the own disk; 0 keeps all, which is what an auditor wants.
        fetches: how many peers' updates are asked for at once; with 1, one after the other, in their order.
        on_record: called with every round's record once it is complete.
        distrusts: whether a final merge is known to be wrong (``Watch.distrusted``).
        behaviour: honest, but in experiments.
    """

    def __init__(
        self,
        *,
        slot: int,
        ledger: Ledger,
        store: Store,
        disk: FileStore,
        journal: Journal,
        learner: Learner,
        charter: Charter,
        screens: Sequence[Screen],
        chain_id: int,
        federation: Address,
        memo: Memo | None = None,
        patience: float = 60.0,
        alone: bool = False,
        keep_rounds: int = 0,
        fetches: int = FETCHES,
        on_record: Callable[[NodeRecord], None] = lambda record: None,
        distrusts: Callable[[], bool] = lambda: False,
        behaviour: Behaviour = HONEST,
    ) -> None:
        self.slot = slot
        self.ledger = ledger
        self.charter = charter
        shared = memo or Memo()
        rule = shared.get(("rule", charter.merge), charter.rule)  # one object a process: merges are remembered by it
        self._blobs = Blobs(charter.layout, chain_id, federation, rule, disk, store, shared, within=charter.blob_layout)
        self._journal = journal
        self._learner = learner
        self._screens = screens
        self._patience = patience
        self._alone = alone
        self._keep_rounds = keep_rounds
        self._fetches = fetches
        self._distrusts = distrusts
        self._behaviour = behaviour

        self._model: Root = NO_ROOT
        self._base_state: State = {}
        self._merged: tuple[int, Root] | None = None
        self._outbox = Outbox()
        self._abstains: set[tuple[int, int]] = set()
        self._owed: set[Root] = set()
        self._finished_at = 0
        self._verdicts: tuple[Verdict, ...] = ()
        self._records = Records(slot, ledger.address, on_record)
        self._unscored: tuple[int, Root] | None = None
        self._place: tuple[tuple[int, Phase], int] = ((0, Phase.FORMING), 0)
        self._alone_run: Iterator[float] | None = None
        self._seat = Seat(ledger, self.note)
        self.status = NodeStatus(slot, ledger.address, None, 0, "starting")

    @property
    def address(self) -> Address:
        """The node's account."""
        return self.ledger.address

    @property
    def is_honest(self) -> bool:
        """Whether it does what an honest node does; another one is there for an experiment."""
        return self._behaviour is HONEST

    @property
    def blobs(self) -> Blobs:
        """The node's way to blobs."""
        return self._blobs

    # -- the loop's body --------------------------------------------------------------------------------------------

    def step(self, view: View) -> Progress:
        """Do the one next thing. Never blocks on peers: what is not there yet is asked for again in the next step."""
        self.collect(view)
        index = view.index_of(self.address)
        if index is not None and view.active >> index & 1:
            self._outbox.forget((Verb.JOIN, 0))
        said = frozenset(self._outbox.said(view) | self._refrains(view))
        lost = self._seat.is_lost(view, index)
        me = policy.Me(self.address, self._model, self._merged, said, leaving=lost, distrusts=self._distrusts())
        action = policy.next_action(view, me)
        verb = VERBS.get(type(action))
        if verb is not None and not self._behaviour.speaks(verb, view.round):
            action = policy.Wait(view.deadline)
        self._tell(action, view, index)
        acted = not self._resting(action, view) and self._do(action, view, index)
        self._records.close(view, partial(self._lacks, view))
        if acted or self._revive(view, index):
            return Progress.ACTED
        if self._idle(isinstance(action, policy.Finish)):
            return Progress.ACTED
        if self._owes(isinstance(action, policy.Finish), view):
            return Progress.RETRY
        if isinstance(action, policy.Finish) and not self.in_flight:
            self.status = replace(self.status, doing="finished")
            return Progress.FINISHED
        return Progress.WAITING if isinstance(action, policy.Wait | policy.Finish) else Progress.RETRY

    def _revive(self, view: View, index: int | None) -> bool:
        """Poke the ledger if its deadline moves along: the phase is what would be if somebody spoke, and nobody does.

        It takes an included update, or a base, that nobody has. Members wait their turn, so that one is enough.
        """
        place = view.round, view.phase
        if self._place[0] != place:
            self._place = place, view.deadline
        drift = view.deadline - self._place[1]
        if index is None or drift < REVIVE_SECONDS * (1 + index) or self._outbox.holds((Verb.POKE, 0)):
            return False
        self._place = place, view.deadline
        self._send(Poke(), view)
        return True

    def _refrains(self, view: View) -> set[tuple[Verb, int]]:
        """Return the attestations that would contradict an earlier one, given what is included now."""
        last = view.previous
        now = {(view.round, view.included)} | ({(last.round, last.included)} if last else set())
        return {(Verb.ATTEST, round) for round, _ in self._abstains & now}

    def _owes(self, finished: bool, view: View) -> bool:
        """Try to publish the final models that the store has refused; say whether to try again.

        Nobody who comes late could do without them. A node that is finished waits for its store as it would for a peer.
        """
        self._owed = {root for root in self._owed if not self._publish(root)}
        if finished and not self._finished_at:
            self._finished_at = view.time
        return bool(self._owed) and (not finished or view.time - self._finished_at < self._patience)

    @property
    def in_flight(self) -> bool:
        """Whether a transaction was sent whose fate is not known yet."""
        return self._outbox.in_flight

    def _resting(self, action: policy.Action, view: View) -> bool:
        """Whether the ledger refused just this a moment ago."""
        verb = VERBS.get(type(action))
        return verb is not None and self._outbox.rests((verb, getattr(action, "round", 0)), view)

    def _do(self, action: policy.Action, view: View, index: int | None) -> bool:
        """Carry an action out; return False if there was nothing to do or it has to be tried again later."""
        match action:
            case policy.Enter():
                self._send(Join(self.charter.hash), view)
                return True
            case policy.Adopt(root):
                return self._adopt(root, view)
            case policy.Train(round, _):
                return self._commit(round, view)
            case policy.Judge(round, _, committed):
                assert index is not None
                return self._vote(round, committed, view, index)
            case policy.Merge(round, included, root):
                assert index is not None
                return self._attest(round, included, root, view, index)
            case policy.Wait() | policy.Finish():
                return False

    def _idle(self, finished: bool) -> bool:
        """Use the time in which others work: score the merged model, and at the end train alone."""
        if self._unscored is not None:
            self._score()
            return True
        return finished and self._alone and self._train_alone()

    # -- the actions ------------------------------------------------------------------------------------------------

    def _adopt(self, root: Root, view: View) -> bool:
        if self._unscored is not None:
            self._score()  # there was no idle moment for it, and the model is about to be replaced
        with self._records.timed(view.base_round, "adopt"):
            state = self._state(root, view)
            if state is None:
                return False
            self._base_state, self._model = state, root
        # Whoever holds a final model serves it, so that a latecomer finds it however few are left.
        if not self._publish(root):
            self._owed.add(root)
        if view.base_round:
            self._unscored = (view.base_round, root)
        if self._keep_rounds:
            self._prune(view.round - self._keep_rounds)
        return True

    def _state(self, root: Root, view: View) -> State | None:
        """Return a model whose blob is then on the own disk; None, with a note, if it cannot be had now."""
        if root == self.charter.genesis:
            self._blobs.genesis(root, self._learner.genesis())
        state = self._blobs.model(root, [address for address in view.members if address != self.address])
        if state is None:
            self.note(self._blobs.trouble)
        return state

    def _commit(self, round: int, view: View) -> bool:
        said = self._journal.said(round, Verb.COMMIT)
        if said is None:
            with self._records.timed(round, "train"):
                update = self._learner.train(self._base_state, round)
            with self._records.timed(round, "encode"):
                examples = self._behaviour.examples(round, update.examples)
                root, saturated = self._blobs.update(
                    round, self.address, update.state, examples, view.base, self._behaviour
                )
            self._records.amend(
                round, loss=update.loss, examples=update.examples, saturated=saturated, epsilon=update.epsilon
            )
            self.status = replace(self.status, loss=update.loss)
            self._journal.say(round, Verb.COMMIT, root.hex())
        else:
            root = bytes.fromhex(said)
        self._send(Commit(round, root), view)
        return True

    def _vote(self, round: int, committed: int, view: View, index: int) -> bool:
        if not self._serve_own_update(view, index) and self._has_time(view):
            return False
        said = self._journal.said(round, Verb.VOTE)
        if said is None:
            updates = self._gather(round, committed, view)
            if updates is None:
                return False
            with self._records.timed(round, "screen"):
                # Asked for by name only when a screen wants it: a learner of one's own may have no data to hold out.
                evidence = self._blobs.evidence(
                    updates, view, index, lambda state: self._learner.loss(state), lambda: self._genesis(view)
                )
                accepted, verdicts = ballot(self._screens, evidence)
                self._behaviour.saw(round, evidence)
            accepted = self._behaviour.ballot(round, accepted, committed)
            self._records.amend(round, verdicts=(*self._verdicts, *verdicts))
            self._journal.say(round, Verb.VOTE, f"{accepted:x}")
        else:
            accepted = int(said, 16)
            if accepted & ~committed:
                # The chain went back after this node had voted, and not all of those updates came again.
                self.note(f"round {round}: already signed another ballot; does not vote")
                return False
        self._send(Vote(round, accepted), view)
        return True

    def _genesis(self, view: View) -> Root | None:
        """Return genesis's root once its blob is on the own disk; None if it cannot be had.

        A node that came late, or lost its disk, has started from another model.
        """
        return None if self._state(self.charter.genesis, view) is None else self.charter.genesis

    def _gather(self, round: int, committed: int, view: View) -> dict[int, memoryview] | None:
        """Return the valid updates by index, or None while one is missing and there is still time to wait for it."""
        indices = list(bits(committed))
        fetch = partial(self._blobs.peer_update, view)
        with self._records.timed(round, "fetch"):
            if self._fetches == 1:
                judged = {index: fetch(index) for index in indices}
            else:
                # Side by side, so that a peer who is slow to hand out its bytes keeps nobody waiting but who asks it.
                with ThreadPoolExecutor(self._fetches, "rayfed-fetch") as pool:
                    judged = dict(zip(indices, pool.map(fetch, indices), strict=True))
        self._verdicts = tuple(verdict for _, verdict in judged.values())
        if self._has_time(view) and any(verdict.reason == MISSING for verdict in self._verdicts):
            return None
        return {index: blob for index, (blob, _) in judged.items() if blob is not None}

    def _has_time(self, view: View) -> bool:
        """Whether VOTE is still young enough to wait for a peer or for the store."""
        return view.time - (view.deadline - self.charter.vote_seconds) < self._patience

    def _attest(self, round: int, included: int, root: Root, view: View, index: int) -> bool:
        if root == NO_ROOT:
            self._serve_own_update(view, index)  # after a restart, those who still lack it ask again
            merged = self._merge(round, included, view)
            if merged is None:
                return False
            root = self._behaviour.attestation(round, merged, self._blobs)
        if self._journal.said(round, Verb.ATTEST) not in (None, root.hex()):
            # The chain went back after this node had attested, and other updates are included now.
            self._abstains.add((round, included))
            self.note(f"round {round}: already signed another root; does not attest")
            return False
        self._journal.say(round, Verb.ATTEST, root.hex())
        self._send(Attest(round, root), view)
        return True

    def _merge(self, round: int, included: int, view: View) -> Root | None:
        """Merge the included updates; None while one of them cannot be had (then the node abstains)."""
        with self._records.timed(round, "fetch"):
            updates = {view.roots[index]: self._blobs.peer_update(view, index)[0] for index in bits(included)}
        present = {root: blob for root, blob in updates.items() if blob is not None}
        if len(present) < included.bit_count():
            return None
        with self._records.timed(round, "merge"):
            root = self._blobs.merge(present, round, view.base)
        self._merged = (round, root)
        return root

    def serve(self, view: View) -> None:
        """Offer what peers wait for. Whoever drives several nodes calls this for all of them before any step, so that
        no peer asks in vain."""
        index = view.index_of(self.address)
        if view.phase is Phase.VOTE and index is not None:
            self._serve_own_update(view, index)

    def _serve_own_update(self, view: View, index: int) -> bool:
        """Publish what this node committed to, if anything; only ever called once COMMIT has closed."""
        offer = partial(self._behaviour.offer, view.round)
        return view.roots[index] == NO_ROOT or self._publish(view.roots[index], offer)

    def _publish(self, root: Root, change: Callable[[memoryview], memoryview | None] = lambda blob: blob) -> bool:
        published = self._blobs.publish(root, change)
        if not published:
            self.note(self._blobs.trouble)
        return published

    def _prune(self, last: int) -> None:
        """Let go of the own blobs of round ``last`` and before; the journal knows them all."""
        said = (
            self._journal.said(round, verb)
            for round in range(max(1, last + 1), last + self._keep_rounds + 1)
            for verb in (Verb.COMMIT, Verb.ATTEST)
        )
        self._blobs.prune({self._model, self.charter.genesis, *(bytes.fromhex(root) for root in said if root)})

    # -- transactions -----------------------------------------------------------------------------------------------

    def _send(self, command: Command, view: View) -> None:
        """Submit a command; whether it went through is told by a receipt, in some later step."""
        said = command.verb, command.round
        try:
            self.ledger.submit(command)
        except LedgerUnreachable:
            raise
        except LedgerError as error:
            # No funds for gas, say. It stays to be said, and somebody may pay in the meantime.
            self._outbox.rest(said, view)
            self.note(str(error))
        else:
            self._outbox.sent(said)

    def collect(self, view: View) -> None:
        """Take note of what became of transactions, without doing anything else."""
        for receipt in self.ledger.receipts():
            self._outbox.answered(receipt, view)
            self.status = replace(
                self.status, gas=self.status.gas + receipt.gas, transactions=self.status.transactions + 1
            )
            if receipt.error:
                # Someone was quicker, or the phase moved on in the meantime: the next view says what to do now.
                # If it says to try the same again, each time a little later.
                self.note(f"{receipt.verb} of round {receipt.round} refused: {receipt.error}")
                continue
            if receipt.round:
                record = self._records.of(receipt.round)
                self._records.amend(
                    receipt.round,
                    gas={**record.gas, receipt.verb.value: receipt.gas},
                    transactions={**record.transactions, receipt.verb.value: receipt.tx_hash},
                )

    # -- scores and records -----------------------------------------------------------------------------------------

    def _score(self) -> None:
        assert self._unscored is not None
        round, root = self._unscored
        if root == self._model:
            with self._records.timed(round, "evaluate"):
                accuracy, pictures = self._learner.evaluate(self._base_state)
            self._records.amend(round, accuracy=accuracy, test_examples=pictures)
            self.status = replace(self.status, accuracy=accuracy)
        self._unscored = None

    def _train_alone(self) -> bool:
        if self._alone_run is None:
            self._alone_run = self._learner.alone()
        self.status = replace(self.status, doing="training alone")
        for accuracy in self._alone_run:
            curve = (*self.status.alone_curve, accuracy)
            self.status = replace(self.status, alone_accuracy=accuracy, alone_curve=curve)
            return True
        return False

    def _lacks(self, view: View, round: int) -> bool:
        """Whether a closed round's record waits for its score, for the model to score, or for a receipt."""
        waits_for_score = self._unscored is not None and self._unscored[0] == round
        waits_for_base = view.base_round == round and self._model != view.base
        return waits_for_score or waits_for_base or self._outbox.flies_in(round)

    def _tell(self, action: policy.Action, view: View, index: int | None) -> None:
        doing = DOING[type(action)]
        self._records.index = -1 if index is None else index
        self.status = replace(self.status, index=index, round=view.round, doing=doing)

    def note(self, line: str) -> None:
        """Have a line shown beside the node."""
        self.status = replace(self.status, error=line)


REVIVE_SECONDS = 2
"""How far a deadline has to move along before the first member takes the phase for one that nobody opened."""

VERBS: dict[type[Any], Verb] = {
    policy.Enter: Verb.JOIN,
    policy.Train: Verb.COMMIT,
    policy.Judge: Verb.VOTE,
    policy.Merge: Verb.ATTEST,
}

DOING: dict[type[Any], str] = {
    policy.Enter: "joining",
    policy.Adopt: "fetching base",
    policy.Train: "training",
    policy.Judge: "checking",
    policy.Merge: "merging",
    policy.Wait: "waiting",
    policy.Finish: "finishing",
}

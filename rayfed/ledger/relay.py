"""Several nodes' messages in one transaction: cheap rounds without a privileged relayer.

Nodes that share a process or a cluster hand each other what they have signed, and one of them, in turn, posts it for
all (``IFederation.relay``). Nobody depends on that: a message that is not on the ledger after a short wait is posted by
its own side, and what somebody else has posted in the meantime is skipped by the contract. Plain Python: what carries
messages to other processes, and what sends transactions, is handed in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import NO_ROOT, Address, bits
from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.protocol.commands import Relay
from rayfed.protocol.messages import SPOKEN_IN, Phase, Receipt, Signed, Verb, View

if TYPE_CHECKING:
    from rayfed.ledger import Ledger

GATHER_SECONDS = 0.3
"""How long whose turn it is waits for others' messages when its own are ready."""

OWN_SECONDS = 2.0
"""After so long a message that is not on the ledger is posted by its own side, whoever's turn it is."""

ASK_SECONDS = 0.2
"""How long what was posted is left alone before it is asked what became of it, if no event says so before."""

NOT_HEARD = "NotHeard"
"""Error of a receipt: the batch went through, but this message came too late for its phase."""

Said = tuple[Verb, int]


@dataclass
class _Batch:
    """What is said in one phase: gathered, and posted."""

    own: dict[int, Signed] = field(default_factory=dict)  # by index, of this process's nodes
    given: dict[int, Signed] = field(default_factory=dict)  # by index, handed over by others
    posted: set[int] = field(default_factory=set)
    handed: set[int] = field(default_factory=set)
    since: float = 0.0  # when its first message came
    closed: float = 0.0  # when its time was seen to be over; 0: not yet


class RelayPool:
    """Gathers one process's signed messages, hands them over or posts them.

    ``offer`` and ``step`` are called by the thread that drives the nodes; ``take`` and ``told`` by any.

    Args:
        hand: gives messages to whose turn it is, by number of the turn; False: it is this process's own turn, or
            nobody else is there.
        tell: lets the others know what became of messages that they had handed over.
    """

    def __init__(
        self,
        hand: Callable[[int, Verb, int, Mapping[int, Signed]], bool],
        tell: Callable[[Verb, int, Mapping[int, Receipt]], None],
    ) -> None:
        self._hand = hand
        self._tell = tell
        self._lock = threading.Lock()
        self._batches: dict[Said, _Batch] = {}
        self._indices: dict[Address, int] = {}  # of this process's nodes
        self._waiting: list[tuple[Address, Verb, int, Signed]] = []  # offered, index not known yet
        self._flights: list[tuple[Said, set[int], Relay]] = []
        self._receipts: dict[Address, list[Receipt]] = {}
        self._mined: list[tuple[Said, set[int], Receipt]] = []
        self._ripe: list[tuple[Said, set[int], Receipt]] = []  # mined before the next view is taken
        self._others: set[int] = set()  # members who have handed something over

    # -- the nodes' side --------------------------------------------------------------------------------------------

    def offer(self, address: Address, verb: Verb, round: int, signed: Signed) -> None:
        """Take a message of one of this process's nodes; ``receipts`` tells what became of it."""
        self._waiting.append((address, verb, round, signed))

    def receipts(self, address: Address) -> list[Receipt]:
        """Return, once each, what became of a node's messages."""
        with self._lock:
            return self._receipts.pop(address, [])

    @property
    def is_pending(self) -> bool:
        """Whether there is something that is not on the ledger yet."""
        return bool(self._waiting or self._batches or self._flights or self._mined or self._ripe)

    # -- the others' side -------------------------------------------------------------------------------------------

    def take(self, verb: Verb, round: int, messages: Mapping[int, Signed]) -> None:
        """Take messages that another process hands over because it is this one's turn."""
        with self._lock:
            batch = self._batches.setdefault((verb, round), _Batch(since=time.monotonic()))
            batch.given.update(messages)
            self._others |= messages.keys()

    def told(self, verb: Verb, round: int, receipts: Mapping[int, Receipt]) -> None:
        """Learn what became of messages that were handed over."""
        with self._lock:
            self._give((verb, round), receipts)

    # -- the driver's side ------------------------------------------------------------------------------------------

    def step(self, view: View, poster: Ledger) -> float | None:
        """Hand over, post, or find out what is heard.

        Args:
            view: the federation as it is now.
            poster: a handle of its own, whose receipts come to nobody else.

        Returns:
            After how many seconds to come again even if no event calls for it; None: there is nothing to wait for.

        Raises:
            LedgerUnreachable: nothing answers.
        """
        now = time.monotonic()
        for receipt in poster.receipts():
            self._landed(receipt)
        with self._lock:
            self._sort_in(view, now)
            self._conclude(view)
            ready = [(said, batch) for said, batch in self._batches.items() if self._is_open(said, view)]
            self._drop_closed(view, now)
        for said, batch in ready:
            self._forward(said, batch, view, poster, now)
        return self._pause(now) if self.is_pending else None

    # -- parts ------------------------------------------------------------------------------------------------------

    def _landed(self, receipt: Receipt) -> None:
        """Learn what became of a batch that this process has posted."""
        for number, (said, members, relayed) in enumerate(self._flights):
            if receipt.command is relayed:
                del self._flights[number]
                self._mined.append((said, members, receipt))
                return

    def _pause(self, now: float) -> float:
        if self._ripe:
            return 0.0
        if self._flights or self._mined:
            return ASK_SECONDS
        with self._lock:
            ends = [
                batch.since + wait - now for batch in self._batches.values() for wait in (GATHER_SECONDS, OWN_SECONDS)
            ]
        return min((left for left in ends if left > 0), default=ASK_SECONDS)

    def _sort_in(self, view: View, now: float) -> None:
        left = []
        for address, verb, round, signed in self._waiting:
            index = view.index_of(address)
            if index is None:
                left.append((address, verb, round, signed))
                continue
            self._indices[address] = index
            batch = self._batches.setdefault((verb, round), _Batch(since=now))
            batch.own[index] = signed
            batch.posted.discard(index)  # said again, because the chain has gone back, or would not take it
            batch.handed.discard(index)
        self._waiting = left

    def _forward(self, said: Said, batch: _Batch, view: View, poster: Ledger, now: float) -> None:
        """Hand the own messages to whose turn it is, or post all that are here."""
        verb, round = said
        new = {i: s for i, s in batch.own.items() if i not in batch.handed | batch.posted}
        mine = True
        if new:
            mine = not self._hand(round * len(SPOKEN_IN) + SPOKEN_IN[verb], verb, round, new)
            if not mine:
                batch.handed |= new.keys()
        elif batch.handed:
            mine = False
        late = now - batch.since > OWN_SECONDS
        if not mine and not late and not batch.given:
            return
        with self._lock:
            here = {**batch.given, **(batch.own if mine or late else {})}
        left = {i: s for i, s in here.items() if i not in batch.posted and not _was_heard(view, verb, round, i)}
        known = (self._others | set(self._indices.values())) & set(bits(view.roster))
        complete = all(i in here or _was_heard(view, verb, round, i) for i in known)
        if not left or not (complete or now - batch.since > GATHER_SECONDS):
            return
        batch.posted |= left.keys()
        relayed = Relay(verb, round, left, view.members)
        self._flights.append((said, set(left), relayed))
        try:
            poster.submit(relayed)
        except LedgerUnreachable:
            self._flights.pop()
            batch.posted -= left.keys()
            raise
        except LedgerError as error:
            self._flights.pop()
            refused = Receipt(verb, round, "", 0, 0, str(error))
            with self._lock:
                self._give(said, dict.fromkeys(left, refused))

    def _conclude(self, view: View) -> None:
        """Tell the nodes what became of batches that were mined, each its share of the gas."""
        # A view that was taken before a batch was mined does not show what it has changed.
        mined, self._ripe, self._mined = self._ripe, self._mined, []
        for said, members, receipt in mined:
            verb, round = said
            told: dict[int, Receipt] = {}
            for number, index in enumerate(sorted(members)):
                share = receipt.gas // len(members) + (number < receipt.gas % len(members))
                heard = _was_heard(view, verb, round, index)
                error = receipt.error or (None if heard else NOT_HEARD)
                told[index] = Receipt(verb, round, receipt.tx_hash, share, receipt.block, error)
            self._give(said, told)
            self._tell(verb, round, told)

    def _give(self, said: Said, told: Mapping[int, Receipt]) -> None:
        batch = self._batches.get(said)
        for address, index in self._indices.items():
            if index in told and batch is not None and batch.own.pop(index, None) is not None:
                self._receipts.setdefault(address, []).append(told[index])

    def _is_open(self, said: Said, view: View) -> bool:
        """Whether messages of this batch can still be heard."""
        verb, round = said
        if round == view.round and SPOKEN_IN[verb] >= view.phase:
            return view.phase is not Phase.DONE
        last = view.previous
        late = verb is Verb.ATTEST and last is not None and last.round == round
        return late and last is not None and view.time <= last.open_until

    def _drop_closed(self, view: View, now: float) -> None:
        """Forget batches whose time is over; whoever has heard nothing yet of its message gets to know it."""
        in_flight = {said for said, *_ in (*self._flights, *self._mined, *self._ripe)}
        for said, batch in [*self._batches.items()]:
            verb, round = said
            if said in in_flight:
                continue
            if self._is_open(said, view):
                if batch.own or batch.given.keys() - batch.posted:
                    continue
            elif batch.own.keys() & batch.handed:
                batch.closed = batch.closed or now
                if now - batch.closed < OWN_SECONDS:
                    continue  # whoever has posted it is about to tell
            sent = batch.posted | batch.handed
            self._give(
                said,
                {
                    i: Receipt(
                        verb, round, "", 0, 0, None if i in sent and _was_heard(view, verb, round, i) else NOT_HEARD
                    )
                    for i in batch.own
                },
            )
            del self._batches[said]


def _heard(view: View, verb: Verb, index: int) -> bool:
    """Whether the current round has a member's message."""
    members = {Verb.COMMIT: view.committed, Verb.VOTE: view.voted, Verb.ATTEST: view.attested}[verb]
    return bool(members >> index & 1)


def _was_heard(view: View, verb: Verb, round: int, index: int) -> bool:
    """Whether a member's message is on the ledger, as far as a view tells; what it does not tell of is believed."""
    last = view.previous
    if verb is Verb.ATTEST and last is not None and last.round == round and last.root != NO_ROOT:
        return bool(last.attesters >> index & 1)
    return round != view.round or _heard(view, verb, index)

"""The relay of one process: an inbox that anybody fills, and a step that one thread takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.ledger.relay.batch import Batch, Topic
from rayfed.ledger.relay.batches import NOT_HEARD, OWN_SECONDS, Batches, Carries, Given, Item, Offered, Outcomes, Told
from rayfed.ledger.relay.flights import Flights
from rayfed.ledger.relay.inbox import Inbox
from rayfed.protocol.commands import Statement
from rayfed.protocol.messages import Receipt, Signed, View
from rayfed.protocol.phases import SPOKEN_IN

if TYPE_CHECKING:
    from rayfed.ledger import Ledger

GATHER_SECONDS = 0.3
"""How long the poster of a turn waits for others' messages when its own are ready."""

HOLD_SECONDS = 1.0
"""How long it keeps what waits while its own nodes still work, or while an earlier part is on its way: shorter than
OWN_SECONDS, after which those who gave it would post it themselves."""

ASK_SECONDS = 0.2
"""How long what was posted is left alone before it is asked what became of it, if no event says so before."""


class RelayPool:
    """Gathers one process's signed messages, hands them over or posts them.

    ``step`` belongs to one thread, which owns all that is gathered; all else may be called by any.

    Args:
        hand: gives messages to the host whose turn has this number; False: it is this process's own turn, or
            nobody else is there.
        tell: lets the others know what became of messages that they had handed over.
    """

    def __init__(
        self,
        hand: Callable[[int, Topic, Mapping[int, Signed]], bool],
        tell: Callable[[Topic, Mapping[int, Receipt]], None],
    ) -> None:
        self._hand = hand
        self._tell = tell
        self._inbox: Inbox[Item] = Inbox()
        self._outcomes = Outcomes()
        self._batches = Batches(self._outcomes)
        self._flights = Flights()

    # -- for any thread ---------------------------------------------------------------------------------------------

    def carry(self, addresses: Iterable[Address]) -> None:
        """Say which nodes this process speaks for, so that the first of them does not go out alone."""
        self._inbox.post(Carries(tuple(addresses)))

    def offer(self, address: Address, statement: Statement, signed: Signed) -> None:
        """Take what one of this process's nodes has signed; ``receipts`` tells what became of it."""
        topic = Topic(statement.verb, statement.round, statement.context)
        self._inbox.post(Offered(address, topic, signed))

    def receipts(self, address: Address) -> list[Receipt]:
        """Return, once each, what became of a node's messages."""
        return self._outcomes.take(address)

    def take(self, topic: Topic, messages: Mapping[int, Signed]) -> None:
        """Take messages that another process hands over because it is this one's turn."""
        self._inbox.post(Given(topic, messages, time.monotonic()))

    def told(self, topic: Topic, receipts: Mapping[int, Receipt]) -> None:
        """Learn what became of messages that were handed over."""
        self._inbox.post(Told(topic, receipts))

    # -- for the thread that steps ----------------------------------------------------------------------------------

    @property
    def is_pending(self) -> bool:
        """Whether there is something that is not on the ledger yet."""
        return bool(self._inbox or self._batches or self._flights)

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
            self._flights.landed(receipt)
        self._batches.read(self._inbox.take(), view, now)
        self._conclude(view)
        ready = self._batches.open(view)
        self._batches.drop_closed(view, now, self._flights.topics)
        for batch in ready:
            self._forward(batch, view, poster, now)
        return self._pause(now) if self.is_pending else None

    # -- parts ------------------------------------------------------------------------------------------------------

    def _conclude(self, view: View) -> None:
        """Tell the nodes what became of batches that were mined, each its share of the gas."""
        for landed in self._flights.ripe():
            batch, receipt = landed.batch, landed.receipt
            verb, round, _ = batch.topic
            batch.refused |= receipt.error is not None
            told: dict[int, Receipt] = {}
            for index, share in landed.shares().items():
                error = receipt.error or (None if batch.was_heard(view, index) else NOT_HEARD)
                told[index] = Receipt(verb, round, receipt.tx_hash, share, receipt.block, error)
            self._batches.give(batch.topic, told)
            self._tell(batch.topic, told)

    def _forward(self, batch: Batch, view: View, poster: Ledger, now: float) -> None:
        """Hand the own messages to the host that posts in this turn, or post all that are here."""
        mine = True
        if fresh := batch.fresh():
            verb, round, _ = batch.topic
            mine = not self._hand(round * len(SPOKEN_IN) + SPOKEN_IN[verb], batch.topic, fresh)
            if not mine:
                batch.handed |= fresh.keys()
        elif batch.handed:
            mine = False
        late = now - batch.since > OWN_SECONDS
        if not mine and not late and not batch.given:
            return
        own = mine or late
        left = batch.to_post(view, own=own)
        complete = batch.is_complete(view, self._batches.known, own=own)
        waited = now - (batch.waiting or batch.since)
        still = batch.topic in self._flights.topics or not batch.is_complete(view, self._batches.own)
        if left and (complete or waited > (HOLD_SECONDS if still else GATHER_SECONDS)):
            self._post(batch, left, view, poster)

    def _post(self, batch: Batch, messages: Mapping[int, Signed], view: View, poster: Ledger) -> None:
        relayed = batch.command(messages, view)
        try:
            poster.submit(relayed)
        except LedgerUnreachable:
            raise
        except LedgerError as error:
            verb, round, _ = batch.topic
            refused = Receipt(verb, round, "", 0, 0, str(error))
            self._batches.give(batch.topic, dict.fromkeys(messages, refused))
        else:
            self._flights.took_off(batch, relayed)
        batch.posted |= messages.keys()
        batch.waiting = 0.0

    def _pause(self, now: float) -> float:
        if self._flights.is_ripe:
            return 0.0
        if self._flights:
            return ASK_SECONDS
        ends = self._batches.ends((GATHER_SECONDS, HOLD_SECONDS, OWN_SECONDS), now)
        return min((left for left in ends if left > 0), default=ASK_SECONDS)

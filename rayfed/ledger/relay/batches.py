"""All that is being said just now: by this process's nodes, and by others who hand it over."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rayfed.encoding.primitives import Address
from rayfed.ledger.relay.batch import Batch, Topic
from rayfed.protocol.messages import Phase, Receipt, Signed, View

OWN_SECONDS = 2.0
"""After so long a message that is not on the ledger is posted by its own side, whoever's turn it is."""

NOT_HEARD = "NotHeard"
"""Error of a receipt: the batch went through, but this message came too late for its phase."""


@dataclass(frozen=True, slots=True)
class Carries:
    """Which nodes' accounts this process speaks for: a batch is not complete without them."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Offered:
    """A message of one of this process's nodes."""

    address: Address
    topic: Topic
    signed: Signed


@dataclass(frozen=True, slots=True)
class Given:
    """Messages that another process hands over, and when they came, by the steady clock."""

    topic: Topic
    messages: Mapping[int, Signed]
    at: float


@dataclass(frozen=True, slots=True)
class Told:
    """What became of messages that were handed over to another process."""

    topic: Topic
    receipts: Mapping[int, Receipt]


class Outcomes:
    """What became of each node's messages, for the nodes' threads to fetch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._receipts: dict[Address, list[Receipt]] = {}

    def put(self, address: Address, receipt: Receipt) -> None:
        """Add one."""
        with self._lock:
            self._receipts.setdefault(address, []).append(receipt)

    def take(self, address: Address) -> list[Receipt]:
        """Return, once each, a node's."""
        with self._lock:
            return self._receipts.pop(address, [])


Item = Carries | Offered | Given | Told
"""What lies in a relay's inbox."""


class Batches:
    """The batches of one process. To be used by one thread.

    Args:
        outcomes: told what became of each node's messages.
    """

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._waiting: list[Offered] = []  # their indices are not known yet
        self._batches: dict[Topic, Batch] = {}
        self._addresses: set[Address] = set()  # of this process's nodes
        self._indices: dict[Address, int] = {}  # the same, as far as they are known
        self._others: set[int] = set()  # members who have handed something over

    def __bool__(self) -> bool:
        return bool(self._waiting or self._batches)

    @property
    def known(self) -> set[int]:
        """Members who are known to speak through relays, by index."""
        return self._others | self.own

    @property
    def own(self) -> set[int]:
        """Members whom this process speaks for, by index."""
        return set(self._indices.values())

    def open(self, view: View) -> list[Batch]:
        """Return those whose messages can still be heard."""
        return [batch for batch in self._batches.values() if batch.is_open(view)]

    def ends(self, waits: Iterable[float], now: float) -> list[float]:
        """Return in how many seconds each batch will have waited for so long."""
        starts = [start for batch in self._batches.values() for start in {batch.since, batch.waiting} if start]
        return [start + wait - now for start in starts for wait in waits]

    def read(self, items: Iterable[Item], view: View, now: float) -> None:
        """Take in what lay in the inbox; what a node that has no index yet has said waits until it has one."""
        waiting, self._waiting = self._waiting, []
        for item in (*waiting, *items):
            match item:
                case Carries(addresses):
                    self._addresses.update(addresses)
                case Offered(address, topic, signed):
                    self._addresses.add(address)
                    index = view.index_of(address)
                    if index is None:
                        self._waiting.append(item)
                    else:
                        self._indices[address] = index
                        batch = self._batch(topic, now)
                        batch.waiting = batch.waiting or now
                        batch.add(index, signed)
                case Given(topic, messages, at):
                    batch = self._batch(topic, at)
                    batch.waiting = batch.waiting or at
                    batch.given.update(messages)
                    self._others |= messages.keys()
                case Told(topic, receipts):
                    self.give(topic, receipts)
        for address in self._addresses - self._indices.keys():
            index = view.index_of(address)
            if index is not None:
                self._indices[address] = index

    def _batch(self, topic: Topic, since: float) -> Batch:
        return self._batches.setdefault(topic, Batch(topic, since))

    def give(self, topic: Topic, told: Mapping[int, Receipt]) -> None:
        """Tell this process's nodes what became of their messages, once each."""
        batch = self._batches.get(topic)
        for address, index in self._indices.items():
            if index in told and batch is not None and batch.own.pop(index, None) is not None:
                self._outcomes.put(address, told[index])

    def drop_closed(self, view: View, now: float, flying: set[Topic]) -> None:
        """Forget batches whose time is over; whoever has heard nothing yet of its message gets to know it.

        Args:
            flying: of what something is on its way.
        """
        for topic, batch in [*self._batches.items()]:
            if topic in flying or not self._is_over(batch, view, now):
                continue
            sent = batch.posted | batch.handed
            errors = {i: None if i in sent and batch.was_heard(view, i) else NOT_HEARD for i in batch.own}
            verb, round, _ = topic
            self.give(topic, {i: Receipt(verb, round, "", 0, 0, error) for i, error in errors.items()})
            del self._batches[topic]

    def _is_over(self, batch: Batch, view: View, now: float) -> bool:
        """Whether nothing more is to be done, or heard, of a batch that is not on its way."""
        if batch.topic.round > view.round and view.phase is not Phase.DONE:
            return False  # said to a newer view than this one
        if batch.is_open(view):
            return not batch.own and not batch.given.keys() - batch.posted
        if batch.own.keys() & batch.handed:
            batch.closed = batch.closed or now
            return now - batch.closed >= OWN_SECONDS  # whoever has posted it is about to tell
        return True

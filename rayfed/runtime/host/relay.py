"""The second life of a host: posting what its nodes, and others' at their turn, have signed; in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from rayfed.encoding.primitives import Address
from rayfed.errors import StoreError
from rayfed.ledger import Ledger
from rayfed.ledger.relay import RelayPool, Topic
from rayfed.protocol.commands import Statement
from rayfed.protocol.messages import Receipt, Signed, Verb, View
from rayfed.runtime.host.life import Life
from rayfed.runtime.transport import Transport

log = logging.getLogger(__name__)

IDLE_SECONDS = 10.0
"""How long to rest at most."""


class RelayLife(Life):
    """Owns a ``RelayPool``, in whose inbox nodes and peers leave messages.

    Args:
        look: returns the federation as it is now.
        transport: reaches the other hosts.
        tell: told in a line what goes wrong.
        answered: called when it is known what became of nodes' messages.

    Attributes:
        pool: for the nodes' handles.
    """

    def __init__(
        self,
        look: Callable[[], View],
        transport: Transport,
        tell: Callable[[str], None],
        answered: Callable[[], None],
    ) -> None:
        super().__init__("relay", look, tell)
        self.pool: RelayPool = WakingPool(self._hand, self._tell_peers, self._offered)
        self._transport = transport
        self._answered = answered
        self._poster: Ledger | None = None
        self._is_idle = True
        self._has_news = False

    # -- what any thread may call -----------------------------------------------------------------------------------

    def take(self, verb: Verb, round: int, context: bytes, messages: Mapping[int, Signed]) -> None:
        """Have something posted that another process hands over."""
        self.pool.take(Topic(verb, round, context), messages)
        self.wake()

    def told(self, verb: Verb, round: int, context: bytes, receipts: Mapping[int, Receipt]) -> None:
        """Learn what became of what was handed over."""
        self.pool.told(Topic(verb, round, context), receipts)
        self._has_news = True
        self.wake()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to be posted, or to be heard of."""
        return self._is_idle

    # -- the loop ---------------------------------------------------------------------------------------------------

    def begin(self, poster: Ledger, addresses: Iterable[Address]) -> None:
        """Start to post.

        Args:
            poster: a handle of its own, whose receipts come to nobody else.
            addresses: the accounts of this host's nodes.
        """
        self._poster = poster
        self.pool.carry(addresses)
        self.start()

    def step(self, view: View) -> float:
        """Gather, hand over, post, or find out what is heard; see ``Life``."""
        if self._poster is None:
            return IDLE_SECONDS
        again = self.pool.step(view, self._poster)
        self._is_idle = again is None
        if self._has_news:
            self._has_news = False
            self._answered()
        return IDLE_SECONDS if again is None else again

    def _offered(self) -> None:
        self._is_idle = False
        self.wake()

    def _hand(self, turn: int, topic: Topic, messages: Mapping[int, Signed]) -> bool:
        """Hand messages to the host that posts in this turn; False if that is this one. All hosts that see the
        same ones agree on it."""
        try:
            names = sorted({*self._transport.peers(), self._transport.name})
            name = names[turn % len(names)]
            if name == self._transport.name:
                return False
            return self._transport.send(name, "take", *topic, dict(messages))
        except StoreError as error:
            log.warning("posts by itself what another host's turn it was to post: %s", error)
            return False

    def _tell_peers(self, topic: Topic, receipts: Mapping[int, Receipt]) -> None:
        self._has_news = True  # for the nodes here, too
        try:
            for peer in self._transport.peers():
                self._transport.send(peer, "told", *topic, dict(receipts))
        except StoreError as error:
            log.warning("the other hosts find out from the ledger what was posted: %s", error)


class WakingPool(RelayPool):
    """Wakes its owner when a node offers something.

    Args:
        hand, tell: as for ``RelayPool``.
        offered: called in the thread that offers.
    """

    def __init__(
        self,
        hand: Callable[[int, Topic, Mapping[int, Signed]], bool],
        tell: Callable[[Topic, Mapping[int, Receipt]], None],
        offered: Callable[[], None],
    ) -> None:
        super().__init__(hand, tell)
        self._offered = offered

    def offer(self, address: Address, statement: Statement, signed: Signed) -> None:
        """See ``RelayPool``."""
        super().offer(address, statement, signed)
        self._offered()

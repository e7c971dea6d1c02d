"""Batches that this process has posted, until their members can be told what became of them."""

from __future__ import annotations

from dataclasses import dataclass

from rayfed.ledger.relay.batch import Batch, Topic
from rayfed.protocol.commands import Relay
from rayfed.protocol.messages import Receipt


@dataclass(frozen=True, slots=True)
class Landed:
    """A batch that was mined: which messages were in it, and its receipt."""

    batch: Batch
    members: frozenset[int]
    receipt: Receipt

    def shares(self) -> dict[int, int]:
        """Return each member's share of the gas, by index; they add up to all of it."""
        each, rest = divmod(self.receipt.gas, len(self.members))
        return {index: each + (place < rest) for place, index in enumerate(sorted(self.members))}


class Flights:
    """What is on its way. To be used by one thread.

    What was mined is told one step later: a view that was taken before does not show yet what it has changed.
    """

    def __init__(self) -> None:
        self._flying: list[tuple[Batch, Relay]] = []
        self._mined: list[Landed] = []
        self._ripe: list[Landed] = []

    def __bool__(self) -> bool:
        return bool(self._flying or self._mined or self._ripe)

    @property
    def is_ripe(self) -> bool:
        """Whether there is something to be told in the next step."""
        return bool(self._ripe)

    @property
    def topics(self) -> set[Topic]:
        """Of what there is something on its way."""
        return {batch.topic for batch, _ in self._flying} | {one.batch.topic for one in (*self._mined, *self._ripe)}

    def took_off(self, batch: Batch, relayed: Relay) -> None:
        """Note what was submitted."""
        self._flying.append((batch, relayed))

    def landed(self, receipt: Receipt) -> None:
        """Note what became of one."""
        for number, (batch, relayed) in enumerate(self._flying):
            if receipt.command is relayed:
                del self._flying[number]
                self._mined.append(Landed(batch, frozenset(relayed.messages), receipt))
                return

    def ripe(self) -> list[Landed]:
        """Return what can be told by a view taken now."""
        ripe, self._ripe, self._mined = self._ripe, self._mined, []
        return ripe

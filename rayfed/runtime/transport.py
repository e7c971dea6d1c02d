"""How the hosts of one federation reach each other, and how it is done within one Ray cluster.

What travels here is of no consequence for safety: messages are signed, blobs are checked by their root, and what hosts
say of themselves is for people to look at. A transport that loses something costs time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from rayfed.encoding.primitives import Address, Root
from rayfed.protocol.messages import NodeRecord, NodeStatus, Receipt, Signed, Verb
from rayfed.store.ray.directory import Directory
from rayfed.store.ray.fetch import ANSWER_SECONDS, PeerFetch


class HostService(Protocol):
    """What a host answers, whoever asks. Every method returns at once, and may be called from any thread."""

    def addresses(self) -> list[Address]:
        """Return the accounts of the nodes that it carries; empty until their keys are made."""

    def blob(self, root: Root) -> Any:
        """Return a blob that may be served, as the transport carries it, or None."""

    def take(self, verb: Verb, round: int, context: bytes, messages: Mapping[int, Signed]) -> None:
        """Take a peer's signed messages to post them; see ``rayfed.ledger.relay``."""

    def told(self, verb: Verb, round: int, context: bytes, receipts: Mapping[int, Receipt]) -> None:
        """Learn from a peer what became of messages that it was given."""

    def status(self) -> list[NodeStatus]:
        """Return what each node says of itself right now."""

    def records(self, since: int = 0) -> list[NodeRecord]:
        """Return the closed rounds' records, oldest first, from number ``since`` on."""


class Transport(Protocol):
    """One process's way to the hosts of its federation. Safe to use from several threads.

    Attributes:
        name: this process's own, by which the others know it.
    """

    name: str

    def peers(self) -> Sequence[str]:
        """Return the names of all hosts that there are but this one, sorted.

        Raises:
            StoreError: nobody can be reached from here.
        """

    def send(self, peer: str, method: str, *arguments: Any) -> bool:
        """Have a host do something, a method of ``HostService``, and wait for nothing; it may get lost.

        Returns:
            False if there is no such host; True promises nothing.
        """

    def ask(self, peer: str, method: str, *arguments: Any) -> Future[Any]:
        """Have a host answer something, a method of ``HostService``; the future may fail, or stay open for ever."""

    def serve(self, endpoint: HostService) -> None:
        """Let the other hosts' messages and questions come to this endpoint from now on."""

    def fetch(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return a blob from a peer, read-only and checked.

        Args:
            root: what to fetch.
            size: how long it must be.
            holders: members that should have it; none means to ask every host.

        Raises:
            BlobMissing: nobody gave it, and somebody may yet do so.
            BlobCorrupt: everybody gave something else.
            StoreError: nobody can be reached from here.
        """


class RayTransport:
    """Within one Ray cluster: hosts are actors, found by their names. Follows ``Transport``.

    Args:
        federation: the contract's address, after which the actors' namespace is named.
        name: this process's own.
    """

    def __init__(self, federation: Address, name: str) -> None:
        self.name = name
        self._directory = Directory(federation, ANSWER_SECONDS)
        self._fetch = PeerFetch(self._directory)

    def peers(self) -> Sequence[str]:
        """See ``Transport``."""
        return [name for name in self._directory.names() if name != self.name]

    def send(self, peer: str, method: str, *arguments: Any) -> bool:
        """See ``Transport``."""
        actor = self._directory.actor(peer)
        if actor is None:
            return False
        getattr(actor, method).remote(*arguments)
        return True

    def ask(self, peer: str, method: str, *arguments: Any) -> Future[Any]:
        """See ``Transport``; it fails with Ray's own errors."""
        actor = self._directory.actor(peer)
        if actor is None:
            gone: Future[Any] = Future()
            gone.set_exception(ConnectionError(f"{peer} is gone"))
            return gone
        answer: Future[Any] = getattr(actor, method).remote(*arguments).future()
        return answer

    def serve(self, endpoint: HostService) -> None:
        """See ``Transport``. Ray calls the methods of the actor itself, which is the endpoint."""

    def fetch(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """See ``Transport``."""
        return self._fetch.fetch(root, size, holders)

"""Who carries whom: from a member's address to the Ray actor that serves its blobs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util import list_named_actors

from rayfed.encoding.primitives import Address
from rayfed.errors import StoreError

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
"""An address that nobody carries (its party has a cluster of its own) costs at most one search in this time."""

_HOST = "host-"


def namespace(federation: Address) -> str:
    """Return the Ray namespace in which all hosts of a federation live."""
    return f"rayfed-{federation.lower()}"


def host_name(number: int | str) -> str:
    """Return the name of the actor that carries a federation's group of nodes, by its number or another mark."""
    return f"{_HOST}{number}"


class Directory:
    """The hosts of one federation in this Ray cluster, found by their names and asked for their nodes' addresses.

    Knows nothing for certain: a host may die, come back or carry other nodes tomorrow, and one that lies about whom
    it carries is merely asked in vain. Whoever gets no answer from a host says so with ``forget``. Safe to use from
    several threads.

    Args:
        federation: the contract's address.
        timeout: how long new hosts have to say whom they carry, in seconds.
    """

    def __init__(self, federation: Address, timeout: float) -> None:
        self._namespace = namespace(federation)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._hosts: dict[str, Any] = {}  # name -> actor handle; Ray has no type for a handle of an unknown class
        self._carries: dict[str, frozenset[str]] = {}  # name -> addresses in lower case
        self._questions: dict[str, tuple[ray.ObjectRef[Any], float]] = {}  # name -> (answer to come, wait until)
        self._listed = self._refreshed = float("-inf")

    def hosts(self, addresses: Sequence[Address]) -> list[tuple[str, Any]]:
        """Return (name, actor) of the hosts that carry these members, in their order, each once; all hosts for none.

        Raises:
            StoreError: this process is in no Ray cluster, or the cluster does not answer.
        """
        if not ray.is_initialized():
            raise StoreError("store.kind: ray_peers works inside a Ray cluster only; use files or s3 here")
        wanted = [address.lower() for address in addresses]
        with self._lock:
            known = bool(wanted) and self._knows(wanted)
            if not known and time.monotonic() - self._refreshed >= REFRESH_SECONDS:
                self._list()
                self._ask()
                self._refreshed = time.monotonic()
        if not known:
            self._listen(wanted)
        with self._lock:
            if not wanted:
                return sorted(self._hosts.items())
            carriers = (name for address in wanted for name, carried in self._carries.items() if address in carried)
            return [(name, self._hosts[name]) for name in dict.fromkeys(carriers)]

    def names(self) -> list[str]:
        """Return the names of all hosts there are, sorted; at most ``REFRESH_SECONDS`` old.

        Raises:
            StoreError: this process is in no Ray cluster, or the cluster does not answer.
        """
        if not ray.is_initialized():
            raise StoreError("cluster.address: this process is in no Ray cluster")
        with self._lock:
            if time.monotonic() - self._listed >= REFRESH_SECONDS:
                self._list()
            return sorted(self._hosts)

    def actor(self, name: str) -> Any | None:
        """Return the handle of a host that ``names`` has told of; None if it is gone."""
        with self._lock:
            return self._hosts.get(name)

    def knows(self, addresses: Sequence[Address]) -> bool:
        """Say whether each of these members has been found on some host."""
        with self._lock:
            return self._knows([address.lower() for address in addresses])

    def forget(self, name: str) -> None:
        """Drop a host that did not answer; it is found again if it lives."""
        with self._lock:
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._hosts.pop(name, None)
        self._carries.pop(name, None)
        self._questions.pop(name, None)

    def _knows(self, wanted: Sequence[str]) -> bool:
        return frozenset(wanted) <= frozenset().union(*self._carries.values())

    def _list(self) -> None:
        """Bring ``_hosts`` up to date; hosts that are gone are dropped."""
        try:
            listed = list_named_actors(all_namespaces=True)
        except RayError as error:
            raise StoreError(f"cluster.address: Ray does not answer ({type(error).__name__})") from error
        self._listed = time.monotonic()
        names = {entry["name"] for entry in listed if entry["namespace"] == self._namespace}
        for name in self._hosts.keys() - names:
            self._drop(name)
        for name in sorted(names - self._hosts.keys()):
            if name.startswith(_HOST):
                try:
                    self._hosts[name] = ray.get_actor(name, self._namespace)
                except ValueError:
                    continue  # gone since it was listed

    def _ask(self) -> None:
        """Ask all hosts whom they carry, but those that still owe an answer."""
        for name, host in self._hosts.items():
            if name not in self._questions:
                self._questions[name] = (host.addresses.remote(), time.monotonic() + self._timeout)

    def _listen(self, wanted: Sequence[str]) -> None:
        """Note answers until the wanted are found or all open questions had their time.

        An overdue question stays open and is no longer waited for, so a host that hangs costs its peers the timeout
        once. Nobody else waits for it: the lock is free in the meantime.
        """
        while True:
            with self._lock:
                if not self._questions or self._knows(wanted):
                    return
                asked = dict(self._questions)
            patience = max(deadline for _, deadline in asked.values()) - time.monotonic()
            answered, _ = ray.wait([question for question, _ in asked.values()], timeout=max(0.0, patience))
            if not answered:
                return
            name = next(name for name, (question, _) in asked.items() if question == answered[0])
            with self._lock:
                if self._questions.get(name) == asked[name]:
                    self._note(name, self._questions.pop(name)[0])

    def _note(self, name: str, question: ray.ObjectRef[Any]) -> None:
        try:
            answer: object = ray.get(question, timeout=self._timeout)
        except RayError as error:  # it is starting again, say; what it said before may still hold
            log.info("%s does not say whom it carries (%s)", name, type(error).__name__)
            return
        if not (isinstance(answer, list) and all(isinstance(address, str) for address in answer)):
            log.warning("%s answered with something other than a list of addresses", name)
            return
        self._carries[name] = frozenset(address.lower() for address in answer)

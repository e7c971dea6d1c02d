"""Several stores as one: what one of them does not have, or not in time, the next may have."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rayfed.encoding.primitives import Address, Root
from rayfed.errors import BlobCorrupt, BlobMissing, StoreError
from rayfed.store import Announces, Publishes, Store
from rayfed.store.card import Card
from rayfed.store.files.disk import FileStore
from rayfed.store.verified import short

log = logging.getLogger(__name__)

FIRST_REST, LONGEST_REST = 10.0, 300.0
"""Seconds that a store which failed is spared: others are asked before it, and what it should keep waits."""

IN_VAIN = 3
"""A store that another one had to stand in for so often in a row is not waited for: the next one is asked beside it."""


@dataclass(slots=True)
class StorePart:
    """One of several stores.

    Attributes:
        kind: its name in ``store.order``.
        store: the store itself.
        owed: sizes, by root, of what it should keep and could not; put there as soon as it works again.
        is_due: whether that is going to be tried.
        rests_until, rest: until when it is spared, and for how long the next time.
        in_vain: how often in a row another store had what was asked of this one before.
        card: what it said last of how it is reached.
    """

    kind: str
    store: Store
    owed: dict[Root, int] = field(default_factory=dict)
    settling: threading.Lock = field(default_factory=threading.Lock)
    is_due: bool = False
    rests_until: float = float("-inf")
    rest: float = FIRST_REST
    in_vain: int = 0
    card: Card = field(default_factory=Card)


class SeveralStores:
    """Stores in an order.

    A blob is put into all of them, side by side, and is kept if one of them took it; what the others could not take
    they are given when they work again. It is asked for in the order, the next store as soon as one says no or takes
    longer than ``hedge_seconds``, and the first right answer counts: peers that have gone are not waited for again for
    each blob, see ``IN_VAIN``. What does not work is counted, and spared for a while, longer each time.

    Args:
        parts: kinds and stores, in their order.
        disk: the node's own, from which later puts are made.
        hedge_seconds: how long a store may take before the next one is asked too.
    """

    def __init__(self, parts: Sequence[tuple[str, Store]], disk: FileStore, hedge_seconds: float) -> None:
        self._parts = [StorePart(kind, store) for kind, store in parts]
        self._disk = disk
        self._hedge_seconds = hedge_seconds
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.faults: Counter[str] = Counter()
        """How often each kind did not work, or gave something else than was asked for."""

    def put(self, root: Root, blob: memoryview) -> None:
        """Keep a blob in as many stores as take it; once one has it, the others have ``hedge_seconds`` more, and are
        not waited for any longer.

        Raises:
            StoreError: none of them did.
        """
        awake = [part for part in self._parts if not self._rests(part)] or self._parts
        for part in self._parts:
            part.owed[root] = blob.nbytes
        answers: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        for part in awake:
            _start(self._put, part, root, blob, answers)
        failed: list[str] = []
        until: float | None = None
        for _ in awake:
            try:
                error = answers.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                return  # they go on by themselves
            if error is None:
                until = until or time.monotonic() + self._hedge_seconds
            elif isinstance(error, StoreError):
                failed.append(str(error))
            else:
                raise error
        if len(failed) == len(awake):
            raise StoreError("; ".join(failed))

    def get(self, root: Root, size: int, holders: Sequence[Address] = ()) -> memoryview:
        """Return the blob, read-only and checked, from whichever store gives it first.

        Raises:
            BlobMissing: no store has it (yet), or some do not work.
            BlobCorrupt: every store has something else.
            StoreError: no store works.
        """
        waiting = sorted(self._parts, key=self._rests)  # keeps the order among those that rest, and those that do not
        answers: queue.SimpleQueue[tuple[StorePart, memoryview | BaseException]] = queue.SimpleQueue()
        errors: list[BaseException] = []
        asked: list[StorePart] = []
        while len(errors) < len(self._parts):
            if waiting:
                asked.append(waiting.pop(0))
                _start(self._get, asked[-1], root, size, holders, answers)
            try:
                hedge = 0.0 if asked[-1].in_vain >= IN_VAIN else self._hedge_seconds
                part, answer = answers.get(timeout=hedge if waiting else None)
            except queue.Empty:
                continue  # too slow: ask the next one too
            if isinstance(answer, memoryview):
                self._note_turns(part, asked)
                return answer
            errors.append(answer)
        raise _sum(errors, root)

    def has(self, root: Root) -> bool:
        """Say whether one of the stores has it; one that does not work has not.

        Raises:
            StoreError: none of them works.
        """
        failed: list[str] = []
        for part in sorted(self._parts, key=self._rests):
            try:
                if part.store.has(root):
                    return True
            except StoreError as error:
                self._fault(part, error)
                failed.append(str(error))
        if len(failed) == len(self._parts):
            raise StoreError("; ".join(failed))
        return False

    def close(self) -> None:
        """Close all of them."""
        self._closed.set()
        for part in self._parts:
            part.store.close()

    def _put(
        self, part: StorePart, root: Root, blob: memoryview, answers: queue.SimpleQueue[BaseException | None]
    ) -> None:
        try:
            part.store.put(root, blob)
        except BaseException as error:  # handed to who waits for it
            if isinstance(error, StoreError):
                self._fault(part, error)
            answers.put(error)
            return
        self._well(part)
        part.owed.pop(root, None)
        answers.put(None)
        self._settle(part)

    def _settle(self, part: StorePart) -> None:
        """Put into a store that works what it could not take before."""
        with part.settling:
            for root, size in list(part.owed.items()):
                if self._closed.is_set():
                    return
                try:
                    part.store.put(root, self._disk.get(root, size))
                except (BlobMissing, BlobCorrupt) as error:  # the own disk has let go of it
                    log.info("%s", error)
                except StoreError as error:
                    self._fault(part, error)
                    return
                part.owed.pop(root, None)

    def _settle_later(self, part: StorePart, seconds: float) -> None:
        if not self._closed.wait(seconds):
            with self._lock:
                part.is_due, part.rests_until = False, float("-inf")
            self._settle(part)

    def _note_turns(self, gave: StorePart, asked: Sequence[StorePart]) -> None:
        """Take note of who was asked in vain before the one that gave a blob."""
        with self._lock:
            for part in asked[: asked.index(gave)]:
                part.in_vain += 1
            gave.in_vain = 0

    def _get(
        self,
        part: StorePart,
        root: Root,
        size: int,
        holders: Sequence[Address],
        answers: queue.SimpleQueue[tuple[StorePart, memoryview | BaseException]],
    ) -> None:
        try:
            blob = part.store.get(root, size, holders)
        except BaseException as error:
            if isinstance(error, StoreError) and not isinstance(error, BlobMissing):
                self._fault(part, error, rests=not isinstance(error, BlobCorrupt))
            answers.put((part, error))
            return
        self._well(part)
        answers.put((part, blob))

    def _rests(self, part: StorePart) -> bool:
        return time.monotonic() < part.rests_until

    def _fault(self, part: StorePart, error: StoreError, rests: bool = True) -> None:
        with self._lock:
            self.faults[part.kind] += 1
            count, is_known = self.faults[part.kind], self._rests(part)
            if rests and not is_known:  # what fails side by side, or while it rests, is one fault
                part.rests_until = time.monotonic() + part.rest
                if not part.is_due:
                    part.is_due = True
                    _start(self._settle_later, part, part.rest)
                part.rest = min(2 * part.rest, LONGEST_REST)
        level = logging.INFO if is_known else logging.WARNING
        log.log(level, "%s (fault %d of %s in store.order)", error, count, part.kind)

    def _well(self, part: StorePart) -> None:
        with self._lock:
            part.rests_until, part.rest = float("-inf"), FIRST_REST

    def publish(self, root: Root, blob: memoryview) -> None:
        """See ``Publishes``; stores that do not encrypt have it for everybody already.

        Raises:
            StoreError: one of them did not; the others did.
        """
        failed: list[str] = []
        for part in self._parts:
            if isinstance(part.store, Publishes):
                try:
                    part.store.publish(root, blob)
                except StoreError as error:
                    self._fault(part, error)
                    failed.append(str(error))
        if failed:
            raise StoreError("; ".join(failed))

    def card(self) -> Card:
        """See ``Announces``; of a store that is away it says what it said before: an outage would cost two transactions
        else."""
        found = Card()
        for part in self._parts:
            if isinstance(part.store, Announces):
                try:
                    part.card = part.store.card()
                except StoreError as error:
                    self._fault(part, error)
                found = found.beside(part.card)
        return found

    def tend(self) -> None:
        """See ``Announces``."""
        for part in self._parts:
            if isinstance(part.store, Announces):
                part.store.tend()


def _start(work: Callable[..., None], *arguments: object) -> None:
    """Run something in a thread that does not keep the process: a store that hangs is not waited for at its end."""
    threading.Thread(target=work, args=arguments, name="rayfed-several", daemon=True).start()


def _sum(errors: Sequence[BaseException], root: Root) -> BaseException:
    """Return what several stores' refusals come to."""
    for error in errors:
        if not isinstance(error, StoreError):
            return error
    text = "; ".join(dict.fromkeys(str(error) for error in errors))
    if all(isinstance(error, BlobCorrupt) for error in errors):
        return BlobCorrupt(text)
    if not any(isinstance(error, BlobMissing | BlobCorrupt) for error in errors):
        return StoreError(text)
    return BlobMissing(f"no store has blob {short(root)}: {text}")

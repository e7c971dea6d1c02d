"""What a node gives to its peers: its own update once COMMIT has closed, others' updates while their round can still
be judged, and every final model that it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from rayfed.attacks.behaviour import Behaviour
from rayfed.encoding.primitives import NO_ROOT, Root
from rayfed.node.blobs import BlobRepository
from rayfed.node.recent import Recent
from rayfed.protocol.messages import View

OWN = 64
"""Updates of its own that a node tells from others': of all rounds that can be judged, on several branches."""


class Publisher:
    """Publishes, and tries again what the store has refused.

    Args:
        blobs: the node's.
        behaviour: may give peers something else.
        note: told in a line why something is not published.
        keeps: whether others' updates are kept on the own disk, and given, until their round is settled; who keeps them
            has a watchtower that lets them go then.
        opens: whether the model that the federation ends with is for everybody.
    """

    def __init__(
        self,
        blobs: BlobRepository,
        behaviour: Behaviour,
        note: Callable[[str], None],
        keeps: bool = True,
        opens: bool = True,
    ) -> None:
        self._blobs = blobs
        self._behaviour = behaviour
        self._note = note
        self._keeps = keeps
        self._opens = opens
        self._opened = NO_ROOT
        self._own: Recent[Root] = Recent(OWN)
        self._owed: set[Root] = set()
        self._finished_at = 0

    def own_update(self, view: View, index: int) -> bool:
        """Offer what this node committed to, if anything; False if the store refuses just now.

        Only ever called once COMMIT has closed.
        """
        root, offer = view.roots[index], partial(self._behaviour.offer, view.round)
        self._own.add(root)
        return root == NO_ROOT or self._publish(root, offer)

    def others(self, round: int, updates: Mapping[Root, memoryview]) -> None:
        """Give updates of a round that the node has, others' too: whoever votes and does not miss one does.

        Raises:
            StoreError: the disk is full.
        """
        if not self._keeps:
            return
        self._blobs.disk.hold(round, updates)
        for root, blob in updates.items():
            if root not in self._own:
                published = self._blobs.give(root, blob)
                if not published.is_done:
                    self._note(published.reason)

    def again(self, roots: Iterable[Root]) -> None:
        """Offer what a node had offered before it was started again: what it signed in rounds that have closed. Members
        and auditors find it there for as long as its disk keeps it."""
        self._blobs.reveal(roots)

    def model(self, root: Root, for_all: bool = False) -> None:
        """Offer a final model: whoever holds one serves it, so that a latecomer finds it however few are left.

        Args:
            root: of the model.
            for_all: whether the federation ends with it: if the charter says so, it is everybody's then.
        """
        if not (self._open_to_all(root) if for_all and self._opens else self._publish(root)):
            self._owed.add(root)

    def owes(self, finished: bool, view: View, patience: float) -> bool:
        """Offer again the final models that the store has refused; say whether to try once more.

        Nobody who comes late could do without them. A node that is finished waits for its store as it would for a
        peer, ``patience`` seconds.
        """
        self._owed = {root for root in self._owed if not self._publish(root)}
        if finished and self._opens and not self._open_to_all(view.base):
            self._owed.add(view.base)
        if finished and not self._finished_at:
            self._finished_at = view.time
        return bool(self._owed) and (not finished or view.time - self._finished_at < patience)

    def _open_to_all(self, root: Root) -> bool:
        if self._opened == root:
            return True
        opened = self._blobs.open_to_all(root)
        if not opened.is_done:
            self._note(opened.reason)
            return False
        self._opened = root
        return self._publish(root)

    def _publish(self, root: Root, change: Callable[[memoryview], memoryview | None] = lambda blob: blob) -> bool:
        published = self._blobs.publish(root, change)
        if not published.is_done:
            self._note(published.reason)
        return published.is_done

"""The third life of a host: the watchtowers of its nodes."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError, LedgerUnreachable, StoreError
from rayfed.ledger import Ledger
from rayfed.node.edge_node import EdgeNode
from rayfed.node.herald import Herald
from rayfed.node.watchtower import Saboteur, Watchtower
from rayfed.protocol.messages import View
from rayfed.runtime.host.failure import STARVED, in_one_line, starved
from rayfed.runtime.host.life import Life
from rayfed.runtime.host.reads import OneLook

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How often to look while nothing wakes the loop: somebody may have gone to court, which changes no phase."""

IN_FLIGHT_SECONDS = 0.2
"""How long to rest while it is not known what became of a move."""


@dataclass(slots=True)
class Post:
    """One node's place in the watch.

    Attributes:
        node: whose account it is.
        ledger: a handle of that account which nobody else uses.
        tower: looks after the federation; of a dishonest node that defends nothing, what it does in court instead.
        payout: where what was earned goes.
        herald: what keeps its card on the ledger; None where its store needs no cards.
    """

    node: EdgeNode
    ledger: Ledger
    tower: Watchtower | Saboteur
    payout: Address
    herald: Herald | None = None


class WatchLife(Life):
    """Lets every honest node of the process look after the federation by itself.

    They share what they read of the ledger in one look, and by the process's memo what they compute. A watchtower that
    fails is told of in its node's status and built anew; the others, and the rounds, do not notice.

    Args:
        look: returns the federation as it is now.
        posts: one a node.
        reads: what the towers' handles read through; forgotten at every look.
        rebuild: returns a new watchtower for a post whose own has failed.
    """

    def __init__(
        self,
        look: Callable[[], View],
        posts: Sequence[Post],
        reads: OneLook,
        rebuild: Callable[[Post], Watchtower | Saboteur],
    ) -> None:
        super().__init__("watchtower", look, self._note)
        self._posts = posts
        self._reads = reads
        self._rebuild = rebuild
        self._claims = self._departs = False

    def is_satisfied(self, view: View) -> bool:
        """Say whether all that is final by this view, and can still be judged, is known to be right. Safe to call from
        any thread."""
        return all(post.tower.is_satisfied(view) for post in self._posts)

    def begin_to_claim(self) -> None:
        """Have paid out from now on what was earned. Safe to call from any thread."""
        self._claims = True
        self.wake()

    def begin_to_depart(self) -> None:
        """Have stake and bonds paid out, too, as soon as that can be. Safe to call from any thread."""
        self._departs = True
        self.begin_to_claim()

    def step(self, view: View) -> float:
        """Let each watchtower do what is due; see ``Life``."""
        self._reads.forget()
        acted = [self._guarded(work, post, view) for work in (self._act, self._announce) for post in self._posts]
        if any(acted) or any(post.ledger.is_sending for post in self._posts):
            return IN_FLIGHT_SECONDS
        return LOOK_SECONDS

    def _act(self, post: Post, view: View) -> bool:
        if post.tower.step(view):
            return True
        return self._claims and post.tower.claim(post.payout, view, departs=self._departs)

    def _announce(self, post: Post, view: View) -> bool:
        if post.herald is not None:
            post.herald.step(view)
        return False

    def _guarded(self, work: Callable[[Post, View], bool], post: Post, view: View) -> bool:
        try:
            return work(post, view)
        except LedgerUnreachable:
            raise
        except (LedgerError, StoreError) as error:
            # No money for a bond, or a full disk, say. Rounds go on without, and it is tried again at the next look.
            log.warning("watching the federation: %s", error)
        except Exception as error:
            log.exception("the watchtower of %s failed", post.node.address)
            if starved(error):
                os._exit(STARVED)
            post.node.kit.board.note(f"the watchtower failed and begins again: {in_one_line(error)}")
            post.tower = self._rebuild(post)
        return False

    def _note(self, line: str) -> None:
        for post in self._posts:
            post.node.kit.board.hear(line)

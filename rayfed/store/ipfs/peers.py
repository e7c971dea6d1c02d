"""From a root to where it may lie: what the Kubos of other parties say that they have.

Every party publishes the folder ``/rayfed`` of its Kubo under that Kubo's own name, ``/ipns/<peer id>``. So who knows a
party's peer id finds all of its blobs by their roots. Peer ids come from settings, from the members' cards, or else
from a meeting point that follows from the federation's address alone: a block whose CID everybody can compute, and
that all parties say to provide.

All of it is hearsay: anybody may claim to be such a party, and list anything. Only what hashes to its root is
believed, so a false claim costs a download at most, and who made it is asked last from then on.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from rayfed.encoding.primitives import Address, Root
from rayfed.store.card import Cards, no_cards
from rayfed.store.ipfs.address import is_peer, peer_id
from rayfed.store.ipfs.folder import listed, plain_cid
from rayfed.store.ipfs.rpc import Kubo, KuboComplaint

log = logging.getLogger(__name__)

FIND_SECONDS = 5.0
"""How long one step of the search may take."""

AGAIN_SECONDS = 5.0
"""So often new peers are looked for at most."""

CONNECT_AGAIN_SECONDS = 60.0

TRIES, TRY_AGAIN_SECONDS = 4, 0.25
"""Two nodes that have just been connected ask each other for names a moment later only."""

MOST_PEERS = 64
"""Strangers who can be met: each may cost a question and a download."""

CLAIMS = 2
"""How many different CIDs one peer may name for one root."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A blob may lie under this CID, as these peers say."""

    cid: str
    peers: tuple[str, ...]


class HintSource(Protocol):
    """Says where a blob may lie. Safe to use from several threads."""

    def find(self, root: Root, holders: Sequence[Address]) -> Iterator[Hint]:
        """Yield hints, the most credible first, and look further only for who wants more; none if nobody knows.

        Raises:
            StoreError: the own Kubo does not answer.
        """

    def failed(self, hint: Hint) -> None:
        """Learn that under a hint there was something else, or nothing."""


def meeting_block(federation: Address) -> bytes:
    """Return the bytes of the block that all parties of a federation provide."""
    return f"rayfed: the parties of the federation {federation.lower()} provide this block\n".encode()


def meeting_cid(federation: Address) -> str:
    """Return that block's CID: version 1, raw, SHA-256, base 32."""
    digest = hashlib.sha256(meeting_block(federation)).digest()
    return "b" + base64.b32encode(b"\x01\x55\x12\x20" + digest).decode().lower().rstrip("=")


class PeerFolders:
    """Looks into the folders that other parties publish; follows ``HintSource``.

    Args:
        kubo: the own one.
        federation: the contract's address.
        given: peers by setting.
        cards: members' cards, which say how their Kubos can be reached.
    """

    def __init__(self, kubo: Kubo, federation: Address, given: Sequence[str] = (), cards: Cards = no_cards) -> None:
        self._kubo = kubo
        self._federation = federation.lower()
        self._given = tuple(given)
        self._cards = cards
        self._lock = threading.Lock()
        self._meeting = threading.Lock()
        self._met: tuple[str, ...] = ()
        self._asked_at = float("-inf")
        self._connected: dict[str, float] = {}
        self._faults: Counter[str] = Counter()
        self._own: str | None = None

    def find(self, root: Root, holders: Sequence[Address]) -> Iterator[Hint]:
        """See ``HintSource``. Peers known by now are asked first; if what they say is not enough, others are met."""
        named = [*self._given, *self._carded(holders)]
        known = self._met
        yield from self._ask([*named, *known], root)
        met = self._meet()
        yield from self._ask([peer for peer in met if peer not in known], root)

    def failed(self, hint: Hint) -> None:
        """See ``HintSource``."""
        with self._lock:
            self._faults.update(hint.peers)

    def _carded(self, holders: Sequence[Address]) -> list[str]:
        """Return what holders' cards say, those first who should have it."""
        cards, wanted = self._cards(), {holder.lower() for holder in holders}
        found = sorted(cards, key=lambda address: address not in wanted)
        return [card.ipfs for card in map(cards.__getitem__, found) if is_peer(card.ipfs)][:MOST_PEERS]

    def _ask(self, peers: Sequence[str], root: Root) -> list[Hint]:
        """Ask peers side by side; return what they name, those that most of them name first, cheats' last."""
        by_id = {peer_id(peer): peer for peer in reversed(peers)}
        by_id.pop(self._self(), None)
        if not by_id:
            return []
        with ThreadPoolExecutor(min(16, len(by_id)), "rayfed-ipfs") as pool:
            answers = dict(zip(by_id, pool.map(lambda one: self._look(one, by_id[one], root), by_id), strict=True))
        named: dict[str, list[str]] = {}
        for peer, cids in answers.items():
            for cid in cids[:CLAIMS]:
                named.setdefault(cid, []).append(peer)
        hints = [Hint(cid, tuple(who)) for cid, who in named.items()]
        with self._lock:
            return sorted(hints, key=lambda one: (min(self._faults[who] for who in one.peers), -len(one.peers)))

    def _look(self, peer: str, address: str, root: Root) -> list[str]:
        """Return what one peer's folder has for a root."""
        try:
            path = self._resolve(peer, tries=TRIES if self._connect(peer, address) else 1)
            folder = f"/ipfs/{plain_cid(path.removeprefix('/ipfs/'))}"
            return listed(self._kubo, folder, self._federation, root, timeout=f"{FIND_SECONDS:g}s")
        except KuboComplaint as error:
            log.info("%s", error)
            return []

    def _resolve(self, peer: str, tries: int) -> str:
        """Return the path of what a peer has published."""
        options = {"nocache": True, "dht_record_count": 1, "dht_timeout": f"{FIND_SECONDS:g}s"}
        while True:
            tries -= 1
            try:
                return self._kubo.value("Path", "name/resolve", peer, seconds=FIND_SECONDS + 2, **options)
            except KuboComplaint:
                if not tries:
                    raise
            time.sleep(TRY_AGAIN_SECONDS)

    def _connect(self, peer: str, address: str) -> bool:
        """Be connected, so that blocks come from there without a search; Kubo may find a way by itself, too.

        Returns:
            whether it was tried just now.
        """
        now = time.monotonic()
        with self._lock:
            if now - self._connected.get(peer, float("-inf")) < CONNECT_AGAIN_SECONDS:
                return False
            self._connected[peer] = now
        try:
            target = address if address.startswith("/") else f"/p2p/{peer}"
            self._kubo.call("swarm/connect", target, seconds=FIND_SECONDS + 2, timeout=f"{FIND_SECONDS:g}s")
        except KuboComplaint as error:
            log.info("%s", error)
        return True

    def _meet(self) -> tuple[str, ...]:
        """Return who provides the meeting point, by peer id; asked for at most every ``AGAIN_SECONDS``."""
        with self._meeting:
            if time.monotonic() - self._asked_at < AGAIN_SECONDS:
                return self._met
            options: dict[str, Any] = {"num_providers": MOST_PEERS, "timeout": f"{FIND_SECONDS:g}s"}
            try:
                answer = self._kubo.call(
                    "routing/findprovs", meeting_cid(self._federation), seconds=FIND_SECONDS + 2, **options
                )
            except KuboComplaint as error:  # this Kubo has no routing, or found nobody in time
                log.info("%s", error)
                answer = []
            found = [one["ID"] for event in answer for one in event.get("Responses") or [] if "ID" in one]
            self._met = tuple(dict.fromkeys([*self._met, *map(str, found)]))[:MOST_PEERS]
            self._asked_at = time.monotonic()
            return self._met

    def _self(self) -> str:
        if self._own is None:
            self._own = self._kubo.value("ID", "id")
        return self._own

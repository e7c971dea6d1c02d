"""What nodes offer to peers, over months: no more than what their disks have."""

from __future__ import annotations

from collections.abc import Callable, Sized
from pathlib import Path

import pytest

from rayfed.encoding import merkle
from rayfed.encoding.primitives import Root
from rayfed.store.card import no_cards
from rayfed.store.files import FileStore
from rayfed.store.p2p.server import QuicServer
from rayfed.store.ray.server import BlobServer
from rayfed.store.trim import FEW, Trim

ROUNDS, KEPT = 20 * FEW, 5


def by_ray(disk: FileStore) -> tuple[Callable[[Root], None], Callable[[Root], None], Callable[[], Sized]]:
    server = BlobServer(disk)
    return server.offer, server.reveal, lambda: server._offered


def by_quic(disk: FileStore) -> tuple[Callable[[Root], None], Callable[[Root], None], Callable[[], Sized]]:
    server = QuicServer(disk, "0x" + "fe" * 20, no_cards)
    return server.publish, server.reveal, lambda: server._offered | server._public


@pytest.mark.parametrize("kind", [by_ray, by_quic])
def test_a_server_forgets_what_its_disk_has_let_go_of_and_nothing_else(
    kind: Callable[[FileStore], tuple[Callable[[Root], None], Callable[[Root], None], Callable[[], Sized]]],
    tmp_path: Path,
) -> None:
    disk = FileStore(tmp_path)
    offer, reveal, offered = kind(disk)
    kept: list[Root] = []
    for round in range(ROUNDS):
        blob = memoryview(round.to_bytes(merkle.LEAF, "big"))
        kept.append(merkle.root(blob))
        disk.put(kept[-1], blob)
        reveal(kept[-1])
        offer(kept[-1])
        disk.remove(set(kept[:-KEPT]))
        del kept[:-KEPT]
        assert set(kept) <= set(offered())  # type: ignore[call-overload]
        assert len(offered()) <= FEW


def test_a_disk_that_keeps_all_is_looked_through_ever_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, looks = FileStore(tmp_path), list[Root]()
    monkeypatch.setattr(disk, "has", lambda root: looks.append(root) or True)
    trim, offered = Trim(disk), list[Root]()
    for number in range(ROUNDS):
        offered.append(number.to_bytes(32, "big"))
        assert trim.gone(offered) == []
    assert len(looks) < 2 * ROUNDS

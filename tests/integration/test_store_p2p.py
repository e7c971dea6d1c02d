"""PeerToPeerStore over real endpoints on loopback: honest peers, and peers that are not."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from p2p import SIZE, Members, blob_of, members

from rayfed.audit.places import opened
from rayfed.errors import BlobMissing, ConfigError, StoreError
from rayfed.store.card import Card
from rayfed.store.p2p import binding, client, door, loop, server
from rayfed.store.p2p.options import P2pOptions
from rayfed.store.p2p.server import ANSWER, HERE, REQUEST

pytest.importorskip("iroh")

PATIENCE = 200.0
"""Seconds for what must happen; only a test that fails ever waits so long."""


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Members]:
    with members(tmp_path) as made:
        yield made


def test_a_blob_goes_from_member_to_member(federation: Members) -> None:
    a, b = federation.join("a"), federation.join("b")
    root, blob = blob_of(1)
    with pytest.raises(BlobMissing, match="a has not got it"):
        b.get(root, SIZE, ["A"])
    a.put(root, blob)
    got = b.get(root, SIZE, ["A"])
    assert got == blob
    assert got.readonly
    assert a.has(root)
    assert not b.has(root)
    assert b.get(root, SIZE) == blob, "no holder in particular: all members"


def test_only_what_is_meant_is_listened_on(federation: Members) -> None:
    a = federation.join("a")
    hosts = {address.rpartition(":")[0] for address in a.endpoint().bound_sockets()}
    assert hosts == {"127.0.0.1", "[::1]"}
    assert all(address.startswith(("127.0.0.1:", "[::1]:")) for address in federation.cards["a"].addresses)


def test_an_update_is_nobodys_before_it_is_offered(federation: Members) -> None:
    a, b = federation.join("a"), federation.join("b")
    root, blob = blob_of(2)
    a._local.put(root, blob)
    with pytest.raises(BlobMissing, match="has not got it"):
        b.get(root, SIZE, ["a"])
    a.server.reveal(root)
    assert b.get(root, SIZE, ["a"]) == blob


def test_what_its_author_denies_to_one_member_another_gives(federation: Members) -> None:
    author, b, denied = federation.join("a", gives=lambda member: member != "c"), *map(federation.join, "bc")
    root, blob = blob_of(5)
    author.put(root, blob)
    with pytest.raises(BlobMissing, match="a has not got it"):
        denied.get(root, SIZE, ["a"])
    b.put(root, b.get(root, SIZE, ["a"]))
    assert denied.get(root, SIZE, ["a", "b"]) == blob


def test_a_stranger_gets_what_is_for_everybody_and_nothing_else(federation: Members) -> None:
    a = federation.join("a")
    (root, blob), (final, model) = blob_of(3), blob_of(4)
    a.put(root, blob)
    stranger = federation.store("stranger", visits=True)
    with pytest.raises(BlobMissing, match="gives it to members only, and knows no card of this node"):
        stranger.get(root, SIZE, ["a"])
    a.publish(final, model)
    assert stranger.get(final, SIZE, ["a"]) == model
    open_to_all = federation.join("c", confidential=False)
    open_to_all.put(root, blob)
    assert stranger.get(root, SIZE, ["c"]) == blob


def test_an_auditor_finds_the_final_model_by_cards(federation: Members) -> None:
    a = federation.join("a")
    root, blob = blob_of(5)
    a.publish(root, blob)
    with opened("p2p:", federation.federation, None, lambda: federation.cards) as [place]:
        [copy] = place.copies(root, SIZE, ())
        assert copy.read(lambda: memoryview(bytearray(SIZE))) == blob


def test_another_federation_is_another_place(federation: Members, tmp_path: Path) -> None:
    a = federation.join("a")
    root, blob = blob_of(6)
    a.publish(root, blob)
    with members(tmp_path / "other") as other:
        b = other.join("b")
        other.cards = {**other.cards, "a": federation.cards["a"]}
        with pytest.raises(BlobMissing, match="a has not got it"):
            b.get(root, SIZE, ["a"])


def test_who_starts_again_is_the_same_endpoint(federation: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = federation.join("a"), federation.join("b")
    root, blob = blob_of(7)
    a.put(root, blob)
    assert b.get(root, SIZE, ["a"]) == blob
    monkeypatch.setattr(client, "REST_SECONDS", 0.0)
    a.close()
    with pytest.raises(BlobMissing):
        b.get(root, SIZE, ["a"])
    again = P2pOptions(listen="127.0.0.1:0")
    assert again.open(federation_site(federation, a)).card().endpoint == federation.cards["a"].endpoint


def federation_site(federation: Members, store: Any) -> Any:
    from rayfed.store import Site
    from rayfed.store.confidential.envelope import Envelope

    envelope = Envelope(federation.federation, store._key)
    return Site(store._local, federation.federation, envelope=lambda: envelope, member="a")


class Hostile:
    """An endpoint that answers, or asks, as it likes."""

    def __init__(self, federation: Members, name: str, answer: Callable[[Any], Any] | None = None) -> None:
        self.endpoint = loop.run(binding.bind(secrets.token_bytes(32), "127.0.0.1:0", None))
        self.id = bytes(self.endpoint.id().to_bytes())
        self.held: list[Any] = []
        card = Card(endpoint=self.id, addresses=tuple(self.endpoint.addr().direct_addresses()))
        federation.cards = {**federation.cards, name: card}
        if answer is not None:
            loop.start(self._serve(answer))

    async def _serve(self, answer: Callable[[Any], Any]) -> None:
        while (incoming := await self.endpoint.accept_next()) is not None:
            self.held.append(asyncio.ensure_future(self._one(incoming, answer)))

    async def _one(self, incoming: Any, answer: Callable[[Any], Any]) -> None:
        connection = await (await incoming.accept()).connect()
        self.held.append(connection)
        while True:
            stream = await connection.accept_bi()
            self.held.append(asyncio.ensure_future(answer(stream)))

    def ask(self, card: Card, root: bytes, federation: str, streams: int, patience: float = 0.5) -> list[Any]:
        """Open streams to a member, and ask for a blob in each; read nothing. Each takes ``patience`` seconds at most:
        where there is room for no more, one would wait for ever."""
        return loop.run(self._ask(card, root, bytes.fromhex(federation[2:]), streams, patience))

    async def _ask(self, card: Card, root: bytes, federation: bytes, streams: int, patience: float) -> list[Any]:
        iroh = binding.module()
        address = iroh.EndpointAddr(iroh.EndpointId.from_bytes(card.endpoint), None, list(card.addresses))
        opened: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE):
                connection = await self.endpoint.connect(address, binding.ALPN)
            self.held.append(connection)
            for _ in range(streams):
                async with asyncio.timeout(patience):
                    stream = await connection.open_bi()
                    await stream.send().write_all(REQUEST.pack(b"G", federation, root))
                    opened.append(stream)
                    self.held.append(stream)  # a stream that nobody holds is stopped
        except (TimeoutError, iroh.IrohError):
            pass  # no place for one more, or shut out altogether: what it got has to do
        return opened

    def close(self) -> None:
        loop.run(self.endpoint.close())


def drips(stream: Any) -> Any:
    async def answer() -> None:
        await stream.send().write_all(ANSWER.pack(HERE, SIZE))
        for _ in range(1000):
            await stream.send().write_all(b"x")
            await asyncio.sleep(0.2)

    return answer()


def says(*parts: bytes, finish: bool = True) -> Callable[[Any], Any]:
    async def answer(stream: Any) -> None:
        for part in parts:
            await stream.send().write_all(part)
        if finish:
            await stream.send().finish()

    return answer


GARBAGE = {
    "hashes to something else": (says(ANSWER.pack(HERE, SIZE), bytes(SIZE)), "does not hash to its root"),
    "longer than it may be": (says(ANSWER.pack(HERE, 1 << 62), bytes(1 << 16), finish=False), "bytes instead of"),
    "cut": (says(ANSWER.pack(HERE, SIZE), bytes(5)), "stopped in the middle"),
    "no answer at all": (says(finish=False), "takes too long"),
    "nonsense": (says(b"\xff" * 9), "has not got it"),
    "half an answer": (says(b"\x00"), "does not answer"),
    "drips": (drips, "takes too long"),
}


SLOW = ("no answer at all", "drips")
"""What takes too long, whatever the patience is; the others answer."""


@pytest.mark.parametrize("kind", GARBAGE)
def test_what_a_lying_peer_gives_is_missing_and_the_next_one_is_asked(
    federation: Members, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    answer, words = GARBAGE[kind]
    a, b = federation.join("a"), federation.join("b")
    liar = Hostile(federation, "liar", answer)
    root, blob = blob_of(8)
    with monkeypatch.context() as short:
        if kind in SLOW:
            short.setattr(client, "ANSWER_SECONDS", 1.0)
            short.setattr(client, "WHOLE_SECONDS", 2.0)
            short.setattr(client, "SLOWEST", 4 << 20)
        with pytest.raises(BlobMissing, match=words):
            b.get(root, SIZE, ["liar"])
    a.put(root, blob)
    assert b.get(root, SIZE, ["liar", "a"]) == blob
    assert b.client._order(federation.cards, ["liar", "a"])[-1].member == "liar", "who lied is asked last"
    liar.close()


def test_a_card_that_leads_nowhere_or_to_somebody_else(federation: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = federation.join("a"), federation.join("b")
    root, blob = blob_of(9)
    a.put(root, blob)
    real = federation.cards["a"]
    nobody = bytes(_id := secrets.token_bytes(32))
    federation.cards |= {
        "away": Card(endpoint=bytes(b.endpoint().id().to_bytes())[::-1], addresses=("127.0.0.1:9",)),
        "liar": Card(endpoint=federation.cards["b"].endpoint, addresses=real.addresses),  # another's id, a's address
        "odd": Card(endpoint=nobody, relay="no url", addresses=("no address", "255.255.255.255:9", "224.0.0.1:9")),
        "none": Card(),
    }
    c = federation.join("c")
    with monkeypatch.context() as short:
        short.setattr(client, "CONNECT_SECONDS", 1.5)
        for name in ("away", "odd", "none"):
            with pytest.raises(BlobMissing):
                b.get(root, SIZE, [name])
        with pytest.raises(BlobMissing):
            c.get(root, SIZE, ["liar"])
    assert b.get(root, SIZE, ["away", "odd", "none", "a"]) == blob


def test_who_is_gone_for_good_is_not_dialled_for_each_blob(
    federation: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(client, "FIRST_PAUSE", 10.0)  # or the test need only stand still for two seconds
    a, b = federation.join("a"), federation.join("b")
    root, blob = blob_of(9)
    a.put(root, blob)
    card = federation.cards["a"]
    nowhere = Card(endpoint=card.endpoint, addresses=("127.0.0.1:9",))
    federation.cards = {**federation.cards, "a": nowhere}
    for said in ("takes too long", "takes too long", "has just not answered"):
        with pytest.raises(BlobMissing, match=said):
            b.get(root, SIZE, ["a"])
    federation.cards = {**federation.cards, "a": card}
    monkeypatch.setattr(client, "CONNECT_SECONDS", 8.0)
    eventually(lambda: b.get(root, SIZE, ["a"]) == blob)


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; that nobody gives a blob is no answer yet."""
    end = time.monotonic() + PATIENCE
    while not _holds(holds):
        assert time.monotonic() < end
        time.sleep(0.05)


def _holds(asked: Callable[[], bool]) -> bool:
    try:
        return asked()
    except BlobMissing:
        return False


def test_who_takes_everything_at_once_costs_nobody_else_anything(
    federation: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "AGAIN", 1000)
    a, b = federation.join("a"), federation.join("b")
    root, blob = blob_of(10, 16 << 20)  # more than fits on the way
    a.put(root, blob)
    greedy = Hostile(federation, "greedy")
    for _ in range(5):
        greedy.ask(federation.cards["a"], root, federation.federation, 50)
    eventually(lambda: a.server._transfers[greedy.id] > 0)
    time.sleep(0.5)  # for more than there may be
    assert a.server._transfers[greedy.id] <= server.TRANSFERS
    assert len(a.server._door._open[greedy.id]) <= door.OF_ONE_PEER
    with ThreadPoolExecutor(4) as pool:
        assert all(got == blob for got in pool.map(lambda _: b.get(root, blob.nbytes, ["a"]), range(3)))
    greedy.close()


def test_the_same_blob_again_and_again_is_not_given(federation: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "REST_SECONDS", 0.0)
    monkeypatch.setattr(server, "AGAIN_SECONDS", 2 * PATIENCE)
    a, b = federation.join("a"), federation.join("b")
    root, blob = blob_of(11)
    a.put(root, blob)
    for _ in range(server.AGAIN):
        assert b.get(root, SIZE, ["a"]) == blob
    with pytest.raises(BlobMissing, match="a is busy"):
        b.get(root, SIZE, ["a"])
    c = federation.join("c")
    assert c.get(root, SIZE, ["a"]) == blob, "which is nobody else's loss"


def test_who_drips_is_left(federation: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "WHOLE_SECONDS", 1.0)
    monkeypatch.setattr(server, "SLOWEST", 1 << 30)
    a = federation.join("a")
    size = 64 << 20  # more than fits on the way
    root, blob = blob_of(12, size)
    a.put(root, blob)
    slow = Hostile(federation, "slow")
    assert len(slow.ask(federation.cards["a"], root, federation.federation, 2, PATIENCE)) == 2
    eventually(lambda: (slow.id, root) in a.server._given)  # it was given something
    eventually(lambda: not a.server._transfers[slow.id])
    slow.close()


def test_strangers_leave_room_for_members_and_for_each_other(
    federation: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = federation.join("a"), federation.join("b")
    (root, blob), (final, model) = blob_of(13), blob_of(14, 16 << 20)
    a.put(root, blob)
    a.publish(final, model)
    card = federation.cards["a"]
    strangers = [Hostile(federation, "stranger") for _ in range(door.STRANGERS_OF_ONE_PLACE + 2)]
    federation.cards = {name: one for name, one in federation.cards.items() if name != "stranger"}
    for stranger in strangers:
        stranger.ask(card, final, federation.federation, 8)
    ids = {stranger.id for stranger in strangers}
    eventually(lambda: bool(ids & a.server._door._open.keys()) and bool(a.server._transfers[door.STRANGERS]))
    time.sleep(0.5)  # for more than there may be
    assert 0 < len(ids & a.server._door._open.keys()) <= door.STRANGERS_OF_ONE_PLACE
    # However many names they give themselves, they have one share of what is sent.
    assert set(a.server._transfers) == {door.STRANGERS}
    assert a.server._transfers[door.STRANGERS] <= server.TRANSFERS
    assert b.get(root, SIZE, ["a"]) == blob
    # All room is taken, by those who do not go; one who came long ago does, once somebody waits.
    monkeypatch.setattr(door, "OF_STRANGERS", 3)
    monkeypatch.setattr(door, "STRANGERS_OF_ONE_PLACE", 1000)
    monkeypatch.setattr(door, "STRANGER_SECONDS", 0.0)
    late = Hostile(federation, "late")
    federation.cards = {name: one for name, one in federation.cards.items() if name != "late"}
    late.ask(card, final, federation.federation, 1)
    eventually(lambda: late.id in a.server._door._open)
    for stranger in [*strangers, late]:
        stranger.close()


def test_a_card_with_anothers_name_does_not_harm_its_owner(
    federation: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = federation.join("a"), federation.join("b")
    (root, blob), (other, more) = blob_of(15), blob_of(16)
    a.put(root, blob)
    a.put(other, more)
    assert b.get(root, SIZE, ["a"]) == blob
    monkeypatch.setattr(client, "CONNECT_SECONDS", 1.5)
    before = b.client._connections[federation.cards["a"].endpoint]
    slander = Card(endpoint=federation.cards["a"].endpoint, addresses=("127.0.0.1:9",))
    federation.cards = {**federation.cards, "slander": slander}
    with pytest.raises(BlobMissing):
        b.get(blob_of(17)[0], SIZE, ["slander"])
    assert [peer.member for peer in b.client._order(federation.cards, ["slander", "a"])] == ["a", "slander"]
    slander = Card(endpoint=federation.cards["a"].endpoint[::-1], addresses=federation.cards["a"].addresses)
    federation.cards = {**federation.cards, "slander": slander}
    with pytest.raises(BlobMissing):  # at the owner's address, under a name that nobody has
        b.get(root, SIZE, ["slander"])
    assert before.close_reason() is None, "what goes on between the two others is not cut off"
    assert b.get(other, SIZE, ["a"]) == more


def test_sixteen_fetches_side_by_side(federation: Members) -> None:
    stores = [federation.join(name) for name in "abcd"]
    blobs = [blob_of(seed) for seed in range(20, 36)]
    for number, (root, blob) in enumerate(blobs):
        stores[number % 3].put(root, blob)
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda n: stores[3].get(blobs[n][0], SIZE, ["abc"[n % 3]]), range(16)))
    assert all(one == blob for one, (_, blob) in zip(got, blobs, strict=True))


def test_an_address_that_is_taken_and_a_relay_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from rayfed.store.p2p import store

    monkeypatch.setattr(store, "RELAY_SECONDS", 1.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StoreError, match=rf"^store\.listen: cannot listen on {address}: "):
            P2pOptions(listen=address).check()
    with pytest.raises(StoreError, match=r"^store\.relay: no relay answers at http://127\.0\.0\.1:9$"):
        P2pOptions(listen="127.0.0.1:0", relay="http://127.0.0.1:9").check()
    P2pOptions(listen="127.0.0.1:0").check()


def test_without_iroh_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "iroh", None)
    with pytest.raises(ConfigError, match=r"^store\.kind: p2p needs iroh: pip install 'rayfed\[p2p\]'$"):
        P2pOptions(listen="127.0.0.1:0").check()


def test_nothing_runs_after_a_close(federation: Members) -> None:
    a = federation.join("a")
    a.close()
    a.close()
    with pytest.raises(StoreError, match=r"the store is closed"):
        a.endpoint()
    assert [thread.name for thread in threading.enumerate()].count("rayfed-p2p") == 1

"""Cards: what members say of themselves, in at most 256 bytes, and whatever anybody else may have written there."""

from __future__ import annotations

import secrets

import pytest

from rayfed.errors import LedgerUnreachable
from rayfed.store import card as cards
from rayfed.store.card import MOST_BYTES, Card, CardReader

FULL = Card(
    key=bytes(range(32)),
    endpoint=bytes(range(32, 64)),
    relay="https://relay.example.org:4433",
    ipfs="/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWRauqhd5XvZgrMZ9JCqynWhaRh9HDSXwC7UNiEo86SE6e",
    addresses=("192.0.2.7:7842", "[2001:db8::7]:7842"),
)


@pytest.mark.parametrize("card", [Card(), FULL, Card(key=FULL.key), Card(addresses=FULL.addresses)])
def test_a_card_is_read_as_it_was_written(card: Card) -> None:
    assert Card.decode(card.encode()) == card


def test_what_has_no_room_is_left_out_from_the_end() -> None:
    many = Card(key=FULL.key, endpoint=FULL.endpoint, addresses=tuple(f"192.0.2.{n}:7842" for n in range(20)))
    text = many.encode()
    assert MOST_BYTES - 16 < len(text) <= MOST_BYTES
    read = Card.decode(text)
    assert (read.key, read.endpoint) == (many.key, many.endpoint)
    assert read.addresses == many.addresses[: len(read.addresses)]
    assert len(read.addresses) > 8


def test_anybody_may_announce_anything() -> None:
    text = FULL.encode()
    for strange in (b"", b"call me", b"rf1\x01", b"rf1\x01\x1fshort", text[:-1], text + b"\x04", text + bytes(256)):
        assert Card.decode(strange) == Card()
    assert Card.decode(text + b"\xfe\x03new") == FULL  # a later edition's field
    assert Card.decode(b"rf1\x03\x02\xff\xfe") == Card()
    for _ in range(2000):
        read = Card.decode(b"rf1" + secrets.token_bytes(secrets.randbelow(60)))
        assert len(read.key) in (0, 32)
        assert len(read.endpoint) in (0, 32)


def test_two_stores_share_a_card() -> None:
    assert Card(key=FULL.key, ipfs="mine").beside(Card(ipfs="other", relay="r")) == Card(FULL.key, b"", "r", "mine")


class Told:
    """A ledger that tells cards, or does not answer."""

    def __init__(self) -> None:
        self.said = {"0xAa": FULL.encode(), "0xbb": FULL.encode()}
        self.answers = True

    def cards(self) -> dict[str, bytes]:
        if not self.answers:
            raise LedgerUnreachable("ledger.rpc_url: nothing answers")
        return self.said


def test_only_who_has_a_seat_counts_and_what_was_known_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "LOOK_SECONDS", 0.0)
    told, seated = Told(), ["0xAA", ""]
    read = CardReader(told, lambda: seated)
    assert read() == {"0xaa": FULL}
    told.answers = False
    assert read() == {"0xaa": FULL}
    told.answers = True
    seated.append("0xBB")
    assert read() == {"0xaa": FULL, "0xbb": FULL}

"""Addresses of one's own in every federation: RFC 5869's vectors, and what a derived key depends on."""

from __future__ import annotations

import pytest
from eth_account import Account

from rayfed.ledger.ethereum.identity import ORDER, derive, hkdf

MASTER = Account.from_key("0x" + "11" * 32)
CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OTHER = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"


@pytest.mark.parametrize(
    ("secret", "salt", "info", "length", "expected"),
    [
        (  # RFC 5869, A.1
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (  # A.2
            bytes(range(0x00, 0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            82,
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (  # A.3
            "0b" * 22,
            "",
            "",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
)
def test_hkdf_is_that_of_the_rfc(secret: str, salt: str, info: str, length: int, expected: str) -> None:
    assert hkdf(bytes.fromhex(secret), bytes.fromhex(salt), bytes.fromhex(info), length).hex() == expected


def test_hkdf_gives_no_more_than_it_can() -> None:
    assert len(hkdf(b"s", b"", b"", 255 * 32)) == 8160
    for length in (0, 8161):
        with pytest.raises(ValueError, match="8160"):
            hkdf(b"s", b"", b"", length)


def test_a_node_has_the_same_key_again_and_another_one_wherever_anything_differs() -> None:
    mine = derive(MASTER, 1, CONTRACT)
    assert derive(MASTER, 1, CONTRACT.lower()).key == mine.key
    others = [
        derive(MASTER, 5, CONTRACT),
        derive(MASTER, 1, OTHER),
        derive(MASTER, 1, CONTRACT, 1),
        derive(Account.from_key("0x" + "12" * 32), 1, CONTRACT),
    ]
    assert len({account.address for account in [MASTER, mine, *others]}) == 6


def test_a_derived_key_stays_what_it_was() -> None:
    """A party that updates rayfed must not lose the accounts that its stake is in."""
    info = (1).to_bytes(32, "big") + bytes.fromhex(CONTRACT[2:]) + (0).to_bytes(4, "big")
    wide = int.from_bytes(hkdf(bytes.fromhex("11" * 32), b"rayfed node key v1", info, 48), "big")
    assert int.from_bytes(derive(MASTER, 1, CONTRACT).key, "big") == wide % (ORDER - 1) + 1
    assert derive(MASTER, 1, CONTRACT).address == "0x9DC51d5dFF8dF2276AA7D00947e8b2ceD483997a"

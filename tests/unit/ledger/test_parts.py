"""Where code lies that nobody has to be trusted for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from rayfed.ledger.ethereum import parts
from tests.unit.ledger.test_abi import TERMS

DEPLOYER = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


@pytest.mark.parametrize(
    ("deployer", "salt", "init", "expected"),
    [
        ("00" * 20, "00" * 32, "00", "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"),
        ("deadbeef" + "00" * 16, "00" * 32, "00", "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"),
        ("deadbeef" + "00" * 16, "00" * 12 + "feed" + "00" * 18, "00", "0xD04116cDd17beBE565EB2422F2497E06cC1C9833"),
        ("00" * 20, "00" * 32, "", "0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"),
    ],
)
def test_create2_is_eip_1014s(deployer: str, salt: str, init: str, expected: str) -> None:
    assert parts.create2("0x" + deployer, bytes.fromhex(salt), bytes.fromhex(init)) == expected


def test_each_part_is_told_where_the_one_before_it_is() -> None:
    those = parts.parts(DEPLOYER)
    assert [part.name for part in those] == ["Views", "Tournament", "Treasury", "Ledger", "Factory"]
    for before, part in pairwise(those):
        assert part.init.endswith(bytes.fromhex(before.address[2:]).rjust(32, b"\0"))
        assert part.address == parts.create2(DEPLOYER, parts.SALT, part.init)
    assert len({part.address for part in (*those, *parts.parts(parts.PROXY))}) == 2 * len(those)


def test_a_federations_address_follows_from_terms_salt_factory_and_code() -> None:
    *_, ledger, factory = parts.parts(DEPLOYER)
    address = parts.address_of(factory.address, ledger.address, TERMS, bytes(32))
    assert address == parts.address_of(factory.address, ledger.address, replace(TERMS), bytes(32))
    others = {
        parts.address_of(factory.address, ledger.address, replace(TERMS, rounds=6), bytes(32)),
        parts.address_of(factory.address, ledger.address, TERMS, b"\1" * 32),
        parts.address_of(DEPLOYER, ledger.address, TERMS, bytes(32)),
        parts.address_of(factory.address, DEPLOYER, TERMS, bytes(32)),
    }
    assert len(others | {address}) == 5

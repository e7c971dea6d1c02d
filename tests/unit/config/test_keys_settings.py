"""The settings that say which key a node has, and where its rewards go."""

from __future__ import annotations

import pytest

from rayfed import config
from rayfed.errors import ConfigError

RPC = "ledger.rpc_url=http://localhost:8545"
PURSE = "ledger.key_file=purse"
CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's own example


def payout(address: str) -> str:
    return f"ledger.payout_address='{address}'"


@pytest.mark.parametrize("address", [CHECKSUMMED, CHECKSUMMED.lower(), "0x" + CHECKSUMMED[2:].upper()])
def test_a_payout_address_is_taken_with_a_right_checksum_or_none(address: str) -> None:
    assert config.load([payout(address)]).ledger.payout_address == address
    assert config.load([]).ledger.payout_address is None


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        (CHECKSUMMED.replace("aA", "Aa"), "is mistyped: its upper and lower case do not match its checksum"),
        (CHECKSUMMED[:-1], "is not an address"),
        ("0x" + "0" * 40, "is the zero address"),
        ("alice.eth", "is not an address"),
    ],
)
def test_a_payout_address_that_would_lose_money_is_refused(address: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=rf"^ledger\.payout_address: .*{complaint}"):
        config.load([payout(address)])


def test_a_keystore_needs_its_password() -> None:
    with pytest.raises(ConfigError, match=r"^ledger\.password_file: "):
        config.load([RPC, PURSE, "ledger.keystore=master.json"])


def test_only_a_node_that_joins_needs_no_purse() -> None:
    master = ["ledger.keystore=master.json", "ledger.password_file=password"]
    with pytest.raises(ConfigError, match=r"^ledger\.key_file: "):
        config.load([RPC, *master])
    joining = f"+federation_address='{CHECKSUMMED}'"
    assert config.load([RPC, joining]).ledger.key_file is None, "it can be sent its money"
    settings = config.load([RPC, joining, *master])
    assert settings.ledger.key_file is None
    assert settings.ledger.keystore is not None
    assert settings.ledger.keystore.startswith("/")

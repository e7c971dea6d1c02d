"""A party's accounts: one master key in a safe place, and another address in every federation.

A node's key follows from the master key, the chain and the federation's contract by HKDF (RFC 5869). Whoever sees the
addresses, the contracts, even some of the nodes' keys cannot tell that they have an owner in common, and cannot find
the master key; its owner can make each of them again from a single backup. (What can still link them is money: gas
paid from one purse, rewards sent to one account. See docs/how-to/keys.md.)
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.errors import ConfigError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from rayfed.encoding.primitives import Address

KEYSTORE = "ledger.keystore"

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1 (SEC 2, 2.4.1)."""

SALT = b"rayfed node key v1"


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """Return ``length`` bytes by HKDF with SHA-256 (RFC 5869): extract, then expand; at most 8160 of them."""
    if not 0 < length <= 255 * 32:
        raise ValueError(f"HKDF-SHA256 gives 1 to 8160 bytes, not {length}")
    pseudorandom = hmac.digest(salt or bytes(32), secret, "sha256")
    made, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.new(pseudorandom, block + info + bytes([counter]), hashlib.sha256).digest()
        made += block
    return made[:length]


def derive(master: LocalAccount, chain_id: int, federation: Address, index: int = 0) -> LocalAccount:
    """Return the account of a node in a federation.

    HKDF's info is chain id (32 bytes), contract address (20) and index (4), big-endian; its 48 bytes are brought into
    1..order-1 as in FIPS 186-5, A.2.1 (bias below 2**-128).

    Args:
        master: the account in the master keystore.
        chain_id: of the federation's chain.
        federation: the contract's address.
        index: 0 for a node that joins; slot + 1 for a node of a run that founds.
    """
    from eth_account import Account

    info = chain_id.to_bytes(32, "big") + bytes.fromhex(federation.removeprefix("0x")) + index.to_bytes(4, "big")
    wide = int.from_bytes(hkdf(bytes(master.key), SALT, info, 48), "big")
    account: LocalAccount = Account.from_key((wide % (ORDER - 1) + 1).to_bytes(32, "big"))
    return account


def master(keystore: str, password_file: str | None) -> LocalAccount:
    """Open the master keystore that the settings ``ledger.keystore`` and ``ledger.password_file`` point at.

    Raises:
        ConfigError: it cannot be opened; a plain key file is none.
    """
    from rayfed.ledger.ethereum import keys

    path = Path(keystore)
    if not keys.encrypted(path, KEYSTORE):
        raise ConfigError(
            KEYSTORE, f"{path} is not an encrypted keystore; make one from it: python -m rayfed keys import"
        )
    return keys.load_key(path, KEYSTORE, Path(password_file) if password_file else None)

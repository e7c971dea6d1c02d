"""Where a party's rewards go, checked as far as it can be: money that goes to a mistyped address is gone."""

from __future__ import annotations

import re

from rayfed.errors import ConfigError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def check(address: str) -> None:
    """Check ``ledger.payout_address``.

    Raises:
        ConfigError: it is no address, or its checksum is wrong.
    """
    from eth_utils.address import is_checksum_address

    key = "ledger.payout_address"
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(key, f"{address!r} is not an address: 0x and 40 hexadecimal digits")
    if int(address, 16) == 0:
        raise ConfigError(key, "is the zero address: whatever goes there is lost")
    digits = address[2:]
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(address):
        raise ConfigError(key, f"{address} is mistyped: its upper and lower case do not match its checksum (EIP-55)")

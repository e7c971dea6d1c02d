"""What an account with money does for a federation: found it, and give its nodes something to pay gas with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rayfed.errors import ConfigError, LedgerError, Rejected
from rayfed.ledger import abi
from rayfed.ledger.fees import Fees
from rayfed.ledger.rpc import Rpc, RpcError
from rayfed.messages import Address, Terms

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

WEI = 10**18
"""Wei in one ether."""

MINED_SECONDS = 600.0
"""How long a deployment or a transfer may take to be mined."""

AT_ONCE = 100
"""How many accounts one transaction pays; each costs about 37,000 gas."""

RECEIVE_GAS = 50_000
"""What a recipient that is itself a contract may spend on being paid."""

_PAUSES = (0.005, 2.0)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A federation just founded: its address, and the transaction that founded it."""

    address: Address
    tx_hash: str
    gas: int
    block: int


def deploy(rpc: Rpc, purse: LocalAccount, terms: Terms) -> Deployed:
    """Found a federation on these terms; return when it has been mined.

    Raises:
        Rejected: the contract refuses the terms; the detail says which.
        LedgerError: the account cannot pay, or the transaction was not mined in time.
        LedgerUnreachable: nothing answers.
    """
    try:
        receipt = _pay(rpc, purse, abi.deployment(terms), 0)
    except RpcError as error:
        if error.data:
            raise Rejected(*abi.error_name(error.data)) from error
        raise LedgerError(f"{purse.address} cannot found a federation: {error.message}") from error
    return Deployed(
        str(abi.checksum(receipt["contractAddress"])),
        receipt["transactionHash"],
        int(receipt["gasUsed"], 16),
        int(receipt["blockNumber"], 16),
    )


def fund(rpc: Rpc, purse: LocalAccount, addresses: Sequence[Address], ether: float) -> None:
    """Give each address ``ether`` to pay gas with; return when all has arrived.

    Raises:
        ConfigError: the purse does not hold that much.
        LedgerError: a transfer failed, or was not mined in time.
        LedgerUnreachable: nothing answers.
    """
    wei = round(ether * WEI)
    if wei <= 0:
        return
    if wei >= 1 << 96:
        raise ConfigError("ledger.fund_ether", f"{ether:g} ether is more than there is")
    for start in range(0, len(addresses), AT_ONCE):
        some = addresses[start : start + AT_ONCE]
        try:
            _pay(rpc, purse, _payout(some, wei), wei * len(some))
        except RpcError as error:
            raise ConfigError(
                "ledger.fund_ether",
                f"{purse.address} cannot pay {ether:g} ether to each of {len(addresses)} nodes: {error.message}",
            ) from error


def balance(rpc: Rpc, address: Address) -> int:
    """Return how many wei an account holds."""
    return int(rpc.call("eth_getBalance", address, "latest"), 16)


def has_code(rpc: Rpc, address: Address) -> bool:
    """Say whether there is a contract at this address."""
    return len(str(rpc.call("eth_getCode", address, "latest"))) > len("0x")


def _payout(addresses: Sequence[Address], wei: int) -> bytes:
    """Return EVM code that pays so much to each address, or to none of them; to be run as a contract's constructor.

    One transaction for all is quicker than one for each, and unlike a row of nonces it cannot get stuck half-way:
    Anvil 1.7.1 now and then forgets a transaction that arrives while the one before it is being mined.
    """
    each = 4 + 13 + 21 + 3 + 1 + 5
    refuse = (each * len(addresses) + 1).to_bytes(2, "big")
    code = b""
    for address in addresses:
        code += b"\x5f" * 4  # no answer wanted, no data given
        code += b"\x6b" + wei.to_bytes(12, "big")  # PUSH12
        code += b"\x73" + bytes.fromhex(address[2:])  # PUSH20
        code += b"\x61" + RECEIVE_GAS.to_bytes(2, "big") + b"\xf1"  # PUSH2, CALL
        code += b"\x15\x61" + refuse + b"\x57"  # ISZERO, PUSH2, JUMPI
    return code + b"\x00" + b"\x5b\x5f\x5f\xfd"  # STOP; JUMPDEST, REVERT


def _pay(rpc: Rpc, purse: LocalAccount, code: bytes, value: int) -> dict[str, Any]:
    """Run ``code`` as a new contract's constructor with ``value`` wei from the purse; return the receipt."""
    data = "0x" + code.hex()
    gas = int(rpc.call("eth_estimateGas", {"from": purse.address, "data": data, "value": hex(value)}), 16)
    max_fee, tip = Fees(rpc).now()
    signed = purse.sign_transaction(
        {
            "type": 2,
            "chainId": rpc.chain_id,
            "nonce": int(rpc.call("eth_getTransactionCount", purse.address, "pending"), 16),
            "data": code,
            "value": value,
            "gas": gas * 5 // 4,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
        }
    )
    hash = rpc.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex().removeprefix("0x"))
    pause, longest = _PAUSES
    give_up = time.monotonic() + MINED_SECONDS
    while (receipt := rpc.call("eth_getTransactionReceipt", hash)) is None:
        if time.monotonic() > give_up:
            raise LedgerError(f"transaction {hash} of {purse.address} was not mined in {MINED_SECONDS:g} seconds")
        time.sleep(pause)
        pause = min(2 * pause, longest)
    if int(receipt["status"], 16) != 1:
        raise LedgerError(f"transaction {hash} of {purse.address} failed")
    mined: dict[str, Any] = receipt
    return mined

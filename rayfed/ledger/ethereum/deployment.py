"""What an account with money does for a federation: found it, and give its nodes something to pay gas with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rlp  # type: ignore[import-untyped]  # it ships no types
from eth_utils.crypto import keccak

from rayfed.encoding.primitives import Address
from rayfed.errors import ConfigError, LedgerError, Rejected
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.fees import Fees
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.protocol.messages import NATIVE, Terms

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

SUPPLY = 10**9 * WEI
"""How many DeepLearningCoins there are, in their smallest unit."""

MOST_GAS = 1 << 24
"""A transaction's limit (EIP-7825)."""

_PAUSES = (0.005, 2.0)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A federation just founded: its address, its court's, and the transaction that founded it."""

    address: Address
    court: Address
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
    address = str(abi.checksum(receipt["contractAddress"]))
    gas, block = int(receipt["gasUsed"], 16), int(receipt["blockNumber"], 16)
    return Deployed(address, created(address, 1), receipt["transactionHash"], gas, block)


def deploy_coin(rpc: Rpc, purse: LocalAccount) -> Address:
    """Make a DeepLearningCoin of which the purse holds all; return its address when it has been mined.

    Raises:
        LedgerError: the account cannot pay, or the transaction was not mined in time.
        LedgerUnreachable: nothing answers.
    """
    try:
        receipt = _pay(rpc, purse, abi.coin_deployment(SUPPLY), 0)
    except RpcError as error:
        raise LedgerError(f"{purse.address} cannot deploy a coin: {error.message}") from error
    return str(abi.checksum(receipt["contractAddress"]))


def fund(
    rpc: Rpc,
    purse: LocalAccount,
    addresses: Sequence[Address],
    ether: float,
    *,
    terms: Terms | None = None,
    court: Address = NATIVE,
    pool: int = 0,
) -> None:
    """Give each address ``ether`` to pay gas with and a bond to go to court with, and put its stake down; return when
    all has arrived.

    Args:
        rpc, purse: where, and who pays.
        addresses: the nodes' accounts.
        ether: for each, beside stake and bond.
        terms: they say how much is at stake and what a bond is, and in which coin; None: nothing is.
        court: the contract that keeps stakes and pool.
        pool: how much goes into the pool, in the coin's smallest unit.

    Raises:
        ConfigError: the purse does not hold that much.
        LedgerError: a transfer failed, or was not mined in time.
        LedgerUnreachable: nothing answers.
    """
    wei = round(ether * WEI)
    if wei >= 1 << 96:
        raise ConfigError("ledger.fund_ether", f"{ether:g} ether is more than can exist")
    coin, stake, bond = (NATIVE, 0, 0) if terms is None else (terms.coin, terms.stake, terms.bond)
    for start in range(0, len(addresses), AT_ONCE):
        some = addresses[start : start + AT_ONCE]
        native = wei + (bond if coin == NATIVE else 0)
        calls = [_Call(address, native, gas=RECEIVE_GAS) for address in some if native]
        given = [(abi.call("deposit", address, stake), stake) for address in some if stake]
        if pool and not start:
            given.append((abi.call("fund", pool), pool))
        total = sum(amount for _, amount in given)
        if total >= 1 << 96:
            raise ConfigError("stake.amount", f"{total / WEI:g} coins at stake and in the pool are more than can exist")
        if coin == NATIVE:
            calls += [_Call(court, amount, data) for data, amount in given]
        elif total or bond:
            calls += _taken(rpc, purse, coin, court, total, total + bond * len(some))
            calls += [_Call(court, 0, data) for data, _ in given]
            calls += [_Call(coin, 0, abi.call("transfer", address, bond)) for address in some]
        if not calls:
            return
        what = f"{ether:g} ether" + (f" and a stake of {stake / WEI:g}" if stake else "")
        _run(rpc, purse, calls, f"{what} to each of {len(addresses)} nodes")


def _taken(rpc: Rpc, purse: LocalAccount, coin: Address, court: Address, staked: int, amount: int) -> list[_Call]:
    """Let the next contract that the purse makes take ``amount`` of its coins, and the court ``staked`` of them; return
    the calls by which they do."""
    if rpc.call("eth_getCode", coin, "latest") == "0x":
        raise ConfigError("stake.coin", f"there is no contract at {coin}")
    after = int(rpc.call("eth_getTransactionCount", purse.address, "pending"), 16) + 1
    taker = created(purse.address, after)
    try:
        _pay(rpc, purse, abi.call("approve", taker, amount), 0, coin)
    except RpcError as error:
        raise ConfigError("stake.coin", f"{coin} does not let {purse.address} pay: {error.message}") from error
    return [
        _Call(coin, 0, abi.call("transferFrom", purse.address, taker, amount)),
        _Call(coin, 0, abi.call("approve", court, staked)),
    ]


def _run(rpc: Rpc, purse: LocalAccount, calls: Sequence[_Call], what: str) -> None:
    try:
        _pay(rpc, purse, _script(calls), sum(call.value for call in calls))
    except RpcError as error:
        name, detail = abi.error_name(error.data) if error.data else ("", "")
        setting = "stake.amount" if name.startswith("ERC20") else "ledger.fund_ether"
        words = f"{name} ({detail})" if name else error.message
        raise ConfigError(setting, f"{purse.address} cannot pay {what}: {words}") from error


def created(sender: Address, nonce: int) -> Address:
    """Return where a contract will be that ``sender`` makes with this nonce."""
    made = keccak(rlp.encode([bytes.fromhex(sender[2:]), nonce]))[12:]
    return str(abi.checksum("0x" + made.hex()))


def balance(rpc: Rpc, address: Address) -> int:
    """Return how many wei an account holds."""
    return int(rpc.call("eth_getBalance", address, "latest"), 16)


def has_code(rpc: Rpc, address: Address) -> bool:
    """Say whether there is a contract at this address."""
    return len(str(rpc.call("eth_getCode", address, "latest"))) > len("0x")


@dataclass(frozen=True, slots=True)
class _Call:
    """One thing that a script does; ``gas``: a limit, 0 for all there is."""

    to: Address
    value: int
    data: bytes = b""
    gas: int = 0


def _script(calls: Sequence[_Call]) -> bytes:
    """Return EVM code that makes all calls in their order, or none of them; to be run as a contract's constructor.

    One transaction for all is quicker than one for each, and unlike a row of nonces it cannot get stuck half-way:
    Anvil 1.7.1 now and then forgets a transaction that arrives while the one before it is being mined.
    """
    steps = [9 * bool(call.data) + 2 + (4 if call.data else 2) + 13 + 21 + (3 if call.gas else 1) + 6 for call in calls]
    refuse = sum(steps) + 1
    place = refuse + 8  # where the calls' data begins
    code = b""
    for call in calls:
        if call.data:  # CODECOPY to memory from 0 on
            code += b"\x61" + len(call.data).to_bytes(2, "big") + b"\x62" + place.to_bytes(3, "big") + b"\x5f\x39"
        code += b"\x5f\x5f"  # no answer wanted
        code += b"\x61" + len(call.data).to_bytes(2, "big") + b"\x5f" if call.data else b"\x5f\x5f"
        code += b"\x6b" + call.value.to_bytes(12, "big")  # PUSH12
        code += b"\x73" + bytes.fromhex(call.to[2:])  # PUSH20
        code += b"\x61" + call.gas.to_bytes(2, "big") if call.gas else b"\x5a"  # PUSH2 or GAS
        code += b"\xf1\x15\x61" + refuse.to_bytes(2, "big") + b"\x57"  # CALL, ISZERO, PUSH2, JUMPI
        place += len(call.data)
    # STOP; or revert with what the call that failed gave back.
    code += b"\x00" + b"\x5b\x3d\x5f\x5f\x3e\x3d\x5f\xfd"
    return code + b"".join(call.data for call in calls)


def _pay(rpc: Rpc, purse: LocalAccount, code: bytes, value: int, to: Address | None = None) -> dict[str, Any]:
    """Call a contract, or run ``code`` as a new one's constructor, with so many wei; return the receipt."""
    data = "0x" + code.hex()
    place: dict[str, Any] = {"to": to} if to else {}
    gas = int(rpc.call("eth_estimateGas", {"from": purse.address, "data": data, "value": hex(value), **place}), 16)
    max_fee, tip = Fees(rpc).now()
    signed = purse.sign_transaction(
        {
            "type": 2,
            "chainId": rpc.chain_id,
            "nonce": int(rpc.call("eth_getTransactionCount", purse.address, "pending"), 16),
            "data": code,
            **place,
            "value": value,
            "gas": min(gas * 5 // 4, max(gas, MOST_GAS)),
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

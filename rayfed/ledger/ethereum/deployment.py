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
from rayfed.ledger.ethereum import abi, parts
from rayfed.ledger.ethereum.fees import Fees
from rayfed.ledger.ethereum.opcodes import lacking
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

FIRST = 32
"""Among so many of a purse's first transactions the one is looked for by which it has made a deployer."""

_PAUSES = (0.005, 2.0)


@dataclass(frozen=True, slots=True)
class Deployed:
    """A federation: its address and the block that it was founded in; the gas of all that founding it took now."""

    address: Address
    gas: int
    block: int


def deploy(rpc: Rpc, purse: LocalAccount, terms: Terms, salt: bytes = bytes(32)) -> Deployed:
    """Found a federation on these terms, or find the one that was founded on them with this salt; return when it has
    been mined. The contracts' code is put on the chain first, where it is not there yet.

    Raises:
        Rejected: the contract refuses the terms; the detail says which.
        LedgerError: the account cannot pay, the chain lacks an opcode, or a transaction was not mined in time.
        LedgerUnreachable: nothing answers.
    """
    if lacks := lacking(rpc):
        raise LedgerError(
            f"ledger.rpc_url: chain {rpc.chain_id} lacks instructions that the contracts are made of "
            f"({', '.join(lacks)}); it needs the rules of Cancun or later ones"
        )
    try:
        deployer, gas = _deployer(rpc, purse)
        those = parts.parts(deployer)
        for part in parts.missing(rpc, those):
            gas += int(_pay(rpc, purse, parts.SALT + part.init, 0, deployer)["gasUsed"], 16)
        ledger, factory = those[-2].address, those[-1].address
        address = parts.address_of(factory, ledger, terms, salt)
        if not has_code(rpc, address):
            receipt = _pay(rpc, purse, abi.call("found", abi.fields(terms), salt), 0, factory)
            gas += int(receipt["gasUsed"], 16)
    except RpcError as error:
        if error.data:
            raise Rejected(*abi.error_name(error.data)) from error
        raise LedgerError(f"{purse.address} cannot found a federation: {error.message}") from error
    where = rpc.call("eth_call", {"to": address, "data": "0x" + abi.call("position").hex()}, "latest")
    return Deployed(address, gas, int(abi.answer("position", bytes.fromhex(where[2:]))["founded"]))


def _deployer(rpc: Rpc, purse: LocalAccount) -> tuple[Address, int]:
    """Return what does CREATE2 for whoever asks, and what it cost: the one that most chains have, or a copy of it that
    this account has made before, among its first transactions, or makes now."""
    made = int(rpc.call("eth_getTransactionCount", purse.address, "latest"), 16)
    known = [parts.PROXY, *(created(purse.address, nonce) for nonce in range(min(made, FIRST)))]
    for address, code in zip(known, rpc.batch([("eth_getCode", [one, "latest"]) for one in known]), strict=True):
        if code == "0x" + parts.PROXY_CODE.hex():
            return address, 0
    receipt = _pay(rpc, purse, parts.PROXY_INIT, 0)
    return str(abi.checksum(receipt["contractAddress"])), int(receipt["gasUsed"], 16)


def deploy_coin(rpc: Rpc, purse: LocalAccount) -> Address:
    """Make a DeepLearningCoin of which the purse holds all; return its address when it has been mined.

    Raises:
        LedgerError: the account cannot pay, or the transaction was not mined in time.
        LedgerUnreachable: nothing answers.
    """
    try:
        receipt = _pay(rpc, purse, abi.init_code(abi.COIN, SUPPLY), 0)
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
    federation: Address = NATIVE,
    bonds: int | None = None,
    pool: int = 0,
) -> None:
    """Give each address ``ether`` to pay gas with and a bond to enter a root with, and put its stake and bonds down;
    return when all has arrived.

    Args:
        rpc, purse: where, and who pays.
        addresses: the nodes' accounts.
        ether: for each, beside stake, bonds and bond.
        terms: they say how much is at stake and in which coin, and what a bond is; None: nothing is.
        federation: where stakes, bonds and pool go.
        bonds: put down for each, in wei; None: what the terms ask for.
        pool: how much goes into the pool, in the coin's smallest unit: by a transaction of the purse's own, as what is
            left of it goes back to whoever called.

    Raises:
        ConfigError: the purse does not hold that much.
        LedgerError: a transfer failed, or was not mined in time.
        LedgerUnreachable: nothing answers.
    """
    wei = round(ether * WEI)
    if wei >= 1 << 96:
        raise ConfigError("ledger.fund_ether", f"{ether:g} ether is more than can exist")
    coin, stake = (NATIVE, 0) if terms is None else (terms.coin, terms.stake)
    if terms is not None:
        wei += terms.bond
        bonds = terms.bonds if bonds is None else bonds
    for start in range(0, len(addresses), AT_ONCE):
        some = addresses[start : start + AT_ONCE]
        calls = [_Call(address, wei, gas=RECEIVE_GAS) for address in some if wei]
        if bonds:
            calls += [_Call(federation, bonds, abi.call("depositBonds", address)) for address in some]
        given = [(abi.call("deposit", address, stake), stake) for address in some if stake]
        total = sum(amount for _, amount in given)
        if total >= 1 << 96:
            raise ConfigError("stake.amount", f"{total / WEI:g} coins at stake are more than can exist")
        if coin == NATIVE:
            calls += [_Call(federation, amount, data) for data, amount in given]
        elif total:
            calls += _taken(rpc, purse, coin, federation, total)
            calls += [_Call(federation, 0, data) for data, _ in given]
        if not calls:
            break
        what = f"{ether:g} ether" + (f", bonds of {bonds / WEI:g} ether" if bonds else "")
        what += f" and a stake of {stake / WEI:g} {_called(coin)}" if stake else ""
        _run(rpc, purse, calls, f"{what} to each of {len(addresses)} nodes")
    if pool:
        _fill(rpc, purse, coin, federation, pool)


def _fill(rpc: Rpc, purse: LocalAccount, coin: Address, federation: Address, amount: int) -> None:
    """Add so much of the purse's coins to the pool."""
    try:
        if coin != NATIVE:
            _pay(rpc, purse, abi.call("approve", federation, amount), 0, coin)
        _pay(rpc, purse, abi.call("fund", amount), 0 if coin != NATIVE else amount, federation)
    except RpcError as error:
        why = abi.error_name(error.data)[0] if error.data else error.message
        words = f"{purse.address} cannot put {amount / WEI:g} {_called(coin)} into the pool: {why}"
        raise ConfigError("stake.pool", words) from error


def _called(coin: Address) -> str:
    return "ether" if coin == NATIVE else f"of the coin at {coin}"


def _taken(rpc: Rpc, purse: LocalAccount, coin: Address, federation: Address, amount: int) -> list[_Call]:
    """Let the next contract that the purse makes take ``amount`` of its coins, and the federation take them from that;
    return the calls by which they do."""
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
        _Call(coin, 0, abi.call("approve", federation, amount)),
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

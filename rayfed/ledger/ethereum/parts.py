"""Where the contracts' code lies on a chain, and why a federation's address is believed.

All parts are put there by CREATE2, whose addresses follow from who deploys and from the code alone. So whoever the
deployer is, and whatever it does: what lies where it would put this code never was anything else. A federation names
its factory and its ledger, the factory its deployer; all else is worked out here from the code that this package
carries, and compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from eth_utils.crypto import keccak

from rayfed.encoding.primitives import Address
from rayfed.errors import NotAFederation
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.rpc import RpcError
from rayfed.protocol.messages import Terms

if TYPE_CHECKING:
    from rayfed.ledger.ethereum.rpc import Rpc

PROXY: Address = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""The deterministic deployment proxy, which most chains have: it does CREATE2 with what it is sent, salt first."""

PROXY_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182"
    "fd5b8082525050506014600cf3"
)
PROXY_INIT = bytes.fromhex("604580600e600039806000f350fe") + PROXY_CODE

SALT = bytes(32)
"""Of the parts: one code is one place."""

_CLONE = bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
_BARE = 45
"""Bytes of a clone's code before what lies behind it (EIP-1167)."""

_TERMS = 29 * 32
_BEHIND = _TERMS + 64


@dataclass(frozen=True, slots=True)
class Part:
    """One part: where it lies, and what is sent to a deployer of CREATE2 to put it there."""

    name: str
    address: Address
    init: bytes


@lru_cache(maxsize=64)
def parts(deployer: Address) -> tuple[Part, ...]:
    """Return the parts that a deployer puts on its chain, or would put, in their order; the last one is the factory."""
    made: list[Part] = []
    for name in abi.PARTS:
        init = abi.init_code(name, *([made[-1].address] if made else []))
        made.append(Part(name, create2(deployer, SALT, init), init))
    return tuple(made)


def create2(deployer: Address, salt: bytes, init: bytes) -> Address:
    """Return where CREATE2 puts what this code makes."""
    made = keccak(b"\xff" + bytes.fromhex(deployer[2:]) + salt + keccak(init))[12:]
    return str(abi.checksum("0x" + made.hex()))


def address_of(factory: Address, ledger: Address, terms: Terms, salt: bytes) -> Address:
    """Return where the federation of these terms is, or would be."""
    behind = abi.encoded(terms) + salt + bytes.fromhex(factory[2:]).rjust(32, b"\0")
    clone = _CLONE[0] + bytes.fromhex(ledger[2:]) + _CLONE[1] + behind
    return create2(factory, salt, b"\x61" + len(clone).to_bytes(2, "big") + bytes.fromhex("3d81600a3d39f3") + clone)


def believed(rpc: Rpc, address: Address) -> Terms:
    """Return the terms of a federation, of which nothing is believed but its address.

    Raises:
        NotAFederation: it is none that this release knows.
        LedgerUnreachable: nothing answers.
    """
    code = bytes.fromhex(rpc.call("eth_getCode", address, "latest")[2:])
    if not code:
        raise NotAFederation(f"federation_address: there is no contract at {address} on chain {rpc.chain_id}")
    stranger = NotAFederation(
        f"federation_address: the contract at {address} is not a rayfed federation of this release's contracts"
    )
    if len(code) != _BARE + _BEHIND or not code.startswith(_CLONE[0]) or code[30:_BARE] != _CLONE[1]:
        raise stranger
    ledger = str(abi.checksum("0x" + code[10:30].hex()))
    words = code[_BARE : _BARE + _TERMS]
    salt, word = code[_BARE + _TERMS : -32], code[-32:]
    factory = str(abi.checksum("0x" + word[12:].hex()))
    if any(word[:12]) or not _is_genuine(rpc, factory, ledger):
        raise stranger
    terms = abi.decoded(words)
    if address_of(factory, ledger, terms, salt) != address:
        raise stranger
    return terms


def _is_genuine(rpc: Rpc, factory: Address, ledger: Address) -> bool:
    """Say whether a factory, its ledger and all behind it are where their code puts them."""
    code = bytes.fromhex(rpc.call("eth_getCode", factory, "latest")[2:])
    if not abi.is_ours(code, abi.FACTORY):
        return False
    named = rpc.call("eth_call", {"to": factory, "data": "0x" + abi.call("DEPLOYER").hex()}, "latest")
    those = parts(str(abi.answer("DEPLOYER", bytes.fromhex(named[2:]))))
    if (those[-1].address, those[-2].address) != (factory, ledger):
        return False
    return not missing(rpc, those)


def missing(rpc: Rpc, those: tuple[Part, ...]) -> list[Part]:
    """Return the parts that are not on the chain yet, in their order.

    Raises:
        RpcError: the node does not say.
    """
    codes = rpc.batch([("eth_getCode", [part.address, "latest"]) for part in those])
    for code in codes:
        if isinstance(code, RpcError):
            raise code
    return [part for part, code in zip(those, codes, strict=True) if len(code) <= len("0x")]

"""The contracts' words as bytes: calls, answers, errors and logs, by the ABIs that were compiled with them.

Everything is looked up and prepared once, when this module is imported; coding a call costs microseconds after that.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from rayfed.errors import NotAFederation
from rayfed.protocol.messages import Terms

FACTORY, LEDGER, TREASURY, TOURNAMENT, VIEWS, COIN = CONTRACTS = (
    "Factory",
    "Ledger",
    "Treasury",
    "Tournament",
    "Views",
    "DeepLearningCoin",
)

PARTS = (VIEWS, TOURNAMENT, TREASURY, LEDGER, FACTORY)
"""In the order in which they are put on a chain: each is told where the one before it is."""

ARTIFACTS: dict[str, dict[str, Any]] = {
    name: json.loads(files(__package__).joinpath(f"{name}.json").read_text()) for name in CONTRACTS
}


def _type(entry: dict[str, Any]) -> str:
    """Return the canonical type of an ABI entry; structs as tuples of their fields' types."""
    kind: str = entry["type"]
    if kind.startswith("tuple"):
        return f"({','.join(_type(part) for part in entry['components'])}){kind[5:]}"
    return kind


def _signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(_type(part) for part in entry['inputs'])})"


_OF_THE_LANGUAGE: list[dict[str, Any]] = [
    {"name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
]
"""What Solidity itself reverts with, which no contract's ABI lists."""

# No two of the contracts call different things by the same name.
_NAMED = {
    (entry["type"], entry["name"]): entry for name in CONTRACTS for entry in ARTIFACTS[name]["abi"] if "name" in entry
}
_SELECTORS = {name: keccak(text=_signature(e))[:4] for (kind, name), e in _NAMED.items() if kind == "function"}
_INPUTS = {name: [_type(i) for i in e["inputs"]] for (kind, name), e in _NAMED.items() if kind == "function"}
_ERRORS = {keccak(text=_signature(e))[:4]: e for (kind, _), e in _NAMED.items() if kind == "error"}
_ERRORS |= {keccak(text=_signature(e))[:4]: e for e in _OF_THE_LANGUAGE}
_TERMS = _NAMED["function", "found"]["inputs"][0]
_CONSTRUCTED = {
    name: [_type(part) for e in ARTIFACTS[name]["abi"] if e["type"] == "constructor" for part in e["inputs"]]
    for name in CONTRACTS
}

TOPICS = {name: "0x" + keccak(text=_signature(e)).hex() for (kind, name), e in _NAMED.items() if kind == "event"}
"""The first topic of each event's logs, by the event's name."""

_EVENTS = {TOPICS[name]: e for (kind, name), e in _NAMED.items() if kind == "event"}

_PACKED = ("Committed", "Voted", "Attested")
"""Events whose data is 32 bytes of what was said and then the place, in five."""

checksum = lru_cache(maxsize=4096)(to_checksum_address)


def call(name: str, *arguments: Any) -> bytes:
    """Return the data of a call."""
    return _SELECTORS[name] + encode(_INPUTS[name], arguments)


def arguments(name: str, data: bytes) -> tuple[Any, ...]:
    """Return what a call that was sent says; ``data`` begins with its selector.

    Raises:
        DecodingError: these are no such arguments.
    """
    return tuple(decode(_INPUTS[name], data[4:]))


def fields(terms: Terms) -> tuple[Any, ...]:
    """Return terms as the contract's struct."""
    return tuple(getattr(terms, _snake(part["name"])) for part in _TERMS["components"])


def encoded(terms: Terms) -> bytes:
    """Return the terms' words one after the other, as they lie behind a federation's code."""
    return encode([_type(_TERMS)], [fields(terms)])


def decoded(words: bytes) -> Terms:
    """Return the terms that ``encoded`` gave these words for.

    Raises:
        NotAFederation: they are no terms.
    """
    try:
        (values,) = decode([_type(_TERMS)], words)
    except (DecodingError, ValueError) as error:
        raise NotAFederation("federation_address: what lies behind the contract's code are no terms") from error
    return Terms(**_named(_TERMS, values))


def init_code(contract: str, *arguments: Any) -> bytes:
    """Return the code that makes a contract, with its constructor's arguments."""
    return _code(contract, "bytecode") + encode(_CONSTRUCTED[contract], arguments)


def is_ours(code: bytes, contract: str) -> bool:
    """Say whether deployed code is this contract's, whatever its constructor was told."""
    ours = bytearray(_code(contract, "deployedBytecode"))
    theirs = bytearray(code)
    if len(ours) != len(theirs):
        return False
    for place in ARTIFACTS[contract]["immutables"]:
        start, stop = place["start"], place["start"] + place["length"]
        ours[start:stop] = theirs[start:stop] = bytes(place["length"])
    return ours == theirs


def _code(contract: str, kind: str) -> bytes:
    return bytes.fromhex(ARTIFACTS[contract][kind].removeprefix("0x"))


def error_name(data: bytes) -> tuple[str, str]:
    """Return (name, arguments as text) of the error that a reverted call gave back."""
    entry = _ERRORS.get(data[:4])
    if entry is None:
        return ("Reverted", f"0x{data.hex()}" if data else "")
    try:
        values = decode([_type(i) for i in entry["inputs"]], data[4:])
    except (DecodingError, ValueError):
        return (str(entry["name"]), f"0x{data.hex()}")
    named = (
        f"{i['name']}={v.hex() if isinstance(v, bytes) else v}" for i, v in zip(entry["inputs"], values, strict=True)
    )
    return entry["name"], ", ".join(named)


def event(log: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return (name, values by name in the contract's spelling) of a log of the contract."""
    entry = _EVENTS[log["topics"][0]]
    data, indexed = bytes.fromhex(log["data"][2:]), iter(log["topics"][1:])
    if entry["name"] in _PACKED:
        data = data[32:].rjust(32, b"\0") + data[:32]
    plain = [i for i in entry["inputs"] if not i["indexed"]]
    values = dict(zip((i["name"] for i in plain), decode([_type(i) for i in plain], data), strict=True))
    for part in entry["inputs"]:
        if part["indexed"]:
            values[part["name"]] = decode([_type(part)], bytes.fromhex(next(indexed)[2:]))[0]
    return entry["name"], values


def answer(name: str, data: bytes) -> Any:
    """Return what a view answered: a value, or a struct, or several values, by their names in Python's spelling.

    Raises:
        NotAFederation: these bytes are no such answer.
    """
    outputs = _NAMED["function", name]["outputs"]
    try:
        values = decode([_type(output) for output in outputs], data)
    except (DecodingError, ValueError) as error:
        raise NotAFederation(f"{name} got an answer that no federation gives") from error
    if len(outputs) == 1:
        return _named(outputs[0], values[0])
    return {_snake(part["name"]): _named(part, value) for part, value in zip(outputs, values, strict=True)}


def _named(entry: dict[str, Any], value: Any) -> Any:
    """Return a decoded value with every struct in it as a mapping, and every address in its one spelling."""
    kind = entry["type"]
    if kind.endswith("]"):
        if not kind.startswith(("tuple", "address")):
            return tuple(value)
        inner = {**entry, "type": kind[: kind.rindex("[")]}
        return tuple(_named(inner, item) for item in value)
    if kind == "tuple":
        parts = zip(entry["components"], value, strict=True)
        return {_snake(part["name"]): _named(part, item) for part, item in parts}
    return str(checksum(value)) if kind == "address" else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()

"""Makes the vectors of the protocol: ``python tests/vectors/protocol/make.py`` writes ``vectors.json`` here.

Written from docs/protocol.md alone, plainly and without the contracts: Solidity reads them in
``contracts/test/Protocol.t.sol``.
"""

from __future__ import annotations

import json
import random
from hashlib import sha256
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

HERE = Path(__file__).parent
CHAIN, CONTRACT, CHARTER = 1, "0x" + "c1" * 20, keccak(text="charter")
PARTS = 32
FIELDS = {
    "Commit": [("round", "uint32"), ("context", "bytes32"), ("root", "bytes32")],
    "Vote": [("round", "uint32"), ("context", "bytes32"), ("accepts", "uint256"), ("misses", "uint256")],
    "Attest": [("round", "uint32"), ("context", "bytes32"), ("root", "bytes32")],
}


def opening(
    round: int, base_round: int, base: bytes, base_context: bytes, roster: int, addresses: list[bytes]
) -> bytes:
    """Return the context of a commit: ``addresses`` are those of the roster by index, 20 bytes each."""
    people = keccak(b"".join(address.rjust(32, b"\0") for address in addresses))
    types = ["uint256", "uint256", "bytes32", "bytes32", "uint256", "bytes32"]
    return keccak(encode(types, [round, base_round, base, base_context, roster, people]))


def resting(before: bytes, members: int, roots: list[bytes]) -> bytes:
    """Return the context of a vote or an attestation: these members' roots by index, on what came before."""
    return keccak(encode(["bytes32", "uint256", "bytes32"], [before, members, keccak(b"".join(roots))]))


def typed(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return a statement as EIP-712 typed data, as a wallet takes it."""
    domain = [("name", "string"), ("version", "string"), ("chainId", "uint256")]
    domain += [("verifyingContract", "address"), ("salt", "bytes32")]
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": type_} for name, type_ in domain],
            kind: [{"name": name, "type": type_} for name, type_ in FIELDS[kind]],
        },
        "primaryType": kind,
        "domain": {
            "name": "rayfed",
            "version": "2",
            "chainId": CHAIN,
            "verifyingContract": CONTRACT,
            "salt": CHARTER,
        },
        "message": values,
    }


def tally(size: int, ballots: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Return who is included and who is excused; ``ballots`` are what each voter accepts and misses, by index."""
    included = scarce = excused = 0
    for update in range(size):
        bit = 1 << update
        if 2 * sum(accepts & bit != 0 for accepts, _ in ballots.values()) > size:
            included |= bit
            if 3 * sum(misses & bit == 0 for _, misses in ballots.values()) <= 2 * size:
                scarce |= bit
    for member, (_, misses) in ballots.items():
        if misses & scarce:
            excused |= 1 << member
    return included, excused


def tree_root(hashes: list[bytes]) -> bytes:
    """Return the root of RFC 6962 over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + tree_root(hashes[:half]) + tree_root(hashes[half:])).digest()


def parts(hashes: list[bytes]) -> list[bytes]:
    """Return the roots that a side shows of a range of leaves."""
    size = 1
    while -(-len(hashes) // size) > PARTS:
        size *= 2
    return [tree_root(hashes[at : at + size]) for at in range(0, len(hashes), size)]


def text(value: Any) -> Any:
    """Return bytes as 0x text, in whatever they lie."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {key: text(each) for key, each in value.items()}
    return [text(each) for each in value] if isinstance(value, list) else value


def contexts() -> list[dict[str, Any]]:
    """Make contexts of rosters with gaps, and without."""
    cases = []
    for case, roster in enumerate((0b1, 0b1111, 0b10110, 1 << 255 | 5)):
        addresses = [keccak(encode(["uint256", "uint256"], [case, i]))[12:] for i in range(roster.bit_count())]
        base, base_context = keccak(text=f"base {case}"), keccak(text=f"context {case}")
        before = opening(case + 1, case, base, base_context, roster, addresses)
        roots = [keccak(text=f"root {i}") for i in range(case)]
        cases.append(
            {
                "round": case + 1,
                "baseRound": case,
                "base": base,
                "baseContext": base_context,
                "roster": hex(roster),
                "addresses": [address.rjust(32, b"\0") for address in addresses],
                "opening": before,
                "roots": roots,
                "voting": resting(before, roster, roots),
            }
        )
    return cases


def statements() -> list[dict[str, Any]]:
    """Make one statement of each kind, signed."""
    key = keccak(text="a member")
    cases = []
    for kind in FIELDS:
        values: dict[str, Any] = {"round": 7, "context": keccak(text="context")}
        if kind == "Vote":
            values |= {"accepts": 0b1011, "misses": 0b100}
        else:
            values |= {"root": keccak(text="root")}
        signed = Account.sign_message(encode_typed_data(full_message=typed(kind, values)), key)
        value = values["accepts"].to_bytes(32, "big") if kind == "Vote" else values["root"]
        vs = signed.s | (signed.v - 27) << 255
        cases.append(
            {
                "kind": kind,
                "round": 7,
                "context": values["context"],
                "value": value,
                "misses": values.get("misses", 0),
                "r": signed.r.to_bytes(32, "big"),
                "vs": vs.to_bytes(32, "big"),
                "signer": Account.from_key(key).address.lower(),
            }
        )
    return cases


def tallies() -> list[dict[str, Any]]:
    """Make votes of a few members; who does not vote has neither accepted nor missed anything."""
    chance = random.Random(13)
    cases = []
    for size in (2, 3, 4, 5, 6, 7, 8, 9, 12) * 3:
        everything = (1 << size) - 1
        lacking = chance.getrandbits(size) & chance.getrandbits(size)
        ballots = {}
        for member in range(size):
            if chance.random() < 0.15:
                continue
            misses = lacking & chance.getrandbits(size)
            accepts = everything & ~misses & (chance.getrandbits(size) | chance.getrandbits(size))
            ballots[member] = (accepts, misses)
        included, excused = tally(size, ballots)
        cases.append(
            {
                "size": size,
                "voted": sum(1 << member for member in ballots),
                "accepts": [ballots.get(member, (0, 0))[0] for member in range(size)],
                "misses": [ballots.get(member, (0, 0))[1] for member in range(size)],
                "included": included,
                "excused": excused,
            }
        )
    return cases


def trees() -> list[dict[str, Any]]:
    """Make roots and parts of trees of many shapes."""
    cases = []
    for count in (2, 3, 31, 32, 33, 65, 100, 1025):
        hashes = [sha256(b"\0" + i.to_bytes(4, "big")).digest() for i in range(count)]
        cases.append({"count": count, "root": tree_root(hashes), "parts": parts(hashes)})
    return cases


def content() -> str:
    """Return the text of vectors.json."""
    everything = {"contexts": contexts(), "statements": statements(), "tallies": tallies(), "trees": trees()}
    everything["domain"] = {"chain": CHAIN, "contract": CONTRACT, "charter": CHARTER}
    return json.dumps(text(everything), indent=1) + "\n"


if __name__ == "__main__":
    (HERE / "vectors.json").write_text(content(), encoding="utf-8")

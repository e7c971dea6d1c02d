"""Messages that anybody may post."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from rayfed.ledger.ethereum import eip712
from rayfed.ledger.ethereum.abi import checksum
from rayfed.ledger.ethereum.eip712 import Domain
from rayfed.protocol.commands import Attest, Commit, Statement, Vote
from rayfed.protocol.messages import Signed, Verb

ACCOUNT = Account.from_key(b"\7" * 32)
FEDERATION = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
CHARTER, CONTEXT = b"\3" * 32, b"\4" * 32
DOMAIN = Domain(31337, FEDERATION, CHARTER)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "protocol" / "vectors.json").read_text())


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


@pytest.mark.parametrize(
    ("statement", "fields"),
    [
        (Commit(3, CONTEXT, b"\5" * 32), {"root": ("bytes32", b"\5" * 32)}),
        (Vote(3, CONTEXT, 5, 2), {"accepts": ("uint256", 5), "misses": ("uint256", 2)}),
        (Attest(3, CONTEXT, b"\5" * 32), {"root": ("bytes32", b"\5" * 32)}),
    ],
    ids=["commit", "vote", "attest"],
)
def test_a_signature_is_eip_712s(statement: Statement, fields: dict[str, tuple[str, Any]]) -> None:
    all_fields = {"round": ("uint32", 3), "context": ("bytes32", CONTEXT), **fields}
    typed = encode_typed_data(
        {
            "name": "rayfed",
            "version": "2",
            "chainId": 31337,
            "verifyingContract": FEDERATION,
            "salt": CHARTER,
        },
        {statement.verb.name.capitalize(): [{"name": n, "type": kind} for n, (kind, _) in all_fields.items()]},
        {name: value for name, (_, value) in all_fields.items()},
    )
    theirs = ACCOUNT.sign_message(typed)
    ours = eip712.sign(ACCOUNT, DOMAIN, statement)
    vs = int.from_bytes(ours.vs, "big")
    assert int.from_bytes(ours.r, "big") == theirs.r
    assert (vs % (1 << 255), 27 + (vs >> 255)) == (theirs.s, theirs.v)


@pytest.mark.parametrize("case", VECTORS["statements"], ids=lambda case: case["kind"])
def test_the_vectors_that_the_contract_is_checked_against_are_signed_by_their_signer(case: dict[str, Any]) -> None:
    domain = Domain(1, str(checksum("0x" + "c1" * 20)), keccak(text="charter"))
    signed = Signed(raw(case["value"]), raw(case["r"]), raw(case["vs"]), case["misses"])
    verb, context = Verb(case["kind"].lower()), raw(case["context"])
    assert eip712.signer(domain, verb, case["round"], context, signed) == checksum(case["signer"])


def test_the_signer_is_found_and_for_nothing_else() -> None:
    for number in range(20):
        signed = eip712.sign(ACCOUNT, DOMAIN, Vote(3, CONTEXT, number, 1 << 200))
        assert eip712.signer(DOMAIN, Verb.VOTE, 3, CONTEXT, signed) == ACCOUNT.address
        for domain in (replace(DOMAIN, chain_id=2), replace(DOMAIN, charter=b"\1" * 32)):
            assert eip712.signer(domain, Verb.VOTE, 3, CONTEXT, signed) != ACCOUNT.address
        assert eip712.signer(replace(DOMAIN, federation="0x" + "11" * 20), Verb.VOTE, 3, CONTEXT, signed) != (
            ACCOUNT.address
        )
        assert eip712.signer(DOMAIN, Verb.COMMIT, 3, CONTEXT, signed) != ACCOUNT.address
        assert eip712.signer(DOMAIN, Verb.VOTE, 4, CONTEXT, signed) != ACCOUNT.address
        assert eip712.signer(DOMAIN, Verb.VOTE, 3, CHARTER, signed) != ACCOUNT.address
        for other in (replace(signed, value=b"\1" * 32), replace(signed, misses=2)):
            assert eip712.signer(DOMAIN, Verb.VOTE, 3, CONTEXT, other) != ACCOUNT.address


def test_what_nobody_can_have_signed_has_no_signer() -> None:
    nothing = Signed(bytes(32), bytes(32), bytes(32))
    assert eip712.signer(DOMAIN, Verb.COMMIT, 1, CONTEXT, nothing) is None
    assert eip712.signer(DOMAIN, Verb.COMMIT, 1, CONTEXT, replace(nothing, r=b"\xff" * 32, vs=b"\xff" * 32)) is None


@pytest.mark.parametrize("parity", [0, 1 << 255])
def test_a_high_s_is_refused_as_the_contract_does(parity: int) -> None:
    """The compact form has room for hardly any: those between half the order and 2**255."""
    signed = eip712.sign(ACCOUNT, DOMAIN, Commit(3, CONTEXT, b"\5" * 32))
    for s, refused in ((ORDER // 2, False), (ORDER // 2 + 1, True)):
        other = replace(signed, vs=(parity | s).to_bytes(32, "big"))
        assert (eip712.signer(DOMAIN, Verb.COMMIT, 3, CONTEXT, other) is None) is refused

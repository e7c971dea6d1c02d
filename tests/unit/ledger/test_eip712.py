"""Messages that anybody may post."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from rayfed.ledger.ethereum import eip712
from rayfed.protocol.messages import Signed, Verb

ACCOUNT = Account.from_key(b"\7" * 32)
FEDERATION = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
HALF = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@pytest.mark.parametrize("verb", [Verb.COMMIT, Verb.VOTE, Verb.ATTEST])
def test_a_signature_is_eip_712s(verb: Verb) -> None:
    field = "ballot" if verb is Verb.VOTE else "root"
    kind = "uint256" if verb is Verb.VOTE else "bytes32"
    value = (5).to_bytes(32, "big")
    typed = encode_typed_data(
        {"name": "rayfed", "version": "1", "chainId": 31337, "verifyingContract": FEDERATION},
        {verb.name.capitalize(): [{"name": "round", "type": "uint32"}, {"name": field, "type": kind}]},
        {"round": 3, field: 5 if verb is Verb.VOTE else value},
    )
    theirs = ACCOUNT.sign_message(typed)
    ours = eip712.sign(ACCOUNT, 31337, FEDERATION, verb, 3, value)
    vs = int.from_bytes(ours.vs, "big")
    assert int.from_bytes(ours.r, "big") == theirs.r
    assert (vs % (1 << 255), 27 + (vs >> 255)) == (theirs.s, theirs.v)


def test_the_signer_is_found_and_for_nothing_else() -> None:
    for number in range(30):
        value = number.to_bytes(32, "big")
        signed = eip712.sign(ACCOUNT, 1, FEDERATION, Verb.ATTEST, 3, value)
        assert int.from_bytes(signed.vs, "big") % (1 << 255) <= HALF
        assert eip712.signer(1, FEDERATION, Verb.ATTEST, 3, signed) == ACCOUNT.address
        for chain, place, verb, round in (
            (2, FEDERATION, Verb.ATTEST, 3),
            (1, "0x" + "11" * 20, Verb.ATTEST, 3),
            (1, FEDERATION, Verb.COMMIT, 3),
            (1, FEDERATION, Verb.ATTEST, 4),
        ):
            assert eip712.signer(chain, place, verb, round, signed) != ACCOUNT.address
        assert eip712.signer(1, FEDERATION, Verb.ATTEST, 3, replace(signed, value=b"\1" * 32)) != ACCOUNT.address


def test_what_nobody_can_have_signed_has_no_signer() -> None:
    nothing = Signed(bytes(32), bytes(32), bytes(32))
    assert eip712.signer(1, FEDERATION, Verb.COMMIT, 1, nothing) is None
    assert eip712.signer(1, FEDERATION, Verb.COMMIT, 1, replace(nothing, r=b"\xff" * 32, vs=b"\xff" * 32)) is None

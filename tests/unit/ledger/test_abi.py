"""The contract's words as bytes."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from rayfed.encoding.primitives import NO_ROOT
from rayfed.errors import NotAFederation
from rayfed.ledger.ethereum import abi
from rayfed.protocol.messages import Outcome, Phase, Status, Terms, View

OUTCOME = "(uint32,uint8,bytes32,uint256,uint256,uint64)"
VIEW = (
    "(uint64,uint32,uint8,uint64,bytes32,uint32,uint256,uint256,uint256,uint256,uint256,uint256,"
    f"address[],bytes32[],uint256[],bytes32[],{OUTCOME})"
)
MEMBERS = ("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", "0x5FbDB2315678afecb367f032d93F642f64180aa3")


def test_a_call_is_the_selector_and_its_words() -> None:
    assert abi.call("attest", 7, b"\5" * 32)[:4] == keccak(text="attest(uint32,bytes32)")[:4]
    assert abi.call("join", b"\5" * 32, []) == keccak(text="join(bytes32,bytes32[])")[:4] + encode(
        ["bytes32", "bytes32[]"], [b"\5" * 32, []]
    )
    assert abi.call("vote", 7, 3)[4:] == (7).to_bytes(32, "big") + (3).to_bytes(32, "big")


def test_a_snapshot_becomes_a_view_field_by_field() -> None:
    head = (100, 3, 2, 160, b"\1" * 32, 2, 3, 7, 3, 1, 0, 0)
    by_member = (MEMBERS, [b"\2" * 32, NO_ROOT], [3, 0], [NO_ROOT, NO_ROOT])
    answer = encode([VIEW], [(*head, *by_member, (2, 1, b"\1" * 32, 3, 2, 150))])
    assert abi.view(answer) == View(
        time=100,
        round=3,
        phase=Phase.VOTE,
        deadline=160,
        base=b"\1" * 32,
        base_round=2,
        roster=3,
        active=7,
        committed=3,
        voted=1,
        attested=0,
        included=0,
        members=MEMBERS,
        roots=(b"\2" * 32, NO_ROOT),
        ballots=(3, 0),
        attestations=(NO_ROOT, NO_ROOT),
        previous=Outcome(2, Status.FINAL, b"\1" * 32, 3, 2, 150),
    )


def test_an_outcome_that_is_not_there_is_none() -> None:
    assert abi.outcome(encode([OUTCOME], [(0, 0, NO_ROOT, 0, 0, 0)])) is None


def test_terms_come_back_as_they_went_out() -> None:
    money = (MEMBERS[0], 11, 12, 13, 14, 15, 16, 17, b"\3" * 32, 2, 18, 19, b"\4" * 32, 20)
    terms = Terms(b"\1" * 32, b"\2" * 32, 5, 10, 20, 30, 40, 8, 4, 3, (2, 3), *money)
    data = abi.deployment(terms)
    assert data.startswith(bytes.fromhex(abi.ARTIFACT["bytecode"].removeprefix("0x")))
    assert abi.terms(data[-26 * 32 :]) == terms


@pytest.mark.parametrize("answer", [b"", b"\1" * 31, b"\xff" * 64])
def test_what_is_no_answer_of_ours_is_said_to_be_none(answer: bytes) -> None:
    for read in (abi.view, abi.terms, abi.outcome):
        with pytest.raises(NotAFederation):
            read(answer)


@pytest.mark.parametrize(
    ("signature", "types", "values", "expected"),
    [
        ("WrongRound(uint256)", ["uint256"], [4], ("WrongRound", "current=4")),
        ("InvalidTerms(string)", ["string"], ["rounds"], ("InvalidTerms", "term=rounds")),
        ("CharterMismatch(bytes32)", ["bytes32"], [b"\x0a" * 32], ("CharterMismatch", f"expected={'0a' * 32}")),
        ("ZeroRoot()", [], [], ("ZeroRoot", "")),
        ("Panic(uint256)", ["uint256"], [17], ("Panic", "code=17")),
        ("Error(string)", ["string"], ["no"], ("Error", "reason=no")),
    ],
)
def test_errors_have_their_names(
    signature: str, types: list[str], values: list[object], expected: tuple[str, str]
) -> None:
    assert abi.error_name(keccak(text=signature)[:4] + encode(types, values)) == expected


def test_an_unknown_error_is_shown_as_it_is() -> None:
    assert abi.error_name(b"\xde\xad\xbe\xef") == ("Reverted", "0xdeadbeef")
    assert abi.error_name(b"") == ("Reverted", "")


def test_an_error_whose_arguments_are_broken_keeps_its_name() -> None:
    name, detail = abi.error_name(keccak(text="WrongRound(uint256)")[:4] + b"\1")
    assert (name, detail[:10]) == ("WrongRound", "0x" + keccak(text="WrongRound(uint256)")[:4].hex())


def test_a_log_becomes_its_values_by_name() -> None:
    log = {
        "topics": [abi.TOPICS["PhaseOpened"], f"0x{3:064x}", f"0x{1:064x}"],
        "data": f"0x{700:064x}",
    }
    assert abi.event(log) == ("PhaseOpened", {"round": 3, "phase": 1, "deadline": 700})


def test_our_code_is_known_whatever_the_terms_and_nothing_else_is() -> None:
    code = bytearray.fromhex(abi.ARTIFACT["deployedBytecode"].removeprefix("0x"))
    assert abi.is_ours(bytes(code))
    place = abi.ARTIFACT["immutables"][0]
    code[place["start"] : place["start"] + place["length"]] = b"\7" * place["length"]
    assert abi.is_ours(bytes(code))
    assert not abi.is_ours(bytes(code) + b"\0")
    assert not abi.is_ours(b"")
    code[0] ^= 1
    assert not abi.is_ours(bytes(code))

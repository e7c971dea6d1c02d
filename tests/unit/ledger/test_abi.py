"""The contracts' words as bytes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from rayfed.encoding.primitives import NO_ROOT
from rayfed.errors import NotAFederation
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.contract_state import view_of
from rayfed.protocol.messages import NATIVE, Phase, Round, Status, Terms, View

MEMBERS = ("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", "0x5FbDB2315678afecb367f032d93F642f64180aa3")
ROUND = f"(uint32,uint8,uint64,uint32,bytes32,bytes32,{'uint256,' * 7}bytes32,uint256)"
POSITION = "(uint32,uint8,uint64,uint32,uint16,uint8,uint64,uint256,uint64)"
OVERVIEW = (
    f"(uint64,{POSITION},bool,uint32,bytes32,bytes32,bool,{ROUND},{ROUND},address[],bytes32[],uint256[],uint256[])"
)
TERMS = Terms(
    charter=b"\1" * 32,
    genesis=b"\2" * 32,
    rounds=5,
    join_seconds=10,
    commit_seconds=20,
    vote_seconds=30,
    attest_seconds=40,
    start_members=8,
    min_members=4,
    max_missed=3,
    max_unsettled=6,
    max_void=7,
    limit_seconds=1_000,
    coin=MEMBERS[0],
    stake=11,
    reward=12,
    bond=13,
    window_seconds=14,
    clock_seconds=15,
    proof_seconds=16,
    right_share=17,
    allow_list=b"\3" * 32,
    rule=2,
    trim=18,
    max_weight=19,
    layout=b"\4" * 32,
    values=21,
    encoding=b"\5" * 32,
    frozen=b"\6" * 32,
)


def overview(now: tuple[Any, ...], before: tuple[Any, ...], phase: int, deadline: int) -> View:
    """Return what a federation says, by its rounds of now and before."""
    position = (3, phase, deadline, 1, 0, 2, 50, 7, 9)
    made = (2, b"\1" * 32, b"\7" * 32)
    by_member = ([MEMBERS[0], NATIVE, MEMBERS[1]], [b"\2" * 32, NO_ROOT, NO_ROOT], [3, 0, 0], [4, 0, 0])
    answer = encode([OVERVIEW], [(100, position, True, *made, False, now, before, *by_member)])
    return view_of(abi.answer("overview", answer))


def test_a_call_is_the_selector_and_its_words() -> None:
    assert abi.call("attest", 7, b"\4" * 32, b"\5" * 32)[:4] == keccak(text="attest(uint32,bytes32,bytes32)")[:4]
    assert abi.call("join", b"\5" * 32, []) == keccak(text="join(bytes32,bytes32[])")[:4] + encode(
        ["bytes32", "bytes32[]"], [b"\5" * 32, []]
    )
    assert abi.call("vote", 7, b"\4" * 32, 3, 2)[4:] == (7).to_bytes(32, "big") + b"\4" * 32 + (3).to_bytes(
        32, "big"
    ) + (2).to_bytes(32, "big")


def test_no_two_contracts_call_different_things_by_the_same_name() -> None:
    seen: dict[tuple[str, str], str] = {}
    for name in abi.CONTRACTS:
        for entry in abi.ARTIFACTS[name]["abi"]:
            if "name" in entry:
                said = abi._signature(entry)
                assert seen.setdefault((entry["type"], entry["name"]), said) == said


def test_an_overview_becomes_a_view_field_by_field() -> None:
    opened = (3, 1, 160, 2, b"\1" * 32, b"\x08" * 32, 5, 1, 4, 0, 0, 0, 0, NO_ROOT, 0)
    closed = (2, 2, 90, 0, b"\2" * 32, b"\7" * 32, 5, 5, 0, 5, 4, 5, 1, b"\1" * 32, 4)
    assert overview(opened, closed, 1, 160) == View(
        time=100,
        round=3,
        phase=Phase.COMMIT,
        deadline=160,
        due=True,
        base=b"\1" * 32,
        base_round=2,
        base_context=b"\7" * 32,
        base_settled=False,
        context=b"\x08" * 32,
        roster=5,
        active=7,
        committed=1,
        abstained=4,
        voted=0,
        attested=0,
        included=0,
        excused=0,
        finals=1,
        voids=0,
        unsettled=2,
        since=50,
        members=(MEMBERS[0], "", MEMBERS[1]),
        roots=(b"\2" * 32, NO_ROOT, NO_ROOT),
        accepts=(3, 0, 0),
        misses=(4, 0, 0),
        previous=Round(
            round=2,
            status=Status.FINAL,
            deadline=90,
            base_round=0,
            base=b"\2" * 32,
            context=b"\7" * 32,
            roster=5,
            committed=5,
            voted=5,
            attested=4,
            included=5,
            excused=1,
            root=b"\1" * 32,
            attesters=4,
        ),
    )


def test_between_rounds_a_view_is_of_no_round() -> None:
    closed = (3, 2, 90, 0, b"\2" * 32, b"\7" * 32, 5, 5, 0, 5, 4, 5, 1, b"\1" * 32, 4)
    view = overview(closed, closed, 4, 0)
    assert (view.phase, view.roster, view.committed, view.included) == (Phase.WAITING, 0, 0, 0)
    assert view.context == bytes(32)
    assert view.previous is not None
    assert view.previous.round == 3


def test_terms_come_back_as_they_went_out() -> None:
    assert len({getattr(TERMS, item.name) for item in fields(TERMS)}) == len(fields(TERMS))
    assert abi.decoded(abi.encoded(TERMS)) == TERMS
    answered = Terms(**abi.answer("terms", abi.encoded(TERMS)))
    assert answered == TERMS


@pytest.mark.parametrize("answer", [b"", b"\1" * 31, b"\xff" * 64])
def test_what_is_no_answer_of_ours_is_said_to_be_none(answer: bytes) -> None:
    for name in ("overview", "terms", "roundOf", "books"):
        with pytest.raises(NotAFederation):
            abi.answer(name, answer)
    with pytest.raises(NotAFederation):
        abi.decoded(answer)


def test_several_values_have_their_names() -> None:
    data = encode(["uint256", "uint256", "uint256"], [1, 2, 3])
    assert abi.answer("books", data) == {"pool": 1, "burned": 2, "native_burned": 3}
    assert abi.answer("owed", encode(["uint256"], [5])) == 5


@pytest.mark.parametrize(
    ("signature", "types", "values", "expected"),
    [
        ("WrongRound(uint256)", ["uint256"], [4], ("WrongRound", "current=4")),
        ("InvalidTerms(string)", ["string"], ["rounds"], ("InvalidTerms", "term=rounds")),
        ("CharterMismatch(bytes32)", ["bytes32"], [b"\x0a" * 32], ("CharterMismatch", f"expected={'0a' * 32}")),
        ("NothingNew()", [], [], ("NothingNew", "")),
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
        "data": f"0x{700:064x}" + "ab" * 32,
    }
    assert abi.event(log) == ("PhaseOpened", {"round": 3, "phase": 1, "deadline": 700, "context": b"\xab" * 32})


def test_our_code_is_known_whatever_its_constructor_was_told_and_nothing_else_is() -> None:
    code = bytearray.fromhex(abi.ARTIFACTS[abi.FACTORY]["deployedBytecode"].removeprefix("0x"))
    assert abi.is_ours(bytes(code), abi.FACTORY)
    place = abi.ARTIFACTS[abi.FACTORY]["immutables"][0]
    code[place["start"] : place["start"] + place["length"]] = b"\7" * place["length"]
    assert abi.is_ours(bytes(code), abi.FACTORY)
    assert not abi.is_ours(bytes(code), abi.LEDGER)
    assert not abi.is_ours(bytes(code) + b"\0", abi.FACTORY)
    assert not abi.is_ours(b"", abi.FACTORY)
    code[0] ^= 1
    assert not abi.is_ours(bytes(code), abi.FACTORY)

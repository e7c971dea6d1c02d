"""Every command is a call of the contract, argument by argument, and no money goes along that nobody named."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.calls import COURT, ContractCall, contract_call
from rayfed.protocol import commands
from rayfed.protocol.commands import Command
from rayfed.protocol.court import InputProof, Point
from rayfed.protocol.messages import NATIVE, Signed, Terms, Verb

A, B = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", "0x5FbDB2315678afecb367f032d93F642f64180aa3"
R, C = b"\1" * 32, b"\2" * 32
TERMS = Terms(R, C, 1, 1, 1, 1, 1, 1, 1, 1, coin=B, bond=77)
POINT = Point(3, 1, 4, 6, 32, 64)
SAID = (3, 1, 4, 6, 32, 64)
MESSAGES = {5: Signed(b"\5" * 32, b"\6" * 32, b"\7" * 32, 8), 2: Signed(b"\3" * 32, b"\4" * 32, b"\5" * 32)}

CASES: list[tuple[Command, str, tuple[object, ...]]] = [
    (commands.Join(C), "join", (C, (R,))),
    (commands.Leave(), "leave", ()),
    (commands.Release(7), "release", (7,)),
    (commands.Announce(4, b"card"), "announce", (4, b"card")),
    (commands.Commit(3, C, R), "commit", (3, C, R)),
    (commands.Vote(3, C, 5, 2), "vote", (3, C, 5, 2)),
    (commands.Attest(3, C, R), "attest", (3, C, R)),
    (commands.Advance(), "advance", ()),
    (
        commands.Relay(Verb.VOTE, 3, C, MESSAGES, (A,), closes=True),
        "relay",
        (
            2,
            3,
            C,
            36,
            ((b"\3" * 32, b"\4" * 32, b"\5" * 32), (b"\5" * 32, b"\6" * 32, b"\7" * 32)),
            (0, 8),
            (A.lower(),),
            True,
        ),
    ),
    (commands.Deposit(A, 5), "deposit", (A.lower(), 5)),
    (commands.DepositBonds(A, 5), "depositBonds", (A.lower(),)),
    (commands.Fund(5), "fund", (5,)),
    (commands.Settle(3, 9), "settle", (3, 9)),
    (commands.Collect(3, 1), "collect", (3, 1)),
    (commands.Reimburse(3, 1, 2, A), "reimburse", (3, 1, 2, A.lower())),
    (commands.Withdraw(), "withdraw", ()),
    (commands.Claim(A), "claim", (A.lower(),)),
    (commands.ClaimNative(A), "claimNative", (A.lower(),)),
    (commands.Refund(A), "refund", (A.lower(),)),
    (commands.EnterRoot(3, C, R), "enter", (3, C, R)),
    (commands.Show(POINT, (R,), (C,)), "show", (SAID, (R,), (C,))),
    (commands.ShowLeaf(POINT, b"left", b""), "showLeaf", (SAID, b"left", b"")),
    (
        commands.Prove(POINT, C, (R, R), (InputProof(1, b"leaf", (R,), b"header", (C,)),)),
        "prove",
        (SAID, C, (R, R), ((1, b"leaf", (R,), b"header", (C,)),)),
    ),
    (commands.Resolve(3, 1, 2), "resolve", (3, 1, 2)),
    (commands.Undo(3), "undo", (3,)),
]


@pytest.mark.parametrize(("command", "function", "arguments"), CASES, ids=[case[1] for case in CASES])
def test_a_command_is_a_call(command: Command, function: str, arguments: tuple[object, ...]) -> None:
    data = contract_call(command, TERMS, (R,)).data
    assert data[:4] == abi.call(function, *abi.arguments(function, data))[:4]
    assert abi.arguments(function, data) == arguments


def test_all_commands_are_there() -> None:
    assert {type(command) for command, _, _ in CASES} == set(get_args(Command))


def test_misses_are_left_out_where_nobody_misses_anything() -> None:
    messages = {index: replace(one, misses=0) for index, one in MESSAGES.items()}
    data = contract_call(commands.Relay(Verb.VOTE, 3, C, messages), TERMS).data
    assert abi.arguments("relay", data)[5] == ()


def test_what_goes_along() -> None:
    def money(command: Command, coin: str = B) -> ContractCall:
        return replace(contract_call(command, replace(TERMS, coin=coin)), data=b"")

    for command in (commands.Deposit(A, 5), commands.Fund(5)):
        assert money(command) == ContractCall(b"", coins=5)
        assert money(command, NATIVE) == ContractCall(b"", value=5)
    for coin in (B, NATIVE):
        assert money(commands.DepositBonds(A, 5), coin) == ContractCall(b"", value=5)
        assert money(commands.EnterRoot(3, C, R), coin) == ContractCall(b"", value=77)
    paying = {Verb.DEPOSIT, Verb.FUND, Verb.BONDS, Verb.ENTER}
    for command, _, _ in CASES:
        assert (money(command) == ContractCall(b"")) is (command.verb not in paying)


def test_no_ceiling_holds_back_what_is_said_in_a_dispute() -> None:
    assert {
        command.verb
        for command, _, _ in CASES
        if not isinstance(command, commands.Statement)
        and command.verb
        not in {
            Verb.JOIN,
            Verb.LEAVE,
            Verb.RELEASE,
            Verb.ANNOUNCE,
            Verb.ADVANCE,
            Verb.RELAY,
            Verb.DEPOSIT,
            Verb.BONDS,
            Verb.FUND,
            Verb.WITHDRAW,
            Verb.CLAIM,
            Verb.CLAIM_NATIVE,
            Verb.REFUND,
        }
    } == COURT

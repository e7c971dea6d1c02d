"""Invitations: whole or refused, with the reason in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rayfed.errors import CodecError
from rayfed.protocol.charter import StakeTerms
from rayfed.protocol.invitation import Invitation, coins
from tests.unit.protocol.test_charter import charter

MADE = Invitation(
    federation="0x" + "12" * 20,
    chain_id=5,
    block=7,
    charter=replace(charter(), stake=StakeTerms("dlc", stake=5 * 10**17, bond=10**16)),
    code="0x" + "ab" * 32,
    coin="0x" + "34" * 20,
    coin_name="DLC",
    rpc=("https://rpc.example.org",),
    settings={"data": {"kind": "digits"}, "train": {"mu": 0.5}},
    withheld=("data.loader: code of the founder's own",),
    release="9.9",
)


def test_what_is_written_is_read() -> None:
    assert Invitation.from_json(MADE.to_json()) == MADE


def test_amounts_and_coin_are_told() -> None:
    assert MADE.needs["stake"] == f"0.5 DLC (the coin at {MADE.coin})"
    assert MADE.needs["bonds"] == f"{coins(MADE.charter.terms(MADE.coin).bonds)} of the chain's own currency"
    assert (coins(10**18), coins(0), coins(1), coins(25 * 10**17)) == ("1", "0", "0.000000000000000001", "2.5")


def changed(**entries: Any) -> str:
    return json.dumps({**json.loads(MADE.to_json()), **entries})


def without(name: str) -> str:
    value = json.loads(MADE.to_json())
    del value[name]
    return json.dumps(value)


def other_terms() -> str:
    value = json.loads(MADE.to_json())
    value["charter"]["rounds"] += 1
    return json.dumps(value)


def deep(name: str, levels: int) -> str:
    text = json.dumps({**json.loads(MADE.to_json()), name: {"x": "HERE"}})
    return text.replace('"HERE"', "[" * levels + "]" * levels)


DAMAGE: dict[str, tuple[Callable[[], str], str]] = {
    "cut off": (lambda: MADE.to_json()[:-9], "it is damaged, or no invitation: not JSON"),
    "something else": (lambda: "[1]", "it is no invitation"),
    "of the first edition": (
        lambda: changed(edition=1),
        "it is of edition '1' of the protocol, written by rayfed '9.9'; ",
    ),
    "of a later edition": (lambda: changed(edition=3), "this program speaks edition 2"),
    "a key gone": (lambda: without("code"), "it is damaged: invitation: the key is missing: code"),
    "a key too many": (lambda: changed(more=1), "it is damaged: invitation: unknown key: more"),
    "a number as a text": (lambda: changed(chain_id="5"), "invitation.chain_id: not of the type int"),
    "other terms": (other_terms, "it is damaged: its charter does not hash to charter_hash"),
    "a smaller stake in words": (lambda: changed(needs={"stake": "0", "bonds": "0"}), "what it says of stake"),
    "no address": (lambda: changed(federation="0x12"), "invitation.federation: '0x12' is not one"),
    "a terminal's orders": (lambda: changed(release="9\x1b]0;me\x07"), "is not a line of at most 500 characters"),
    "a coin with a long name": (lambda: changed(coin={"address": MADE.coin, "name": "x" * 501}), "is not a line"),
    "no chain": (lambda: changed(chain_id=-1), "there is no such chain"),
    "too deep": (lambda: deep("charter", 900), "nested deeper than 24 times"),
    "much too deep": (lambda: deep("charter", 900_000), "nested deeper than 24 times"),
    "settings too deep": (lambda: deep("settings", 25), "nested deeper than 24 times"),
    "a URL that is none": (lambda: changed(rpc=[5]), "invitation.rpc: not a list of texts"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_one_is_refused_in_one_line(case: str) -> None:
    text, reason = DAMAGE[case]
    with pytest.raises(CodecError) as caught:
        Invitation.from_json(text())
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)

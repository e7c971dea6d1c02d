from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rayfed.encoding import canonical
from rayfed.encoding.layout import Layout
from rayfed.errors import CodecError, ConfigError
from rayfed.protocol.charter import Charter, DataTerms, MergeTerms, StakeTerms
from rayfed.protocol.messages import NATIVE, Terms

LAYOUT = Layout.of({"w": np.zeros((3, 2), np.float32), "n": np.zeros((), np.int64)})


COIN = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
STAKES = [
    StakeTerms(coin="dlc"),
    StakeTerms(coin=COIN),
    StakeTerms(stake=1),
    StakeTerms(reward=1),
    StakeTerms(bond=1),
    StakeTerms(window_seconds=1),
    StakeTerms(clock_seconds=1),
    StakeTerms(proof_seconds=1),
    StakeTerms(right_share=1),
    StakeTerms(allow_list="0x" + "ab" * 32),
]


def charter(**changes: Any) -> Charter:
    return replace(
        Charter(
            name="digits",
            layout=LAYOUT,
            data=DataTerms(tuple("0123456789"), (1, 8, 8), (305_000,), (376_000,)),
            model={"_target_": "rayfed.learning.models.SmallCNN", "width": 32, "dropout": "0.5"},
            merge=MergeTerms("trimmed_mean", trim=1000),
            rounds=5,
            join_seconds=300,
            commit_seconds=600,
            vote_seconds=300,
            attest_seconds=300,
            start_members=4,
            min_members=2,
            max_missed=3,
            max_unsettled=16,
            max_void=8,
            limit_seconds=86_400,
            genesis=bytes(range(32)),
            genesis_source={"seed": 0},
        ),
        **changes,
    )


def test_json_there_and_back() -> None:
    original = charter()
    again = Charter.from_json(original.canonical_json())
    assert again == original
    assert again.hash == original.hash == hashlib.sha256(original.canonical_json().encode()).digest()
    assert Charter.from_json(original.canonical_json().encode()) == original


def test_the_text_is_canonical() -> None:
    text = charter(name="größer").canonical_json()
    assert text.isascii()
    assert " " not in text
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_the_hash_stays_what_it_is() -> None:
    """A change of the format changes the hash of every charter there is; then VERSION must move too."""
    assert charter().hash.hex() == "dd9ac963a257e7f60feae685d0b7624cdde2f5fb561185acf9b698aed8065ca0"


def test_everything_in_it_is_in_the_hash() -> None:
    hashes = {
        charter(**change).hash
        for change in (
            {},
            {"name": "other"},
            {"layout": Layout.of({"w": np.zeros(7, np.float32)})},
            {"data": DataTerms(tuple("0123456789"), (1, 8, 8), (305_001,), (376_000,))},
            {"data": DataTerms(tuple("0123456789"), (1, 8, 8), (305_000,), (376_000,), 12)},
            {"model": {"_target_": "torchvision.models.resnet18"}},
            {"merge": MergeTerms("median")},
            {"merge": MergeTerms("median", max_weight=5)},
            {"rounds": 6},
            {"join_seconds": 301},
            {"commit_seconds": 601},
            {"vote_seconds": 301},
            {"attest_seconds": 301},
            {"start_members": 5},
            {"min_members": 3},
            {"max_missed": 0},
            {"max_unsettled": 15},
            {"max_void": 7},
            {"limit_seconds": 86_401},
            {"genesis": bytes([1]) * 32},
            {"genesis_source": {"seed": 1}},
            {"final_model": "members"},
            *({"stake": change} for change in STAKES),
        )
    }
    assert len(hashes) == 22 + len(STAKES)


def test_bits_are_in_the_text_only_where_they_are_said() -> None:
    terms = DataTerms(tuple("0123456789"), (1, 8, 8), (305_000,), (376_000,), 12)
    deep = charter(data=terms)
    assert "bits" not in charter().canonical_json()
    assert Charter.from_json(deep.canonical_json()) == deep
    for said in (0, 7, 32, "12"):
        text = canonical.dumps({**canonical.loads(deep.canonical_json()), "data": {**terms.to_dict(), "bits": said}})
        with pytest.raises(CodecError, match=r"charter\.data\.bits"):
            Charter.from_json(text)


def test_who_gets_the_final_model_is_in_the_text_only_where_it_is_not_everybody() -> None:
    kept = charter(final_model="members")
    assert "final_model" not in charter().canonical_json()
    assert Charter.from_json(kept.canonical_json()) == kept
    for said in ("public", "friends", 1):
        text = canonical.dumps({**canonical.loads(kept.canonical_json()), "final_model": said})
        with pytest.raises(CodecError, match="final_model"):
            Charter.from_json(text)
    with pytest.raises(ConfigError, match=r"^federation\.final_model: 'friends' is neither public nor members$"):
        charter(final_model="friends")


def test_terms_and_rule() -> None:
    made = charter(stake=StakeTerms("dlc", 5, 4, 3, 2, 1, 6, 7, "0x" + "ab" * 32))
    first = (made.hash, made.genesis, 5, 300, 600, 300, 300, 4, 2, 3, 16, 8, 86_400)
    kept = (5, 4, 3, 2, 1, 6, 7, b"\xab" * 32, 2, 1000, 1_000_000, LAYOUT.hash, 7, bytes(32), bytes(32))
    assert made.terms(COIN) == Terms(*first, COIN, *kept)
    assert made.rule().name == "trimmed_mean"


def test_the_terms_name_a_coin() -> None:
    assert charter(stake=StakeTerms(coin="native")).terms(COIN).coin == NATIVE
    assert charter(stake=StakeTerms(coin=COIN)).terms(NATIVE).coin == COIN
    assert charter(stake=StakeTerms(coin="dlc")).terms(COIN).coin == COIN


@pytest.mark.parametrize(("rule", "number", "trim"), [("mean", 1, 0), ("trimmed_mean", 2, 1000), ("median", 3, 0)])
def test_the_contract_knows_every_rule_by_its_number(rule: str, number: int, trim: int) -> None:
    terms = charter(merge=MergeTerms(rule, trim=1000)).terms()
    assert (terms.rule, terms.trim) == (number, trim)


def test_merge_terms_are_in_the_text_where_they_are_not_the_default() -> None:
    plain = json.loads(charter().canonical_json())["merge"]
    assert set(plain) == {"rule", "trim", "max_weight"}
    mixed = charter(merge=MergeTerms("trimmed_mean", 2500, mixing="nnm", f=2))
    assert json.loads(mixed.canonical_json())["merge"] == {
        "f": 2, "max_weight": 1_000_000, "mixing": "nnm", "rule": "trimmed_mean", "trim": 2500,
    }  # fmt: skip
    assert Charter.from_json(mixed.canonical_json()) == mixed
    assert mixed.rule().name == "nnm+trimmed_mean"


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        ({"rounds": 0}, "federation.rounds"),
        ({"commit_seconds": 0}, "federation.commit_seconds"),
        ({"vote_seconds": 2**32}, "federation.vote_seconds"),
        ({"start_members": 257}, "federation.start_members"),
        ({"start_members": 0}, "federation.start_members"),
        ({"min_members": 5}, "federation.min_members"),
        ({"max_missed": 8}, "federation.max_missed"),
        ({"max_unsettled": 0}, "federation.max_unsettled"),
        ({"max_unsettled": 17}, "federation.max_unsettled"),
        ({"max_void": 0}, "federation.max_void"),
        ({"max_void": 2**16}, "federation.max_void"),
        ({"limit_seconds": 0}, "federation.limit_seconds"),
        ({"merge": MergeTerms("krum")}, "merge.rule"),
        ({"merge": MergeTerms("trimmed_mean", trim=5000)}, "merge.trim"),
        ({"merge": MergeTerms("mean", max_weight=0)}, "merge.max_weight"),
        ({"genesis": bytes(32)}, "charter"),
        ({"version": 1}, "charter"),
        ({"stake": StakeTerms(coin="dollar")}, "stake.coin"),
        ({"stake": StakeTerms(coin=NATIVE)}, "stake.coin"),
        ({"stake": StakeTerms(stake=2**112)}, "stake.amount"),
        ({"stake": StakeTerms(reward=-1)}, "stake.reward"),
        ({"stake": StakeTerms(bond=0)}, "stake.bond"),
        ({"stake": StakeTerms(bond=2**96)}, "stake.bond"),
        ({"stake": StakeTerms(window_seconds=0)}, "stake.window_seconds"),
        ({"stake": StakeTerms(clock_seconds=0)}, "stake.clock_seconds"),
        ({"stake": StakeTerms(proof_seconds=2**32)}, "stake.proof_seconds"),
        ({"stake": StakeTerms(right_share=1_001)}, "stake.right_share"),
        ({"stake": StakeTerms(allow_list="0x")}, "stake.allow_list"),
        ({"rounds": True}, "federation.rounds"),
    ],
)
def test_a_setting_that_the_contract_would_refuse_is_named(change: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError) as caught:
        charter(**change)
    assert caught.value.setting == setting


@pytest.mark.parametrize(
    ("model", "message"),
    [({"dropout": 0.5}, r"model\.dropout: 0\.5"), ({"bias": True}, "True"), ({"a": [None]}, r"model\.a\[0\]: None")],
)
def test_floats_switches_and_nothing_have_no_place_in_it(model: dict[str, Any], message: str) -> None:
    with pytest.raises(CodecError, match=message):
        charter(model=model)


def edited(path: tuple[str, ...], value: Any) -> str:
    """The canonical text of the example with one value put in, or taken out where it is None."""
    whole = json.loads(charter().canonical_json())
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(whole, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("steak",), 1, "unknown key: steak"),
        (("stake",), 1, "stake: not of the type dict"),
        (("stake", "bond"), "1", "bond: not of the type int"),
        (("stake", "coin"), "gold", "stake.coin"),
        (("rounds",), None, "missing: rounds"),
        (("rounds",), "5", "rounds: not of the type int"),
        (("rounds",), 5.0, "rounds: 5.0"),
        (("rounds",), 0, "federation.rounds"),
        (("version",), 1, "version 1 is of the first edition"),
        (("version",), 4, "version 4 is not known"),
        (("version",), "3", "version: not of the type int"),
        (("max_void",), None, "missing: max_void"),
        (("quorum",), [2, 3], "unknown key: quorum"),
        (("name",), 5, "name: not of the type str"),
        (("data", "shape"), ["1"], "data.shape"),
        (("data", "classes"), [1], "data.classes"),
        (("data", "mode"), "RGB", "unknown key: mode"),
        (("merge", "rule"), "krum", "merge.rule"),
        (("merge", "trim"), None, "missing: trim"),
        (("merge", "mixing"), 1, "mixing: not of the type str"),
        (("merge", "mixing"), "none", "default"),
        (("merge", "mixing"), "nnm", "merge.f"),
        (("merge", "blend"), 1, "unknown key: blend"),
        (("genesis",), "0x12", "genesis"),
        (("genesis",), "0x" + "zz" * 32, "genesis"),
        (("genesis",), "0x" + "AB" * 32, "genesis"),
        (("layout", "tensors"), [], "no values"),
    ],
)
def test_a_text_that_is_no_charter_is_refused(path: tuple[str, ...], value: Any, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        Charter.from_json(edited(path, value))


def test_a_charter_of_the_first_edition_is_told_apart_in_one_line() -> None:
    whole = json.loads(charter().canonical_json())
    for name in ("max_unsettled", "max_void", "limit_seconds"):
        del whole[name]
    whole["version"], whole["quorum"] = 2, [2, 3]
    with pytest.raises(CodecError, match=r"^charter: version 2 is of the first edition.*found a federation anew"):
        Charter.from_json(canonical.dumps(whole))


def test_only_the_canonical_text_is_taken() -> None:
    text = charter().canonical_json()
    for other in (
        text + "\n",
        text.replace(",", ", "),
        json.dumps(json.loads(text)),
        text.replace('"name":"digits"', '"name":"other","name":"digits"'),
        text.replace('"digits"', '"\\u0064igits"'),
        text[:-1],
        "nothing",
    ):
        with pytest.raises(CodecError):
            Charter.from_json(other)
    with pytest.raises(CodecError, match="not JSON"):
        Charter.from_json("größer".encode())


def test_keys_must_be_strings() -> None:
    with pytest.raises(CodecError, match="the key 1 is not a string"):
        canonical.dumps({"a": {1: 2}})

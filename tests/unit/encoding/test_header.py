from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rayfed.encoding import codec, merkle
from rayfed.encoding.header import Header
from rayfed.encoding.layout import Layout
from rayfed.errors import CodecError

FEDERATION = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
NODE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
HEADER = Header.update(31337, FEDERATION, 3, NODE, weight=1437)
STATE = {"w": np.ones((3, 5), np.float32), "n": np.array(7)}


def test_there_and_back() -> None:
    layout = Layout.of(STATE)
    for header in (HEADER, Header.merged(7), Header.merged(0)):
        bound = header.bound(layout)
        assert codec.read_header(bound.to_bytes()) == bound
        assert len(bound.to_bytes()) == merkle.LEAF


def test_addresses_compare_by_bytes_not_by_case() -> None:
    assert Header.update(1, FEDERATION.lower(), 1, NODE.upper().replace("0X", "0x")) == Header.update(
        1, FEDERATION, 1, NODE
    )


def test_a_header_of_another_layout_is_not_written() -> None:
    state = STATE
    layout = Layout.of(state)
    with pytest.raises(CodecError, match="another layout"):
        codec.encode(layout, state, replace(HEADER, layout_hash=bytes([1]) * 32))


@pytest.mark.parametrize(
    "arguments",
    [
        {"chain_id": -1},
        {"chain_id": 2**256},
        {"federation": "0x12"},
        {"node": NODE[:-1] + "g"},
        {"round": 2**32},
        {"weight": 0},
        {"weight": 2**32},
        {"layout_hash": b"short"},
    ],
)
def test_what_has_no_place_in_its_word_is_refused(arguments: dict[str, Any]) -> None:
    good: dict[str, Any] = {"chain_id": 1, "federation": FEDERATION, "round": 1, "node": NODE, "weight": 5}
    with pytest.raises(CodecError, match="header"):
        Header.update(**{**good, **arguments})


@pytest.mark.parametrize(
    ("word", "message"), [(0, "magic"), (1, "kind"), (3, "federation"), (4, "round"), (5, "node"), (7, "weight")]
)
def test_a_malformed_word_is_seen(word: int, message: str) -> None:
    leaf = bytearray(HEADER.bound(Layout.of(STATE)).to_bytes())
    leaf[32 * word] ^= 0xFF
    with pytest.raises(CodecError, match=message):
        codec.read_header(leaf)


def test_a_merged_header_names_nobody() -> None:
    leaf = bytearray(Header.merged(1).bound(Layout.of(STATE)).to_bytes())
    for word in (2, 3, 5, 7):
        changed = leaf.copy()
        changed[32 * word + 31] = 1
        with pytest.raises(CodecError, match="merged model names no"):
            codec.read_header(changed)


def test_reserved_words_are_part_of_what_is_expected() -> None:
    """A node expects what its charter says: another encoding, or another frozen trunk, is another blob."""
    bound = HEADER.bound(Layout.of(STATE))
    for name, word in (("encoding", "another encoding"), ("frozen", "another hash of what is frozen")):
        other = replace(bound, **{name: b"\1" * 32})
        assert codec.read_header(other.to_bytes()) == other
        assert word in other.differs(bound)
    with pytest.raises(CodecError, match="encoding has 32 bytes"):
        replace(bound, encoding=b"short")


def test_less_than_a_leaf_is_no_header() -> None:
    with pytest.raises(CodecError, match="less than a leaf"):
        codec.read_header(HEADER.to_bytes()[:-1])

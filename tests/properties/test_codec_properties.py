"""The fixed point against exact fractions, for any float there is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfed.encoding import codec, merkle
from rayfed.encoding.codec import Header, Layout, TensorSpec
from rayfed.encoding.header import MAGIC
from rayfed.errors import CodecError

HEADER = Header.merged(0)


def layout_of(size: int, dtype: str, exponent: int) -> Layout:
    return Layout((TensorSpec("w", (size,), "float", dtype, exponent),))


@st.composite
def floats(draw: st.DrawFn) -> tuple[list[float], str]:
    width = draw(st.sampled_from([16, 32, 64]))
    any_float = st.floats(allow_nan=False, allow_infinity=False, width=width)
    weight = st.floats(-8, 8, width=width)
    half = st.integers(-1000, 1000).map(lambda i: i / 2)  # ties at exponent 0
    return draw(st.lists(any_float | weight | half, min_size=1, max_size=40)), f"float{width}"


@given(floats(), st.integers(0, 30))
def test_encoding_is_one_exact_rounding_and_a_clip(data: tuple[list[float], str], exponent: int) -> None:
    numbers, dtype = data
    layout = layout_of(len(numbers), dtype, exponent)
    array = np.array(numbers, dtype)
    encoded = codec.encode(layout, {"w": array}, HEADER)
    exact = [round(Fraction(float(x)) * 2**exponent) for x in array]  # round() of a fraction: half to even
    assert codec.values(encoded.blob).tolist() == [min(max(q, codec.LOW), codec.HIGH) for q in exact]
    assert encoded.saturated == sum(not codec.LOW <= q <= codec.HIGH for q in exact)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=40), st.integers(0, 30))
def test_decoding_is_one_rounding_to_float32(numbers: list[int], exponent: int) -> None:
    layout = layout_of(len(numbers), "float32", exponent)
    blob = codec.blank(layout, HEADER)
    codec.values(blob)[:] = numbers
    decoded = codec.decode(layout, blob)["w"]
    for q, x in zip(numbers, decoded.tolist(), strict=True):
        nearest = np.float32(q)  # NumPy's own conversion from a Python int, one at a time
        assert Fraction(x) == Fraction(float(nearest)) / 2**exponent


@given(st.lists(st.integers(-(2**24), 2**24), min_size=1, max_size=40), st.integers(0, 30))
def test_small_values_survive_the_way_there_and_back(numbers: list[int], exponent: int) -> None:
    layout = layout_of(len(numbers), "float32", exponent)
    blob = codec.blank(layout, HEADER)
    codec.values(blob)[:] = numbers
    again = codec.encode(layout, codec.decode(layout, blob), HEADER)
    assert again.blob == blob


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_bytes_from_anywhere_are_no_header(data: bytes, padded: bool, magic: bool) -> None:
    leaf = (MAGIC if magic else b"") + data
    with pytest.raises(CodecError):
        codec.read_header(leaf.ljust(merkle.LEAF, b"\x00") if padded else leaf)


@given(
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**160 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**160 - 1),
    st.integers(1, 2**32 - 1),
    st.integers(0, 9 * 32 * 8 - 1),
)
def test_one_flipped_bit_is_never_the_same_header(
    chain: int, federation: int, round_: int, node: int, weight: int, bit: int
) -> None:
    layout = layout_of(3, "float32", 24)
    header = Header.update(chain, f"0x{federation:040x}", round_, f"0x{node:040x}", weight=weight).bound(layout)
    leaf = bytearray(header.to_bytes())
    assert codec.read_header(leaf) == header
    leaf[bit // 8] ^= 1 << bit % 8
    try:
        other = codec.read_header(leaf)
    except CodecError:
        return
    assert other != header
    assert bytes(leaf) == other.to_bytes()

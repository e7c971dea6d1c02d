"""Updates in 16 and 8 bits: what any bytes stand for, and what packing makes of a change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rayfed.encoding import codec, differences, merkle
from rayfed.encoding.codec import Header, Layout
from rayfed.errors import CodecError

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/encodings.json").read_text())["cases"]
NARROW = [8, 16]
STATE = {
    "w": np.random.default_rng(1).normal(size=(700, 3)).astype(np.float32),
    "steps": np.array(3, np.int64),
    "running_var": np.full(5, 0.004, np.float32),
}
HEADER = Header.update(1, "0x" + "aa" * 20, 7, "0x" + "bb" * 20, weight=9)


def layout(bits: int) -> Layout:
    return replace(Layout.of(STATE), bits=bits)


def packed(bits: int, state: dict[str, np.ndarray]) -> tuple[memoryview, np.ndarray, np.ndarray, int]:
    """Return an update, the values that it was made of, the base's, and how many were clipped."""
    made = layout(bits)
    base = codec.values(codec.encode(made, STATE, Header.merged(6)).blob)
    wide = codec.encode(made, state, HEADER).blob
    blob = memoryview(np.empty(made.update_size, np.uint8))
    blob[: merkle.LEAF] = wide[: merkle.LEAF]
    clipped = differences.pack(made, codec.values(wide), base, blob)
    return blob, codec.values(wide), base, clipped


def moved(by: float, seed: int = 2) -> dict[str, np.ndarray]:
    change = np.random.default_rng(seed).normal(scale=by, size=STATE["w"].shape).astype(np.float32)
    return {"w": STATE["w"] + change, "steps": np.array(40, np.int64), "running_var": STATE["running_var"] / 2}


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: str(case["bits"]))
def test_a_leaf_says_what_the_vectors_say(case: dict) -> None:
    leaf, bits = bytes.fromhex(case["leaf"][2:]), case["bits"]
    for offset, values in zip(case["offsets"], case["values"], strict=True):
        assert [differences.value(leaf, offset, bits, base) for base in case["bases"]] == values


@pytest.mark.parametrize("bits", NARROW)
def test_any_bytes_are_an_update_and_all_at_once_are_as_each_alone(bits: int) -> None:
    size = 2 * differences.values_a_leaf(bits) + 100
    dice = np.random.default_rng(bits)
    blob = dice.bytes(merkle.LEAF * differences.leaves(size, bits))
    base = dice.integers(-(2**31), 2**31 - 1, size, np.int32)
    values = differences.unpack(blob, base, bits)
    for position in range(size):
        leaf, offset = differences.place(position, bits)
        there = blob[merkle.LEAF * leaf : merkle.LEAF * (leaf + 1)]
        assert differences.value(there, offset, bits, int(base[position])) == values[position]
    start = differences.values_a_leaf(bits)
    np.testing.assert_array_equal(differences.unpack(blob, base, bits, start, start + 77), values[start : start + 77])
    with pytest.raises(CodecError, match="too few"):
        differences.unpack(blob[: -merkle.LEAF], base, bits)


@pytest.mark.parametrize(("bits", "steps"), [(8, 127), (16, 32_767)])
def test_no_value_is_further_off_than_a_step_of_its_block(bits: int, steps: int) -> None:
    blob, values, base, clipped = packed(bits, moved(0.01))
    change = values.astype(np.int64) - base
    off = differences.unpack(blob, base, bits).astype(np.int64) - values
    per = differences.values_a_block(bits)
    for start in range(0, values.size, per):
        largest = int(np.abs(change[start : start + per]).max())
        assert np.abs(off[start : start + per]).max() < max(1, 2 * largest / steps)
    assert clipped == 0
    assert codec.check(layout(bits), blob, HEADER) == ""


def test_rounding_is_right_in_the_mean_and_the_same_again() -> None:
    off = []
    for seed in range(200):
        blob, values, base, _ = packed(8, moved(0.01, seed))
        off.append(differences.unpack(blob, base, 8).astype(np.int64)[:2100] - values[:2100])
    spread = np.std(off)
    assert spread > 1_000, "there is something to round"
    assert abs(np.mean(off)) < 4 * spread / np.sqrt(200 * 2100)
    assert bytes(packed(8, moved(0.01, 199))[0]) == bytes(blob)


@pytest.mark.parametrize("bits", NARROW)
def test_counters_and_statistics_stay_between_what_they_were_and_are(bits: int) -> None:
    blob, values, base, _ = packed(bits, moved(0.5))
    found = differences.unpack(blob, base, bits)[2100:]
    low, high = np.minimum(values, base)[2100:], np.maximum(values, base)[2100:]
    assert ((low <= found) & (found <= high)).all()


def test_what_no_shift_holds_is_clipped_and_counted() -> None:
    made = replace(Layout.of({"w": np.zeros(63, np.float32)}), bits=8)
    base, values = np.full(63, -(2**31), np.int32), np.full(63, 2**31 - 1, np.int32)
    blob = memoryview(np.empty(made.update_size, np.uint8))
    assert differences.pack(made, values, base, blob) == 63
    assert set(differences.unpack(blob, base, 8).tolist()) == {-(2**31) + (127 << 24)}


@pytest.mark.parametrize("bits", NARROW)
def test_an_update_that_is_none_is_told_from_one(bits: int) -> None:
    made, (blob, *_) = layout(bits), packed(bits, moved(0.01))

    def fault(at: int, byte: int) -> str:
        changed = bytearray(blob)
        changed[at] = byte
        return codec.check(made, memoryview(changed), HEADER)

    assert "shift" in fault(merkle.LEAF, 33 - bits)
    assert "padding" in fault(made.update_size - 1, 1)
    assert "encoding" in fault(9 * 32 + 31, 0)
    assert (bits == 8) or "padding" in fault(merkle.LEAF + 1, 1)
    assert "bytes instead of" in codec.check(made, blob[: -merkle.LEAF], HEADER)
    wide = codec.encode(replace(made, bits=32), STATE, HEADER).blob
    assert "bytes instead of" in codec.check(made, wide, HEADER)


def test_words_name_the_width_of_updates_and_nothing_else() -> None:
    assert [differences.word(bits)[-1] for bits in differences.BITS] == [0, 16, 8]
    assert [differences.bits_of(differences.word(bits)) for bits in differences.BITS] == [32, 16, 8]
    for word in (b"\5" * 32, (32).to_bytes(32, "big"), (1 << 255 | 8).to_bytes(32, "big")):
        with pytest.raises(CodecError, match="no encoding"):
            differences.bits_of(word)
    assert [layout(bits).hash for bits in (32, 16, 8)] == [layout(32).hash] * 3
    big = Layout.of({"w": np.zeros(100_000, np.float32)})
    sizes = [replace(big, bits=bits).update_size / big.blob_size for bits in (32, 16, 8)]
    assert sizes == pytest.approx([1, 0.516, 0.254], abs=0.002)

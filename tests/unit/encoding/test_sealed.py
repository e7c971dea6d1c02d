"""Sealed blobs: open for whom they are meant, for nobody else, and in no other place."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from rayfed.encoding import hpke, sealed
from rayfed.encoding.sealed import SealedForOthers, new_key, seal, sealed_bytes, unseal
from rayfed.errors import BlobCorrupt

CONTEXT = b"chain 1, contract, round 7, root"
BLOB = np.random.default_rng(1).integers(0, 256, 3 * 4096, np.uint8).data
KEYS = [new_key() for _ in range(3)]
PUBLIC = [public for _, public in KEYS]


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "SEGMENT", 5000)  # three of them, the last one shorter


def test_each_member_opens_it_and_nobody_else() -> None:
    made = seal(BLOB, PUBLIC, CONTEXT)
    for private, _ in KEYS:
        assert unseal(made, [private], CONTEXT).blob == BLOB
        assert unseal(made, [private], CONTEXT).blob.readonly
    with pytest.raises(SealedForOthers):
        unseal(made, [new_key()[0]], CONTEXT)


def test_it_says_nothing_but_sizes() -> None:
    made = bytes(seal(bytes(4096), PUBLIC, CONTEXT))
    assert len(made) == sealed_bytes(4096, 3)
    assert bytes(16) not in made[18:]
    assert not any(public in made for public in PUBLIC)
    again = bytes(seal(bytes(4096), PUBLIC, CONTEXT))
    same = sum(a == b for a, b in zip(made[18:], again[18:], strict=True))
    assert same < len(made) / 50  # a fresh key: only the marks are the same, and what chance makes so


@pytest.mark.parametrize("size", [1, 4999, 5000, 5001, 10_000])
def test_any_size(size: int) -> None:
    made = seal(BLOB[:size], PUBLIC[:1], CONTEXT)
    assert made.nbytes == sealed_bytes(size, 1)
    assert unseal(made, [KEYS[0][0]], CONTEXT).blob == BLOB[:size]
    with pytest.raises(ValueError, match="nothing to seal"):
        seal(b"", PUBLIC, CONTEXT)


def test_a_blob_of_megabytes_in_segments_of_sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    blob = np.random.default_rng(2).integers(0, 256, (17 << 20) + 3, np.uint8).data
    assert unseal(seal(blob, PUBLIC, CONTEXT), [KEYS[2][0]], CONTEXT).blob == blob


def test_in_another_context_it_does_not_open() -> None:
    made = seal(BLOB, PUBLIC, CONTEXT)
    with pytest.raises(SealedForOthers):
        unseal(made, [KEYS[0][0]], CONTEXT + b"!")


def test_every_change_of_its_body_is_found() -> None:
    made = bytearray(seal(BLOB, PUBLIC[:1], CONTEXT))
    start = sealed_bytes(BLOB.nbytes, 1) - BLOB.nbytes - 3 * 16
    for place in (*range(start, len(made), 331), len(made) - 1):
        made[place] ^= 1
        with pytest.raises(BlobCorrupt, match="does not open with the key"):
            unseal(made, [KEYS[0][0]], CONTEXT)
        made[place] ^= 1
    assert unseal(made, [KEYS[0][0]], CONTEXT).blob == BLOB


def test_segments_cannot_change_places() -> None:
    made = bytearray(seal(BLOB[:10_000], PUBLIC[:1], CONTEXT))
    first, second = made[-10_032:-5016], made[-5016:]
    made[-10_032:] = second + first
    with pytest.raises(BlobCorrupt):
        unseal(made, [KEYS[0][0]], CONTEXT)


def test_every_change_of_its_head_is_found() -> None:
    made = bytearray(seal(BLOB, PUBLIC[:1], CONTEXT))
    for place in range(18 + 88):
        made[place] ^= 1
        with pytest.raises((BlobCorrupt, SealedForOthers)):
            unseal(made, [KEYS[0][0]], CONTEXT)
        made[place] ^= 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"rfseal01",
        bytes(1000),
        struct.pack(">8sQH", b"rfseal01", 0, 0),
        struct.pack(">8sQH", b"rfseal01", 1 << 62, 1),
        struct.pack(">8sQH", b"rfseal01", 1, 65535) + bytes(65535 * 88 + 17),
    ],
)
def test_what_is_no_sealed_blob(data: bytes) -> None:
    with pytest.raises(BlobCorrupt, match=r"^\d+ bytes are no sealed blob$"):
        unseal(data, [KEYS[0][0]], CONTEXT)


def test_what_is_cut_or_longer_is_no_sealed_blob() -> None:
    made = bytes(seal(BLOB, PUBLIC, CONTEXT))
    for data in (made[:-1], made + b"x", made[: -16 - BLOB.nbytes % 5000]):
        with pytest.raises(BlobCorrupt, match="are no sealed blob"):
            unseal(data, [KEYS[0][0]], CONTEXT)


def test_a_wrong_key_on_a_card_keeps_nobody_else_from_reading() -> None:
    made = seal(BLOB, [b"short", bytes(32), b"", PUBLIC[1], PUBLIC[1]], CONTEXT)
    assert made.nbytes == sealed_bytes(BLOB.nbytes, 1)
    assert unseal(made, [KEYS[1][0]], CONTEXT).blob == BLOB
    alone = seal(BLOB, [bytes(32)], CONTEXT)
    with pytest.raises(SealedForOthers):
        unseal(alone, [KEYS[0][0]], CONTEXT)
    with pytest.raises(ValueError, match="more than 1024"):
        seal(BLOB, [PUBLIC[0]] * 1025, CONTEXT)


def entry_of(made: memoryview, index: int) -> bytes:
    return bytes(made[18 + 88 * index : 18 + 88 * (index + 1)])


def test_a_key_that_opens_nothing_is_seen_by_whoever_can_open_it() -> None:
    made = bytearray(seal(BLOB, PUBLIC[:2], CONTEXT))
    assert unseal(made, [KEYS[1][0]], CONTEXT).left_out(PUBLIC) == [PUBLIC[2]]
    made[18:106] = entry_of(seal(BLOB, PUBLIC[:2], CONTEXT), 0)  # the first member's is the key of another encryption
    with pytest.raises(BlobCorrupt, match="does not open with the key that was wrapped for this member"):
        unseal(made, [KEYS[0][0]], CONTEXT)
    opened = unseal(made, [KEYS[1][0]], CONTEXT)
    assert opened.blob == BLOB
    assert opened.left_out([*PUBLIC[:2], bytes(32), b"short"]) == [PUBLIC[0]]  # for those nobody can do anything
    made[18 + 8] ^= 1  # and so is one that merely looks right
    assert unseal(made, [KEYS[1][0]], CONTEXT).left_out(PUBLIC[:2]) == [PUBLIC[0]]


def test_old_keys_open_what_was_sealed_to_them() -> None:
    made = seal(BLOB, PUBLIC[:1], CONTEXT)
    assert unseal(made, [KEYS[1][0], KEYS[2][0], KEYS[0][0]], CONTEXT).blob == BLOB


def test_a_thousand_wrong_entries_cost_what_two_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would have a segment of 16 MiB decrypted in vain, for every blob that anybody may lay anywhere."""
    tried = []
    unwrap = hpke.unwrap
    monkeypatch.setattr(hpke, "unwrap", lambda *given: tried.append(1) or unwrap(*given))
    private, public = KEYS[0]
    wrong = [sealed._entry(number.to_bytes(32, "big"), public, CONTEXT) for number in range(1, 1001)]
    made = bytes(seal(BLOB, [], CONTEXT))
    head = made[: sealed._HEAD.size - 2] + len(wrong).to_bytes(2, "big")
    with pytest.raises(BlobCorrupt, match="does not open with the key that was wrapped for this member"):
        unseal(head + b"".join(wrong) + made[sealed._HEAD.size :], [private], CONTEXT)
    assert len(tried) == sealed.ENTRIES_OF_ONE


def test_of_two_keys_for_one_member_the_one_that_opens_counts() -> None:
    made, other = seal(BLOB, PUBLIC[:1], CONTEXT), seal(BLOB, PUBLIC[:1], CONTEXT)
    both = struct.pack(">8sQH", b"rfseal01", BLOB.nbytes, 2) + entry_of(other, 0) + bytes(made[18:])
    assert unseal(both, [KEYS[0][0]], CONTEXT).blob == BLOB
    assert unseal(both, [KEYS[0][0]], CONTEXT).left_out(PUBLIC[:1]) == []

"""Makes the vectors that Python and Solidity share: ``python tests/vectors/make.py`` writes the JSON files here.

Everything is computed by plain Python on whole numbers, straight from the definitions, not by rayfed's kernels.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LEAF = 512
COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 31, 32, 33, 65)
PARTS = 32
LOW, HIGH = -(2**31), 2**31 - 1
TRIM_UNIT = 10_000


def leaf(index: int) -> bytes:
    """Byte j of leaf i is (31 i + 7 j) mod 256."""
    return bytes((31 * index + 7 * j) % 256 for j in range(LEAF))


def tree_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def audit_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1, as it stands there."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*audit_path(m, leaves[:k]), tree_hash(leaves[k:])]
    return [*audit_path(m - k, leaves[k:]), tree_hash(leaves[:k])]


def split(n: int) -> int:
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def mean(column: list[int], weights: list[int], max_weight: int) -> int:
    """The weighted mean of one coordinate, floored."""
    capped = [min(max(weight, 1), max_weight) for weight in weights]
    return sum(w * q for w, q in zip(capped, column, strict=True)) // sum(capped)


def trimmed_mean(column: list[int], trim: int) -> int:
    """The trimmed mean of one coordinate, floored."""
    k = len(column) * trim // TRIM_UNIT
    kept = sorted(column)[k : len(column) - k]
    return sum(kept) // len(kept)


def median(column: list[int]) -> int:
    """The median of one coordinate; for an even number the floored mean of the middle two."""
    ordered, n = sorted(column), len(column)
    return ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) // 2


def numbers(seed: int, count: int) -> list[int]:
    """``count`` int32, evenly from the whole range: from a small generator that needs no library (Knuth's MMIX)."""
    out, state = [], seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 32) - 2**31)
    return out


def merkle() -> dict[str, Any]:
    """Roots and proofs."""
    cases = []
    for count in COUNTS:
        leaves = [leaf(i) for i in range(count)]
        indices = range(count) if count <= 9 else sorted({0, 1, count // 2, count - 2, count - 1})
        proofs = [{"index": i, "proof": [text(node) for node in audit_path(i, leaves)]} for i in indices]
        parts = [text(tree_hash(part)) for part in parts_of(leaves)] if count > 1 else []
        cases.append({"count": count, "root": text(tree_hash(leaves)), "proofs": proofs, "parts": parts})
    return {"cases": cases}


def parts_of(leaves: list[bytes]) -> list[list[bytes]]:
    """The parts of a tree: the smallest power of two of leaves each that makes no more than PARTS, and what is left."""
    size = 1
    while math.ceil(len(leaves) / size) > PARTS:
        size *= 2
    return [leaves[i : i + size] for i in range(0, len(leaves), size)]


def rules() -> dict[str, Any]:
    """Updates, and what each rule makes of them."""
    cases = []

    def add(name: str, values: list[list[int]], weights: list[int], max_weight: int, trim: int) -> None:
        columns = [list(column) for column in zip(*values, strict=True)]
        cases.append(
            {
                "name": name,
                "values": values,
                "weights": weights,
                "maxWeight": max_weight,
                "trim": trim,
                "k": len(values) * trim // TRIM_UNIT,
                "mean": [mean(column, weights, max_weight) for column in columns],
                "trimmedMean": [trimmed_mean(column, trim) for column in columns],
                "median": [median(column) for column in columns],
            }
        )

    add("one node", [[5, -5, 0, LOW, HIGH]], [7], 1_000_000, 1000)
    add("floors below zero", [[-1, 1, -3], [0, 0, -4]], [1, 1], 1_000_000, 0)
    add("ties", [[2, 2, 2], [2, 9, -1], [2, 2, -1], [2, 9, 2], [2, 2, 2]], [1, 2, 3, 4, 5], 1_000_000, 2000)
    add("limits, low", [[LOW]] * 4, [2**24 - 1] * 4, 2**24 - 1, 2500)
    add("limits, high", [[HIGH]] * 4, [2**24 - 1] * 4, 2**24 - 1, 2500)
    add("limits, mixed", [[LOW, HIGH], [HIGH, LOW], [LOW, HIGH]], [3, 2, 1], 1_000_000, 3333)
    add("weights capped", [[100, -100], [200, -200], [400, -400]], [0, 10, 2**32 - 1], 10, 1000)
    add(
        "an outlier each side", [[10], [11], [12], [LOW], [HIGH], [13]], [600, 500, 400, 300, 200, 100], 1_000_000, 1700
    )
    for n, trim in ((2, 0), (3, 3400), (4, 2500), (7, 1500), (10, 1000), (10, 2000), (16, 4999), (30, 1000)):
        values = [numbers(1000 * n + i, 6) for i in range(n)]
        weights = [1 + abs(number) % 5000 for number in numbers(n, n)]
        add(f"random, {n} nodes", values, weights, 1_000_000, trim)
    return {"cases": cases}


def difference(bits: int, leaf: bytes, offset: int, base: int) -> int:
    """What a leaf of differences says at an offset, where the base says ``base``; from docs/protocol.md, clause 2.7."""
    each = 64 * 8 // bits - 1
    block = leaf[offset // each * 64 :][:64]
    numbers = block[1:] if bits == 8 else block[2:]
    width = bits // 8
    q = int.from_bytes(numbers[offset % each * width :][:width], "little", signed=True)
    return min(max(base + q * 2 ** min(block[0], 32 - bits), LOW), HIGH)


def encodings() -> dict[str, Any]:
    """Leaves of differences, and what they say."""
    cases = []
    for bits, shifts in ((8, (0, 1, 7, 23, 24, 25, 128, 255)), (16, (0, 1, 7, 15, 16, 17, 128, 255))):
        noise = numbers(bits, 128)
        data = bytearray(b"".join((number % 2**32).to_bytes(4, "little") for number in noise))
        for block, shift in enumerate(shifts):
            data[64 * block] = shift
        each = 64 * 8 // bits - 1
        offsets = sorted({0, 1, each - 1, 8 * each - 1, *(each * block + block for block in range(8))})
        bases = [0, LOW, HIGH, -1, *numbers(99, 2)]
        values = [[difference(bits, bytes(data), offset, base) for base in bases] for offset in offsets]
        cases.append({"bits": bits, "leaf": text(data), "offsets": offsets, "bases": bases, "values": values})
    return {"cases": cases}


def header() -> dict[str, Any]:
    """Headers and their words."""
    magic = hashlib.sha256(b"rayfed.blob.v2").digest()
    layout, encoding, frozen = (hashlib.sha256(what).digest() for what in (b"a layout", b"an encoding", b"a trunk"))
    nothing = bytes(32)
    cases = []
    us = 0x5FBDB2315678AFECB367F032D93F642F64180AA3, 0xF39FD6E51AAD88F6F4CE6AB8827279CFFFB92266
    for kind, chain_id, federation, round_, node, weight, size, reserved in (
        (1, 31337, us[0], 1, us[1], 1437, 4, (nothing, nothing)),
        (1, 2**256 - 1, 2**160 - 1, 2**32 - 1, 1, 2**32 - 1, 2**40 - 1, (nothing, nothing)),
        (1, 1, us[0], 7, us[1], 9, 128, (encoding, frozen)),
        (2, 0, 0, 0, 0, 0, 4, (nothing, nothing)),
        (2, 0, 0, 15, 0, 0, 11_200_000, (nothing, nothing)),
        (2, 0, 0, 16, 0, 0, 129, (encoding, frozen)),
    ):
        words = [kind, chain_id, federation, round_, node, int.from_bytes(layout, "big"), weight, size]
        words += [int.from_bytes(word, "big") for word in reserved]
        leaf_bytes = (magic + b"".join(word.to_bytes(32, "big") for word in words)).ljust(LEAF, b"\x00")
        cases.append(
            {
                "kind": kind,
                "chainId": str(chain_id),
                "federation": f"0x{federation:040x}",
                "round": round_,
                "node": f"0x{node:040x}",
                "layoutHash": text(layout),
                "weight": weight,
                "size": size,
                "encoding": text(reserved[0]),
                "frozen": text(reserved[1]),
                "words": text(leaf_bytes[: 11 * 32]),
                "leafHash": text(hashlib.sha256(b"\x00" + leaf_bytes).digest()),
            }
        )
    return {"magic": text(magic), "cases": cases}


def text(data: bytes) -> str:
    """Hex as Solidity's JSON reader wants it."""
    return "0x" + data.hex()


def files() -> dict[str, str]:
    """Name and text of every file of vectors."""
    made = {"merkle": merkle(), "rules": rules(), "header": header(), "encodings": encodings()}
    return {f"{name}.json": json.dumps(value, indent=1) + "\n" for name, value in made.items()}


if __name__ == "__main__":
    for name, content in files().items():
        (HERE / name).write_text(content)
        print(f"{name}: {len(content)} bytes")

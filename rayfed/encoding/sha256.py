"""SHA-256 of many equally long messages at once: sixteen (AVX-512) or eight (AVX2) side by side, one to a vector lane.

hashlib hashes one leaf after the other, takes the interpreter lock between any two of them, and so keeps less than
two cores busy. Here one call without the lock hashes a whole range of leaves, and a vector unit does several in the
time of one. The machine code comes out of LLVM (the ``llvmlite`` package) from the text that ``_module`` writes. Where
that package or the vector unit is missing, ``load`` returns None and hashlib does the work; the results are the same.

The standard is FIPS 180-4; section numbers below are its.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from math import isqrt
from typing import Any

Rows = Callable[[int, int, int, int, int], None]
"""(address of the data, groups, length, prefix, address of the digests): hash ``groups * lanes`` rows.

Row i is ``length`` bytes at ``data + i * length``, a multiple of 64; its digest ``SHA-256(prefix byte || row)``, 32
bytes, goes to ``digests + 32 * i``.
"""

_lock = threading.Lock()
_loaded: list[tuple[Rows, int] | None] = []
_keep: list[object] = []  # the engine that owns the machine code


def load() -> tuple[Rows, int] | None:
    """Return the compiled function and its number of lanes, or None where this machine cannot have it.

    The first call takes about a third of a second: it imports LLVM and compiles.
    """
    with _lock:
        if not _loaded:
            _loaded.append(_build())
        return _loaded[0]


def _build() -> tuple[Rows, int] | None:
    try:
        llvm = _llvm()
    except ImportError:
        return None
    has = llvm.get_host_cpu_features().get
    if has("avx512bw"):
        return compile_for(16)
    if has("avx2") and not has("sha"):  # eight lanes of AVX2 are no faster than OpenSSL on SHA instructions
        return compile_for(8)
    return None


def compile_for(lanes: int) -> tuple[Rows, int]:
    """Return the function with so many lanes, 8 or 16, compiled for this machine's processor."""
    llvm = _llvm()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    features["prefer-256-bit"] = False
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(_module(lanes)), target)
    engine.finalize_object()
    _keep.append(engine)
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint8, ctypes.c_void_p)
    return signature(engine.get_function_address("rows")), lanes


def _llvm() -> Any:
    return import_module("llvmlite.binding")  # it ships no types


def _constants() -> tuple[list[int], list[int]]:
    """Return K and the initial H (sections 4.2.2 and 5.3.3): bits of the cube and square roots of the first primes."""
    primes = [n for n in range(2, 312) if all(n % divisor for divisor in range(2, isqrt(n) + 1))]
    return [_cube_root(prime << 96) % 2**32 for prime in primes], [isqrt(prime << 64) % 2**32 for prime in primes[:8]]


def _cube_root(number: int) -> int:
    low, high = 0, 1 << 40
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


class _Text:
    """LLVM assembly in the making: every method writes one instruction and returns the name of its result."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.vector = f"<{lanes} x i32>"
        self.lines: list[str] = []
        self.names = 0

    def let(self, instruction: str) -> str:
        self.names += 1
        self.lines.append(f"%v{self.names} = {instruction}")
        return f"%v{self.names}"

    def op(self, name: str, *terms: str) -> str:
        result = terms[0]
        for term in terms[1:]:
            result = self.let(f"{name} {self.vector} {result}, {term}")
        return result

    def splat(self, number: int) -> str:
        return "<" + ", ".join([f"i32 {number}"] * self.lanes) + ">"

    def rotate(self, word: str, by: int) -> str:
        v = self.vector
        return self.let(f"call {v} @llvm.fshr.v{self.lanes}i32({v} {word}, {v} {word}, {v} {self.splat(by)})")

    def swap_bytes(self, word: str) -> str:
        return self.let(f"call {self.vector} @llvm.bswap.v{self.lanes}i32({self.vector} {word})")

    def at(self, base: str, offset: str | int) -> str:
        return self.let(f"getelementptr i8, ptr {base}, i64 {offset}")

    def load(self, pointer: str) -> str:
        return self.let(f"load {self.vector}, ptr {pointer}, align 1")

    def transpose(self, rows: Sequence[str]) -> list[str]:
        """Turn ``lanes`` vectors around: word j of vector i becomes word i of vector j."""
        v, n, now = self.vector, self.lanes, list(rows)
        step = n // 2
        while step:
            for i in range(n):
                if i & step:
                    continue
                pair = f"{v} {now[i]}, {v} {now[i | step]}"
                low = [p + (n - step if p & step else 0) for p in range(n)]
                high = [p + (n if p & step else step) for p in range(n)]
                now[i], now[i | step] = (
                    self.let(f"shufflevector {pair}, <{n} x i32> <{', '.join(f'i32 {p}' for p in mask)}>")
                    for mask in (low, high)
                )
            step //= 2
        return now


def _compress(text: _Text, constants: Sequence[int]) -> None:
    """Write section 6.2.2: ``compress(state, block)`` on 8 and 16 vectors in memory, words as numbers."""
    text.lines.append("define internal void @compress(ptr %state, ptr %block) noinline nounwind {")
    size = 4 * text.lanes
    start = [text.load(text.at("%state", size * i)) for i in range(8)]
    w = [text.load(text.at("%block", size * i)) for i in range(16)]
    a, b, c, d, e, f, g, h = start
    for t, constant in enumerate(constants):
        if t >= 16:
            w15, w2 = w[(t - 15) % 16], w[(t - 2) % 16]
            shifted15, shifted2 = text.op("lshr", w15, text.splat(3)), text.op("lshr", w2, text.splat(10))
            sigma0 = text.op("xor", text.rotate(w15, 7), text.rotate(w15, 18), shifted15)
            sigma1 = text.op("xor", text.rotate(w2, 17), text.rotate(w2, 19), shifted2)
            w[t % 16] = text.op("add", text.op("add", w[t % 16], sigma0), text.op("add", w[(t - 7) % 16], sigma1))
        sum1 = text.op("xor", text.rotate(e, 6), text.rotate(e, 11), text.rotate(e, 25))
        choice = text.op("xor", g, text.op("and", e, text.op("xor", f, g)))
        t1 = text.op("add", text.op("add", h, text.op("add", w[t % 16], text.splat(constant))), choice, sum1)
        sum0 = text.op("xor", text.rotate(a, 2), text.rotate(a, 13), text.rotate(a, 22))
        majority = text.op("or", text.op("and", a, b), text.op("and", c, text.op("or", a, b)))
        a, b, c, d, e, f, g, h = text.op("add", t1, sum0, majority), a, b, c, text.op("add", d, t1), e, f, g
    for i, (before, after) in enumerate(zip(start, (a, b, c, d, e, f, g, h), strict=True)):
        text.lines.append(f"store {text.vector} {text.op('add', before, after)}, ptr {text.at('%state', size * i)}")
    text.lines += ["ret void", "}"]


def _module(lanes: int) -> str:
    """Return the assembly of ``rows``.

    The prefix moves every message by a byte: block 0 is the prefix and 63 bytes of the row, then come blocks of 64
    bytes, and the last holds the row's last byte, the bit that ends a message, and its length (section 5.1.1).
    """
    text, (k, h) = _Text(lanes), _constants()
    v, n, size, byte_vector = text.vector, lanes, 4 * lanes, f"<{4 * lanes} x i8>"
    for name, arguments in (("fshr", 3), ("bswap", 1)):
        text.lines.append(f"declare {v} @llvm.{name}.v{n}i32({', '.join([v] * arguments)})")
    _compress(text, k)

    def put(place: str, index: int, value: str) -> None:
        text.lines.append(f"store {v} {value}, ptr {text.at(place, size * index)}")

    def fill(part: int, rows: Sequence[str]) -> None:
        for index, value in enumerate(text.transpose(rows)):
            put("%block", part * n + index, text.swap_bytes(value))

    call = "call void @compress(ptr %state, ptr %block)"
    text.lines += [
        "define void @rows(ptr %data, i64 %groups, i64 %length, i8 %prefix, ptr %digests) nounwind {",
        "entry:",
        f"%state = alloca [8 x {v}], align {size}",
        f"%block = alloca [16 x {v}], align {size}",
        "br label %group",
        "group:",
        "%g = phi i64 [0, %entry], [%next, %last]",
        f"%row = mul i64 %g, {n}",
    ]
    base = [text.at("%data", text.let(f"mul i64 {text.let(f'add i64 %row, {i}')}, %length")) for i in range(n)]
    for i, number in enumerate(h):
        put("%state", i, text.splat(number))
    first = text.let(f"insertelement {byte_vector} zeroinitializer, i8 %prefix, i32 0")
    shift = ", ".join(f"i32 {p}" for p in (0, *range(size, 2 * size - 1)))
    shifted = []
    for row in base:
        loaded = text.let(f"load {byte_vector}, ptr {row}, align 1")
        joined = text.let(f"shufflevector {byte_vector} {first}, {byte_vector} {loaded}, <{size} x i32> <{shift}>")
        shifted.append(text.let(f"bitcast {byte_vector} {joined} to {v}"))
    fill(0, shifted)
    for part in range(1, 16 // n):
        fill(part, [text.load(text.at(row, size * part - 1)) for row in base])
    text.lines += [
        call,
        "br label %test",
        "test:",
        "%at = phi i64 [63, %group], [%further, %body]",
        "%past = add i64 %at, 1",
        "%more = icmp ult i64 %past, %length",
        "br i1 %more, label %body, label %last",
        "body:",
    ]
    for part in range(16 // n):
        fill(part, [text.load(text.at(text.at(row, "%at"), size * part)) for row in base])
    text.lines += [call, "%further = add i64 %at, 64", "br label %test", "last:"]
    ends = "zeroinitializer"
    for i, row in enumerate(base):
        byte = text.let(f"load i8, ptr {text.at(row, '%at')}")
        byte = text.let(f"zext i8 {byte} to i32")
        word = text.let(f"or i32 {text.let(f'shl i32 {byte}, 24')}, {1 << 23}")
        ends = text.let(f"insertelement {v} {ends}, i32 {word}, i32 {i}")
    bits = text.let(f"trunc i64 {text.let('shl i64 %past, 3')} to i32")
    bits = text.let(f"add i32 {bits}, 8")  # %past is the row's length; the prefix makes it a byte more
    lowest = text.let(f"insertelement {v} zeroinitializer, i32 {bits}, i32 0")
    put("%block", 0, ends)
    for index in range(1, 15):
        put("%block", index, text.splat(0))
    put("%block", 15, text.let(f"shufflevector {v} {lowest}, {v} zeroinitializer, <{n} x i32> zeroinitializer"))
    text.lines.append(call)
    digest = [text.swap_bytes(text.load(text.at("%state", size * i))) for i in range(8)]
    half = ", ".join(f"i32 {i}" for i in range(8))
    for i, row in enumerate(text.transpose(digest + [text.splat(0)] * (n - 8))):
        eight = text.let(f"shufflevector {v} {row}, {v} zeroinitializer, <8 x i32> <{half}>")
        place = text.at("%digests", text.let(f"mul i64 {text.let(f'add i64 %row, {i}')}, 32"))
        text.lines.append(f"store <8 x i32> {eight}, ptr {place}, align 1")
    text.lines += [
        "%next = add i64 %g, 1",
        "%again = icmp ult i64 %next, %groups",
        "br i1 %again, label %group, label %exit",
        "exit:",
        "ret void",
        "}",
    ]
    return "\n".join(text.lines)

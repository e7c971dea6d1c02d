"""The compiled SHA-256 against hashlib, for every number of lanes that this processor can run."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from rayfed.encoding import sha256

llvm = pytest.importorskip("llvmlite.binding")
FEATURES = llvm.get_host_cpu_features()
LANES = [lanes for lanes, feature in ((8, "avx2"), (16, "avx512bw")) if FEATURES.get(feature)]


@pytest.mark.skipif(not LANES, reason="needs AVX2 or AVX-512")
@pytest.mark.parametrize("lanes", LANES)
def test_every_row_hashes_as_in_hashlib(lanes: int) -> None:
    rows, width = sha256.compile_for(lanes)
    assert width == lanes
    random = np.random.default_rng(0)
    for length in (64, 128, 192, 512, 1024, 4096, 1 << 20):
        groups = 3 if length <= 4096 else 1
        for prefix in (0, 1, 255):
            data = random.integers(0, 256, groups * lanes * length, np.uint8)
            guarded = np.full(32 * groups * lanes + 64, 0xAA, np.uint8)
            rows(data.ctypes.data, groups, length, prefix, guarded.ctypes.data + 32)
            for row in range(groups * lanes):
                message = bytes([prefix]) + data[row * length : (row + 1) * length].tobytes()
                digest = guarded[32 * (row + 1) : 32 * (row + 2)].tobytes()
                assert digest == hashlib.sha256(message).digest(), (length, prefix, row)
            assert set(guarded[:32].tolist() + guarded[-32:].tolist()) == {0xAA}, "wrote past its place"


@pytest.mark.skipif(not LANES, reason="needs AVX2 or AVX-512")
@pytest.mark.parametrize("lanes", LANES)
def test_it_reads_nothing_outside_of_the_data(lanes: int) -> None:
    """Data that fills whole pages between two forbidden ones: a byte too far would end the process."""
    program = f"""
import ctypes, mmap
from rayfed.encoding import sha256
libc = ctypes.CDLL(None)
page = mmap.PAGESIZE
length = 4096
size = {lanes} * length
whole = mmap.mmap(-1, size + 2 * page)
address = ctypes.addressof(ctypes.c_char.from_buffer(whole))
for guard in (address, address + page + size):
    assert libc.mprotect(ctypes.c_void_p(guard), page, 0) == 0
digests = ctypes.create_string_buffer(32 * {lanes})
rows, _ = sha256.compile_for({lanes})
rows(address + page, 1, length, 0, ctypes.addressof(digests))
print(digests.raw[:32].hex(), digests.raw[-32:].hex())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    expected = hashlib.sha256(bytes(4097)).hexdigest()
    assert done.stdout.split() == [expected, expected]


def test_loading_twice_compiles_once() -> None:
    assert sha256.load() is sha256.load()


def test_without_llvm_there_is_nothing_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)  # an import of it fails
    monkeypatch.setattr(sha256, "_loaded", [])
    assert sha256.load() is None


def test_the_constants_are_the_standard_s() -> None:
    k, h = sha256._constants()
    assert (len(k), len(h)) == (64, 8)
    assert [hex(word) for word in (k[0], k[63], h[0], h[7])] == ["0x428a2f98", "0xc67178f2", "0x6a09e667", "0x5be0cd19"]

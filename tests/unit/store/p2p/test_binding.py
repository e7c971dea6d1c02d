"""The binding's loop is replaced by something that does the same, faster."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from rayfed.store.p2p import binding

iroh_ffi = pytest.importorskip("iroh.iroh_ffi")


def lowered(data: bytes | memoryview) -> bytes:
    """Return what is handed to Rust for some bytes: their number, and they."""
    buffer = iroh_ffi._UniffiFfiConverterBytes.lower(data)
    try:
        return bytes(buffer.data[: buffer.len])
    finally:
        buffer.free()


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 4096, (1 << 20) + 7])
def test_what_is_handed_to_rust_is_the_same(size: int) -> None:
    binding.module()
    assert iroh_ffi._UniffiRustBufferBuilder.write is binding._write
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    expected = size.to_bytes(4, "big") + data.tobytes()
    assert lowered(data.tobytes()) == expected
    assert lowered(data.data.toreadonly()) == expected
    assert lowered(data.data) == expected


def test_texts_and_numbers_go_the_same_way() -> None:
    binding.module()
    for text in ("", "http://relay.example.org:3340", "grüße"):
        buffer = iroh_ffi._UniffiFfiConverterString.lower(text)
        assert iroh_ffi._UniffiFfiConverterString.lift(buffer) == text


def test_another_binding_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(binding.log, "warning", said.append)
    binding._hasten(SimpleNamespace())
    assert said == ["this version of iroh's binding is not known: sending may be slow"]

"""The layout: which tensors of a model travel, in which order, at which fixed point; and the hash of what does not."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from rayfed.encoding import canonical, differences
from rayfed.encoding.merkle import LEAF
from rayfed.errors import CodecError

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTS = ("bool", "uint8", "int8", "int16", "int32", "int64")
MAX_EXPONENT = 30
COARSEST = 17
"""Bits of fraction that a trained tensor has at least; running statistics have fewer."""

FROZEN_FILE = "frozen.bin"
"""Where a node's machine has what is frozen, beside the nodes' disks."""

_STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of the layout.

    Attributes:
        name: as in the model's ``state_dict``.
        shape: its dimensions; () is a single value.
        kind: ``float`` travels in fixed point, ``int`` as it is.
        dtype: the model's own, by torch's name; one of FLOATS or INTS, as ``kind`` says.
        exponent: bits of fraction, 0..MAX_EXPONENT; 0 for ``int``.
    """

    name: str
    shape: tuple[int, ...]
    kind: Literal["float", "int"]
    dtype: str
    exponent: int

    def __post_init__(self) -> None:
        if self.dtype not in (FLOATS if self.kind == "float" else INTS):
            raise CodecError(f"{self.name}: cannot encode {self.dtype} as {self.kind}")
        if not 0 <= self.exponent <= (MAX_EXPONENT if self.kind == "float" else 0):
            raise CodecError(f"{self.name}: {self.exponent} bits of fraction are not possible for {self.kind}")
        if any(length < 0 for length in self.shape):
            raise CodecError(f"{self.name}: the shape {self.shape} has a negative length")

    @property
    def size(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def is_trained(self) -> bool:
        """Whether training moves it, rather than counting or averaging: it is then a float of ``COARSEST`` or more."""
        return self.kind == "float" and self.exponent >= COARSEST

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """NumPy's type for it: its own, or float32 for bfloat16, which NumPy lacks."""
        return np.dtype("float32" if self.dtype == "bfloat16" else self.dtype)

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest int32 that may stand for one of its values."""
        if self.kind == "float" or self.dtype == "int64":
            return -(2**31), 2**31 - 1
        if self.dtype == "bool":
            return 0, 1
        info = np.iinfo(self.dtype)
        return int(info.min), int(info.max)

    def check(self, value: Any) -> None:
        """Raise CodecError unless this tensor or array has the right shape and kind."""
        if tuple(value.shape) != self.shape:
            raise CodecError(f"{self.name}: the shape is {tuple(value.shape)}, the layout's {self.shape}")
        if (_dtype_name(value) in FLOATS) != (self.kind == "float"):
            raise CodecError(f"{self.name}: {_dtype_name(value)} instead of {self.dtype}")


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a model has besides what travels: the same in every round, so that all blobs name it and none holds it.

    Attributes:
        digest: SHA-256 of it (32 bytes, not all zero), as ``rayfed.learning.frozen`` writes it down.
        parameters: how many weights that is, buffers not counted.
        size: bytes of what is written down, and ``root``: the root of that with zeros up to a whole leaf, under which
            stores have it for whoever joins without the file that it comes from; 0 and empty in charters that do not
            say so.
    """

    digest: bytes
    parameters: int
    size: int = 0
    root: bytes = b""

    def __post_init__(self) -> None:
        if len(self.digest) != 32 or not any(self.digest):
            raise CodecError("the digest of what is frozen has 32 bytes that are not all zero")
        if self.parameters < 0:
            raise CodecError(f"{self.parameters} frozen parameters are not possible")
        if (self.size > 0, len(self.root)) not in ((False, 0), (True, 32)) or self.size < 0:
            raise CodecError(f"layout.frozen: a root of {len(self.root)} bytes for {self.size} bytes is not possible")

    @property
    def blob_size(self) -> int:
        """Bytes of it as a store has it: a multiple of LEAF."""
        return -(-self.size // LEAF) * LEAF

    def to_dict(self) -> dict[str, Any]:
        """Return it as canonical JSON has it."""
        said = {"sha256": self.digest.hex(), "parameters": self.parameters}
        return {**said, "bytes": self.size, "root": self.root.hex()} if self.size else said

    @classmethod
    def from_dict(cls, value: Any) -> Frozen:
        """Return what ``to_dict`` was of.

        Raises:
            CodecError: a key is missing or unknown, or a value is not possible.
        """
        more: dict[str, type] = {"bytes": int, "root": str} if isinstance(value, dict) and "root" in value else {}
        entry = canonical.fields(value, {"sha256": str, "parameters": int, **more}, "layout.frozen")
        for name in ("sha256", "root") if more else ("sha256",):
            if not re.fullmatch("[0-9a-f]{64}", entry[name]):
                raise CodecError(f"layout.frozen: {entry[name]!r} is not 32 bytes in lower-case hex")
        root = bytes.fromhex(entry.get("root", ""))
        return cls(bytes.fromhex(entry["sha256"]), entry["parameters"], entry.get("bytes", 0), root)


@dataclass(frozen=True)
class Layout:
    """All tensors that travel in the order in which a blob holds them; at least one value in all.

    Attributes:
        tensors: what is in a blob.
        frozen: what the model has besides; None, and then not in the text: nothing.
        bits: how wide an update's values are (``differences.BITS``); the header says it, and not the text.
    """

    tensors: tuple[TensorSpec, ...]
    frozen: Frozen | None = None
    bits: int = 32

    def __post_init__(self) -> None:
        if len({spec.name for spec in self.tensors}) != len(self.tensors):
            raise CodecError("the layout has a name twice")
        if not self.size:
            raise CodecError("the model has no values")

    @classmethod
    def of(
        cls,
        state: Mapping[str, Any],
        parameters: Collection[str] | None = None,
        weight_bits: int = 24,
        statistic_bits: int = 16,
        frozen: Frozen | None = None,
    ) -> Layout:
        """Return the layout of a model's ``state_dict`` (torch tensors or NumPy arrays by name).

        Args:
            state: the tensors, in their order.
            parameters: names of those that are trained. None means all floats but running means and variances.
            weight_bits: bits of fraction of the trained ones: 24 hold |x| < 128 to 6e-8, as float32 does near 1.
            statistic_bits: of all other floats (running statistics): 16 hold |x| < 32768 to 1.5e-5.
            frozen: what the model has besides ``state``.

        Raises:
            CodecError: naming a tensor whose type cannot travel.
        """
        specs = []
        for name, value in state.items():
            dtype = _dtype_name(value)
            shape = tuple(int(length) for length in value.shape)
            if dtype in INTS:
                specs.append(TensorSpec(name, shape, "int", dtype, 0))
                continue
            statistic = name.rpartition(".")[2] in _STATISTICS if parameters is None else name not in parameters
            specs.append(TensorSpec(name, shape, "float", dtype, statistic_bits if statistic else weight_bits))
        return cls(tuple(specs), frozen)

    @cached_property
    def size(self) -> int:
        """How many values there are."""
        return sum(spec.size for spec in self.tensors)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """For each tensor, the place of its first value among all values."""
        offsets, total = [], 0
        for spec in self.tensors:
            offsets.append(total)
            total += spec.size
        return tuple(offsets)

    @cached_property
    def trained(self) -> tuple[TensorSpec, ...]:
        """The tensors that training moves, in order."""
        return tuple(spec for spec in self.tensors if spec.is_trained)

    @property
    def parameters(self) -> int:
        """How many weights the model has, trained and frozen, buffers not counted."""
        return sum(spec.size for spec in self.trained) + (self.frozen.parameters if self.frozen else 0)

    @property
    def frozen_digest(self) -> bytes:
        """What a header says of what is frozen: its digest, or 32 zeros."""
        return self.frozen.digest if self.frozen else bytes(32)

    @cached_property
    def blob_size(self) -> int:
        """Bytes of a blob: a multiple of LEAF."""
        return LEAF + -(-4 * self.size // LEAF) * LEAF

    @property
    def update_size(self) -> int:
        """Bytes of an update's blob, which may be narrower than a model's."""
        return LEAF * differences.leaves(self.size, self.bits)

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json().encode()).digest()

    def to_dict(self) -> dict[str, Any]:
        """Return the layout as canonical JSON has it."""
        tensors = [
            {
                "name": spec.name,
                "shape": list(spec.shape),
                "kind": spec.kind,
                "dtype": spec.dtype,
                "exponent": spec.exponent,
            }
            for spec in self.tensors
        ]
        return {"tensors": tensors, "frozen": self.frozen.to_dict()} if self.frozen else {"tensors": tensors}

    def canonical_json(self) -> str:
        """Return the one text that stands for this layout."""
        return canonical.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, value: Any) -> Layout:
        """Return the layout of ``to_dict``'s value.

        Raises:
            CodecError: a key is missing or unknown, or a value is of the wrong type.
        """
        besides = {"frozen": dict} if isinstance(value, dict) and "frozen" in value else {}
        whole, specs = canonical.fields(value, {"tensors": list, **besides}, "layout"), []
        for item in whole["tensors"]:
            types = {"name": str, "shape": list, "kind": str, "dtype": str, "exponent": int}
            entry = canonical.fields(item, types, "layout.tensors")
            if not all(isinstance(length, int) for length in entry["shape"]):
                raise CodecError(f"layout: the shape of {entry['name']} is not a list of whole numbers")
            specs.append(TensorSpec(**{**entry, "shape": tuple(entry["shape"])}))
        return cls(tuple(specs), Frozen.from_dict(whole["frozen"]) if besides else None)

    @classmethod
    def from_json(cls, text: str | bytes) -> Layout:
        """Return the layout that this canonical text stands for.

        Raises:
            CodecError: the text is not canonical, or no layout.
        """
        return cls.from_dict(canonical.loads(text))

    def check_names(self, state: Mapping[str, Any]) -> None:
        """Raise CodecError unless ``state`` has exactly this layout's names."""
        names = {spec.name for spec in self.tensors}
        if missing := sorted(names - state.keys()):
            raise CodecError(f"{missing[0]}: in the layout, but not in the model ({len(missing)} such)")
        if unknown := sorted(state.keys() - names):
            raise CodecError(f"{unknown[0]}: in the model, but not in the layout ({len(unknown)} such)")


def _dtype_name(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")

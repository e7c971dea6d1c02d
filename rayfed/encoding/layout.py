"""The layout: which tensors a model has, in which order, and at which fixed point each of them travels."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from rayfed.encoding import canonical
from rayfed.encoding.merkle import LEAF
from rayfed.errors import CodecError

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTS = ("bool", "uint8", "int8", "int16", "int32", "int64")
MAX_EXPONENT = 30
COARSEST = 17
"""Bits of fraction that a trained tensor has at least; running statistics have fewer."""

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


@dataclass(frozen=True)
class Layout:
    """All tensors of a model in the order in which a blob holds them; at least one value in all."""

    tensors: tuple[TensorSpec, ...]

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
    ) -> Layout:
        """Return the layout of a model's ``state_dict`` (torch tensors or NumPy arrays by name).

        Args:
            state: the tensors, in their order.
            parameters: names of those that are trained. None means all floats but running means and variances.
            weight_bits: bits of fraction of the trained ones: 24 hold |x| < 128 to 6e-8, as float32 does near 1.
            statistic_bits: of all other floats (running statistics): 16 hold |x| < 32768 to 1.5e-5.

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
        return cls(tuple(specs))

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

    @cached_property
    def blob_size(self) -> int:
        """Bytes of a blob: a multiple of LEAF."""
        return LEAF + -(-4 * self.size // LEAF) * LEAF

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json().encode()).digest()

    def to_dict(self) -> dict[str, Any]:
        """Return the layout as canonical JSON has it."""
        return {
            "tensors": [
                {
                    "name": spec.name,
                    "shape": list(spec.shape),
                    "kind": spec.kind,
                    "dtype": spec.dtype,
                    "exponent": spec.exponent,
                }
                for spec in self.tensors
            ]
        }

    def canonical_json(self) -> str:
        """Return the one text that stands for this layout."""
        return canonical.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, value: Any) -> Layout:
        """Return the layout of ``to_dict``'s value.

        Raises:
            CodecError: a key is missing or unknown, or a value is of the wrong type.
        """
        specs = []
        for item in canonical.fields(value, {"tensors": list}, "layout")["tensors"]:
            types = {"name": str, "shape": list, "kind": str, "dtype": str, "exponent": int}
            entry = canonical.fields(item, types, "layout.tensors")
            if not all(isinstance(length, int) for length in entry["shape"]):
                raise CodecError(f"layout: the shape of {entry['name']} is not a list of whole numbers")
            specs.append(TensorSpec(**{**entry, "shape": tuple(entry["shape"])}))
        return cls(tuple(specs))

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

"""Data that are not images: arrays of inputs and targets, as they reach the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from rayfed.errors import DataError
from rayfed.learning.targets import call, locate, takes
from rayfed.protocol.charter_parts import DataTerms

Array = NDArray[Any]
Inputs = tuple[Array, ...]
"""What a model is called with, an array an argument; the examples are along the first axis of each."""

TYPES = {"f": np.float32, "i": np.int64, "u": np.int64, "b": np.int64}
"""What arrays become, by the kind of their numbers: float32 to calculate with, int64 to look up."""

MOST_CLASSES = 65_536
"""More are no classes but numbers: a model has an output for each."""


@dataclass(frozen=True)
class Examples:
    """A data set: what a function of your own returns (``data.loader``), and what the readers here make.

    An input, and the targets, are arrays with an example along the first axis. Floats become float32, whole numbers
    int64: (n,) whole numbers are classes, anything else is what the task says.

    Attributes:
        train_x: an array, or a tuple of several for a model that takes several inputs.
        train_y: (n, ...).
        test_x, test_y: likewise, and never trained on.
        classes: names of the classes, or of the labels or numbers to learn; by default classes are named 0, 1, ...
        outputs: how many numbers the model gives for an example; by default as many as there are classes, or as wide
            as the targets are.
        prepare: what all parties have to do alike so that their data reach the model in the same form, for the charter:
            strings, whole numbers, lists and mappings.
        scale: standard deviation of a single number to learn.
        folders: (n,) owner of each training example, from 0, or None.
        owners: their names.
        name: the kind it was loaded as.
    """

    train_x: Array | Inputs
    train_y: Array
    test_x: Array | Inputs
    test_y: Array
    classes: Sequence[str] = ()
    outputs: int = 0
    prepare: Mapping[str, Any] = field(default_factory=dict)
    scale: float = 1.0
    folders: Array | None = None
    owners: Sequence[str] = ()
    name: str = "custom"

    def __post_init__(self) -> None:
        """Bring the arrays into their form.

        Raises:
            DataError: names ``data`` and what is wrong with them.
        """
        put: Callable[[str, Any], None] = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731
        for part in ("train", "test"):
            given = getattr(self, f"{part}_x")
            inputs = tuple(_array(one, f"{part}_x") for one in (given if isinstance(given, tuple) else (given,)))
            targets = _array(getattr(self, f"{part}_y"), f"{part}_y")
            for one in inputs:
                if len(one) != len(targets):
                    raise DataError("data", f"{part}_x has {len(one)} examples, {part}_y {len(targets)}")
            put(f"{part}_x", inputs)
            put(f"{part}_y", targets)
        if not len(self.train_y):
            raise DataError("data", "there is no training example")
        forms = [[(one.shape[1:], one.dtype) for one in getattr(self, f"{p}_x")] for p in ("train", "test")]
        if forms[0] != forms[1] or self.train_y.shape[1:] != self.test_y.shape[1:]:
            raise DataError("data", "the test examples have another form than the training examples")
        if self.folders is not None:
            put("folders", _owners(self.folders, len(self.train_y)))
        put("outputs", self.outputs or self._outputs())
        put("classes", tuple(self.classes) or self._named())
        put("owners", tuple(self.owners))
        if self.labels is not None:
            seen = np.concatenate([self.train_y, self.test_y])
            if not 0 <= int(seen.min()) <= int(seen.max()) < self.outputs:
                raise DataError("data", f"classes are {seen.min()} to {seen.max()}, not within 0..{self.outputs - 1}")

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """(n,) class of each training example; None where there are no classes."""
        return self.train_y if self.train_y.ndim == 1 and self.train_y.dtype == np.int64 else None

    @property
    def inputs(self) -> Inputs:
        """The training inputs."""
        return cast(Inputs, self.train_x)

    def _outputs(self) -> int:
        if self.labels is None:
            return int(np.prod(self.train_y.shape[1:], dtype=np.int64))
        classes = len(self.classes) or 1 + int(max(self.train_y.max(), self.test_y.max(initial=0)))
        if classes > MOST_CLASSES:
            words = (
                f"train_y holds whole numbers up to {classes - 1}, which are no classes: numbers to learn are floats"
            )
            raise DataError("data", words)
        return classes

    def _named(self) -> tuple[str, ...]:
        return () if self.labels is None else tuple(map(str, range(self.outputs)))

    def terms(self, task: Mapping[str, Any]) -> DataTerms:
        """Return what the charter says of the data and of what is learned from them."""
        forms = [{"shape": list(one.shape[1:]), "type": str(one.dtype)} for one in self.inputs]
        prepare = {**self.prepare, "kind": self.name, "inputs": forms, "outputs": self.outputs}
        return DataTerms(tuple(self.classes), self.inputs[0].shape[1:], (), (), 0, prepare, dict(task))


def blank(prepare: Mapping[str, Any], examples: int = 2) -> tuple[torch.Tensor, ...]:
    """Return inputs of the form that a charter's ``data.prepare`` says, all zero: they tell nothing of anybody."""
    types = {"float32": torch.float32, "int64": torch.int64}
    return tuple(torch.zeros(examples, *form["shape"], dtype=types[form["type"]]) for form in prepare["inputs"])


def take(x: Array | Inputs, chosen: Any) -> Any:
    """Return some examples of an array, or of each of several."""
    return tuple(one[chosen] for one in x) if isinstance(x, tuple) else x[chosen]


def held_back(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of ``n`` examples are to be trained on, and the fifth that is for testing, where nobody says which.

    RandomState is frozen for ever (NEP 19): all parties must hold back the same fifth, whatever their numpy.
    """
    order = np.random.RandomState(0).permutation(n)
    test = max(1, n // 5) if n > 1 else 0
    return np.sort(order[test:]), np.sort(order[:test])


def from_loader(spec: Mapping[str, Any], agreed: Mapping[str, Any] | None) -> Examples:
    """Call a function of the user's own.

    Args:
        spec: ``_target_`` and parameters.
        agreed: the charter's ``data.prepare``, which the function gets if it has a parameter ``agreed``; None before
            there is a charter.

    Raises:
        DataError: it gives no ``Examples``, or raises.
    """
    wants = takes(locate(spec["_target_"], "data.loader._target_"), "agreed")
    made = call(spec, "data.loader", **({"agreed": agreed} if wants else {}))
    if not isinstance(made, Examples):
        words = f"{spec['_target_']} gives {type(made).__name__}, not rayfed.learning.examples.Examples"
        raise DataError("data.loader._target_", words)
    return made


def _owners(given: Any, examples: int) -> NDArray[np.int64]:
    """Return whose each training example is."""
    found = np.asarray(given)
    if found.shape != (examples,) or found.dtype.kind not in "iu" or int(found.min()) < 0:
        words = f"folders has a whole number from 0 for each of {examples} training examples"
        raise DataError("data", f"{words}, and is {found.dtype} of shape {found.shape}")
    return found.astype(np.int64)


def _array(given: Any, what: str) -> Array:
    """Return numbers in one of the forms that models calculate with."""
    found = given.numpy() if isinstance(given, torch.Tensor) else np.asarray(given)
    if found.dtype.kind not in TYPES or not found.ndim:
        raise DataError("data", f"{what} is {found.dtype} of {found.ndim} dimensions, not an array of numbers")
    if found.dtype == np.uint64 and found.size and int(found.max()) >= 2**63:
        raise DataError("data", f"{what} holds {found.max()}, a whole number of more than 63 bits")
    found = np.ascontiguousarray(found, TYPES[found.dtype.kind])
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise DataError("data", f"{what} holds values that are no finite numbers")
    return found

"""The figure by which a federation tells how good its model is: what it is called and how it is read.

The charter holds it, so that whoever draws, compares or adds up such figures needs neither the data nor torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from rayfed.encoding import canonical
from rayfed.errors import CodecError

POOLS = ("mean", "rms")
"""How the figures of several test sets become that of all: their mean, or the root of the mean of their squares."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure over test examples.

    Attributes:
        name: what it is called in tables, charts and MLflow: letters, digits and ``_``.
        higher: whether more of it is better.
        pool: ``mean``: it is the mean of what each example scores; ``rms``: the root of that mean.
        percent: whether it is a part of one, shown in per cent.
    """

    name: str = "accuracy"
    higher: bool = True
    pool: str = "mean"
    percent: bool = True

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.replace("_", "a").isalnum()):
            raise CodecError(f"metric.name: {self.name!r} is not made of letters, digits and _")
        if self.pool not in POOLS:
            raise CodecError(f"metric.pool: {self.pool!r} is neither {' nor '.join(POOLS)}")

    @property
    def words(self) -> str:
        """The name as people write it."""
        return self.name.replace("_", " ")

    @property
    def unit(self) -> str:
        """What stands behind a value that ``scaled`` gave."""
        return " %" if self.percent else ""

    def finished(self, mean: float) -> float:
        """Return the figure, given the mean of what the examples score."""
        return math.sqrt(mean) if self.pool == "rms" and mean >= 0 else mean

    def scaled(self, value: float) -> float:
        """Return a value as charts draw it."""
        return 100 * value if self.percent else value

    def shown(self, value: float | None) -> str:
        """Return a value as people read it; nothing for None."""
        if value is None:
            return ""
        return f"{100 * value:.1f} %" if self.percent else f"{value:.4g}"

    def sorted(self, values: Iterable[float]) -> list[float]:
        """Return the values, the worst first."""
        return sorted(values, reverse=not self.higher)

    def pooled(self, pairs: Iterable[tuple[float | None, int]]) -> float | None:
        """Return the figure over several test sets together, given (figure, examples) of each; None of none.

        On parts of one set this is exactly the figure on the whole set. Where nobody says how many examples there
        were, all count alike.
        """
        measured = [(value, weight) for value, weight in pairs if value is not None and math.isfinite(value)]
        if not measured:
            return None
        if not any(weight for _, weight in measured):
            measured = [(value, 1) for value, _ in measured]
        power = 2 if self.pool == "rms" else 1
        total = sum(weight for _, weight in measured)
        return self.finished(math.fsum(value**power * weight for value, weight in measured) / total)

    def to_dict(self) -> dict[str, Any]:
        """Return the metric as canonical JSON has it."""
        return {"name": self.name, "higher": int(self.higher), "pool": self.pool, "percent": int(self.percent)}

    @classmethod
    def from_dict(cls, value: Any) -> Self:
        """Return the metric of ``to_dict``'s value.

        Raises:
            CodecError: a key is missing or unknown, or a value is not possible.
        """
        kinds = {item.name: str if item.name in ("name", "pool") else int for item in fields(cls)}
        found = canonical.fields(value, kinds, "charter.data.task.metric")
        return cls(found["name"], bool(found["higher"]), found["pool"], bool(found["percent"]))


ACCURACY = Metric()
"""Part of the examples that are put into their own class."""


def of_task(task: Mapping[str, Any]) -> Metric:
    """Return the metric that a charter's ``data.task`` names; accuracy where it names none.

    Raises:
        CodecError: it is none.
    """
    return Metric.from_dict(task["metric"]) if "metric" in task else ACCURACY

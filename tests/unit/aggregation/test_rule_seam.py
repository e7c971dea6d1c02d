"""The seam for rules: one signature, ranges where they make sense, and a toy rule that needs one line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rayfed.aggregation import rules
from rayfed.aggregation.rules.registry import RULES, RuleOptions
from rayfed.config.groups.federation import MergeSettings

CODES = {"mean": 1, "trimmed_mean": 2, "median": 3}


class Highest(rules.Rule):
    """A toy: each coordinate's highest value, or the base where that is higher."""

    name = "highest"
    needs_base = True
    by_coordinate = True

    def write(self, updates: rules.Updates, out: npt.NDArray[np.int32], threads: int | None) -> None:
        np.copyto(out, np.max([*updates.values, updates.start], axis=0))


def test_a_toy_rule_is_a_class_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(options: RuleOptions) -> rules.Rule:
        return Highest()

    monkeypatch.setitem(RULES, "highest", made)
    rule = rules.make("highest")
    values = [np.array([1, 5, -9, 2], np.int32), np.array([3, 4, -8, 2], np.int32)]
    base, out = np.array([0, 0, 0, 7], np.int32), np.empty(4, np.int32)
    rule.merge(values, [1, 1], out, base=base)
    assert out.tolist() == [3, 5, 0, 7]
    rule.merge(values, [1, 1], out[:2], base=base, start=2, stop=4)
    assert out[:2].tolist() == [0, 7]
    with pytest.raises(ValueError, match="needs the round's base"):
        rule.merge(values, [1, 1], out)
    mixed = rules.make("highest", mixing="bucketing")  # mixing goes before any rule
    assert (mixed.needs_base, mixed.by_coordinate) == (True, False)


@pytest.mark.parametrize("name", RULES)
def test_what_the_contract_recomputes_goes_by_coordinate(name: str) -> None:
    rule = rules.make(name, trim=1000)
    assert rule.name == name
    assert rule.code == CODES.get(name, 0)
    assert rule.by_coordinate == bool(rule.code)
    assert "merge" not in vars(type(rule)), "the signature stands once"


@pytest.mark.parametrize("choice", [*({"name": name} for name in RULES if name not in CODES), {"mixing": "bucketing"}])
def test_what_looks_at_whole_updates_refuses_a_range(choice: dict[str, str]) -> None:
    rule = rules.make(**({"name": "mean"} | choice))
    values = [np.arange(8, dtype=np.int32)] * 3
    with pytest.raises(ValueError, match="looks at whole updates"):
        rule.merge(values, [1] * 3, np.empty(4, np.int32), base=values[0], start=0, stop=4)


@pytest.mark.parametrize(("start", "stop"), [(3, 2), (-1, 2), (0, 9)])
def test_a_range_that_is_not_there_is_refused(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="there are no values"):
        rules.make("mean").merge([np.arange(8, dtype=np.int32)], [1], np.empty(2, np.int32), start=start, stop=stop)


def test_the_settings_know_every_rule() -> None:
    assert MergeSettings.__dataclass_fields__["rule"].metadata["choices"] == tuple(RULES)

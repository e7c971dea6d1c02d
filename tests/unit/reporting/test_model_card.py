"""The card of a model: what it says of the network, the data and the results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rayfed.encoding.layout import Frozen
from rayfed.protocol.charter import Charter
from rayfed.protocol.charter_parts import DataTerms
from rayfed.reporting.model_card import card, of_summary
from tests.fake_run import FEDERATION, fake_run
from tests.unit.protocol.test_charter import charter

ROOT = bytes(31) + b"\x07"


def written(agreed: Charter, **figures: str) -> str:
    return card(agreed, FEDERATION, 31337, ROOT, 1234, "model(prepare(EXAMPLE))", figures)


def test_images() -> None:
    data = DataTerms(("cat", "a|b"), (3, 32, 32), (491_000, 482_000, 447_000), (247_000, 243_000, 262_000), 12)
    text = written(charter(data=data), accuracy="91.0 %")
    for said in (
        "| accuracy | 91.0 % |",
        "one of 2 classes: `cat`, `a\\|b` |",
        "(n, 3, 32, 32) float32",
        "the mean (0.491, 0.482, 0.447)",
        "the deviation (0.247, 0.243, 0.262)",
        "the highest 8 of 12",
        f"`0x{ROOT.hex()}`",
        f"`{FEDERATION}` on chain 31337",
        "1,234 parameters",
    ):
        assert said in text, said


def test_what_is_frozen_is_named_by_its_hash() -> None:
    agreed = charter()
    agreed = replace(agreed, layout=replace(agreed.layout, frozen=Frozen(b"\5" * 32, 1_200)))
    assert f"1,234 parameters, 1,200 of them frozen (SHA-256 `{'05' * 32}`) |" in written(agreed)


def test_rows_name_their_columns() -> None:
    columns: list[dict[str, Any]] = [
        {"name": "size", "mean": "1.5", "std": "0.25"},
        {"name": "color", "values": ["red", "blue"]},
    ]
    inputs = [{"shape": [3], "type": "float32"}]
    prepare = {"kind": "table", "columns": columns, "target": [{"name": "price", "mean": "7.0", "std": "2.0"}]}
    prepare |= {"fill": 1, "wanted": "numbers", "inputs": inputs, "outputs": 1}
    task = {
        "_target_": "rayfed.learning.tasks.Regression",
        "metric": {"name": "rmse", "higher": 0, "pool": "rms", "percent": 0},
    }
    text = written(charter(data=DataTerms(("price",), (3,), (), (), 0, prepare, task)))
    assert "| `size` | minus 1.5, over 0.25 |" in text
    assert "| `color` | 1 in the place of its category, of `red`, `blue` |" in text
    assert "What is missing is the column's mean" in text
    assert "numbers: `price`" in text
    assert "`restore(outputs)`" in text


def test_what_others_wrote_stays_in_its_cell() -> None:
    data = replace(charter().data, classes=("a\n\n# b` | c", "d"))
    lines = written(charter(data=data)).splitlines()
    assert not [line for line in lines if line.startswith("# b")]


def test_results_of_a_run_and_of_one_node() -> None:
    summary = fake_run().summary()
    found = of_summary(summary)
    assert found["accuracy"].startswith(summary.metric.shown(summary.final_accuracy))
    assert found["rounds"] == f"4 of 5 count; {summary.unsettled} could be contested at the end"
    assert found["accuracy"].endswith("on all nodes' test examples together")
    alone = of_summary(replace(summary, nodes=summary.nodes[:1]))
    assert alone["accuracy"].endswith("on this party's test examples")

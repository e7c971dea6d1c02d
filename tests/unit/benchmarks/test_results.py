"""Merged beside central training: what a cell runs, and the tables that are made of the cells that there are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import results, results_cells
from benchmarks.cells import read
from rayfed.config import Settings, load

ROUNDS = 3


@pytest.fixture
def of_digits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def settings_of(size: object, split: str, seed: int, nodes: int) -> Settings:
        dealt = ["partition=iid"] if split == "iid" else ["partition=dirichlet", f"partition.alpha={split}"]
        words = ["model.width=4", "model.hidden=16", "train.epochs=1", "train.threads=1", f"seed={seed}"]
        return load([*words, *dealt, f"federation.nodes={nodes}", f"federation.rounds={ROUNDS}"])

    monkeypatch.setattr(results_cells, "settings_of", settings_of)
    results_cells.world.cache_clear()
    yield
    results_cells.world.cache_clear()


@pytest.mark.usefixtures("of_digits")
def test_a_cell_of_each_kind() -> None:
    merged, alone, central = (results_cells.measure(("small", "iid", 0, way)) for way in ("merged", "alone", "central"))
    for cell in (merged, alone, central):
        assert len(cell["by_round"]) == ROUNDS
        assert cell["accuracy"] == cell["by_round"][-1]
        assert 0.05 < cell["accuracy"] <= 1
    assert len(alone["nodes"]) == results_cells.NODES
    assert central["accuracy"] > alone["accuracy"], "it sees eight times as many images"
    assert results_cells.measure(("small", "iid", 0, "merged"))["by_round"] == merged["by_round"], "the same seed"


def test_every_cell_once_and_the_small_ones_first() -> None:
    every = list(results.cells())
    assert len(every) == len(set(every))
    assert [size for size, *_ in every] == sorted((size for size, *_ in every), key=list(results_cells.SIZES).index)
    assert {(split, seed) for size, split, seed, way in every if (size, way) == ("full", "merged")} == {
        *(("iid", seed) for seed in range(3)), *(("0.1", seed) for seed in range(3)), ("1", 0), ("0.5", 0), ("0.3", 0)
    }  # fmt: skip
    assert sum(way == "central" for *_, way in every) == 2 * 3


def test_the_tables_are_of_what_there_is() -> None:
    curve = [0.30, 0.42, 0.50]
    cells = {
        "small, iid, 0, central": {"accuracy": 0.60, "by_round": [0.4, 0.5, 0.60]},
        "small, iid, 0, merged": {"accuracy": 0.58, "by_round": [0.3, 0.43, 0.58]},
        "small, iid, 1, merged": {"accuracy": 0.60, "by_round": [0.5, 0.55, 0.60]},
        "small, 0.1, 0, merged": {"accuracy": 0.40, "by_round": [0.1, 0.2, 0.40]},
        "small, 0.1, 0, alone": {"accuracy": 0.25, "by_round": curve, "nodes": [0.2, 0.3]},
    }
    rows = results.table({"cells": cells}, "small").splitlines()
    assert rows[2] == "| central | 1 | 60.0 | | | | | 0.888 |"
    assert rows[3] == "| iid | 2 | 59.0 (58.0 - 60.0) | -1.0 |  |  | 2, 1 |  |"
    assert rows[-1] == "| Dirichlet 0.1 | 1 | 40.0 | -20.0 | 25.0 | 30.0 | > 3 | 0.805, -8.3 |"
    assert "Dirichlet 0.3 |  |  |" in rows[-2], "not run yet"
    assert results.by_round({"cells": {}}, "full") == "Not run yet."
    shown = results.by_round(
        {"cells": {key: {**one, "by_round": one["by_round"] * 7} for key, one in cells.items()}}, "small"
    )
    assert "| iid, merged | 40.0 | 49.0 | 59.0 |" in shown


def test_the_page_is_of_the_file() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    assert results.fill(page, read(results.PATH)) == page, "python -m benchmarks results fills it"

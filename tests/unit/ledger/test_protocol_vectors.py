"""The protocol's vectors, which Solidity reads, are what their script makes from the specification."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

VECTORS = Path(__file__).parents[2] / "vectors" / "protocol"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vectors_make_protocol", VECTORS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_is_what_the_script_makes(make: ModuleType) -> None:
    assert (VECTORS / "vectors.json").read_text(encoding="utf-8") == make.content(), (
        "vectors.json is stale: run python tests/vectors/protocol/make.py"
    )


def test_the_tallies_have_what_they_are_for(make: ModuleType) -> None:
    cases = make.tallies()
    assert any(case["excused"] for case in cases)
    assert any(any(case["misses"]) and not case["excused"] for case in cases)


def test_a_tree_is_one_over_its_parts(make: ModuleType) -> None:
    for count in range(2, 200):
        hashes = [bytes([i]) * 32 for i in range(count)]
        assert len(make.parts(hashes)) <= 32
        assert make.tree_root(make.parts(hashes)) == make.tree_root(hashes)

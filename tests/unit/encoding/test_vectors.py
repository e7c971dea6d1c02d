"""The vectors that Solidity reads are what their script makes, and what rayfed computes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from rayfed.aggregation import rules
from rayfed.encoding import header, merkle

VECTORS = Path(__file__).parents[2] / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def cases(name: str, label: str) -> list[Any]:
    return [pytest.param(case, id=str(case[label])) for case in load(name)["cases"]]


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vectors_make", VECTORS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_files_are_what_the_script_makes(make: ModuleType) -> None:
    made = make.files()
    assert made.keys() == {path.name for path in VECTORS.glob("*.json")}
    for name, content in made.items():
        assert (VECTORS / name).read_text() == content, f"{name} is stale: run python tests/vectors/make.py"


@pytest.mark.parametrize("case", cases("merkle", "count"))
def test_merkle(case: dict[str, Any], make: ModuleType) -> None:
    count, root = case["count"], unhex(case["root"])
    leaves = [make.leaf(index) for index in range(count)]
    tree = merkle.tree(b"".join(leaves))
    assert tree.root == root
    if count > 1:
        assert tree.parts(0, count) == tuple(unhex(part) for part in case["parts"])
        assert merkle.root_of(tree.parts(0, count)) == root
    for entry in case["proofs"]:
        proof = tuple(unhex(node) for node in entry["proof"])
        assert tree.proof(entry["index"]) == proof
        assert merkle.verify(root, leaves[entry["index"]], entry["index"], count, proof)


@pytest.mark.parametrize("case", cases("rules", "name"))
def test_rules(case: dict[str, Any]) -> None:
    values = [np.array(row, np.int32) for row in case["values"]]
    for name, key in (("mean", "mean"), ("trimmed_mean", "trimmedMean"), ("median", "median")):
        rule = rules.make(name, trim=case["trim"], max_weight=case["maxWeight"])
        out = np.empty(len(values[0]), np.int32)
        rule.merge(values, case["weights"], out)
        assert out.tolist() == case[key], name


@pytest.mark.parametrize("case", cases("header", "round"))
def test_header(case: dict[str, Any]) -> None:
    expected = header.Header(
        kind=case["kind"],
        chain_id=int(case["chainId"]),
        federation=case["federation"],
        round=case["round"],
        node=case["node"],
        layout_hash=unhex(case["layoutHash"]),
        weight=case["weight"],
        size=case["size"],
        encoding=unhex(case["encoding"]),
        frozen=unhex(case["frozen"]),
    )
    leaf = unhex(case["words"]).ljust(merkle.LEAF, b"\x00")
    assert expected.to_bytes() == leaf
    assert header.read_header(leaf) == expected
    assert merkle.root(leaf) == unhex(case["leafHash"])


def test_the_magic_word() -> None:
    assert unhex(load("header")["magic"]) == header.MAGIC


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))

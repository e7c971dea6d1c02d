"""``cluster=gpu``: every actor finds room, however many nodes and GPUs there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfed.config import load
from rayfed.config.gpus import PARTS, count, share


@given(st.integers(1, 256), st.integers(1, 256), st.integers(1, 16))
def test_all_actors_fit(nodes: int, each: int, gpus: int) -> None:
    actors = -(-nodes // each)
    part = round(share(nodes, each, gpus) * PARTS)
    assert 0 < part <= PARTS
    assert PARTS // part * gpus >= actors, "on whole GPUs: an actor's share cannot be split between two"


def test_shares_are_as_large_as_can_be() -> None:
    assert [share(nodes, 1, 1) for nodes in (1, 2, 3, 4, 10)] == [1.0, 0.5, 0.3333, 0.25, 0.1]
    assert [share(10, 1, gpus) for gpus in (2, 4, 10, 16)] == [0.2, 0.3333, 1.0, 1.0]
    assert share(10, 10, 1) == 1.0
    assert share(10, None, 1) == 0.1, "nobody chose: with GPUs each node has an actor of its own"


def test_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert count(tmp_path) == 2
    assert count(tmp_path / "nowhere") == 0
    for visible, many in (("", 0), ("-1", 0), ("0", 1), ("0,2,3", 3), ("GPU-1234", 1)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert count(tmp_path) == many


def test_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert load(["+experiment=cifar10_paper", "cluster=gpu"]).cluster.num_gpus == 0.1
    assert load(["cluster=gpu", "federation.nodes=10", "cluster.nodes_per_actor=5"]).cluster.num_gpus == 0.5
    assert load(["cluster=gpu", "cluster.num_gpus=0.25"]).cluster.num_gpus == 0.25
    assert load(["federation.nodes=10"]).cluster.num_gpus == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert load(["cluster=gpu", "federation.nodes=4"]).cluster.num_gpus == 0.25

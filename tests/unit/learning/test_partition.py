"""Every scheme deals all examples out, once each, and says which setting is wrong when it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from rayfed.errors import ConfigError
from rayfed.learning.partition import part_of, split

LABELS = np.random.default_rng(1).integers(0, 10, 1437)
SCHEMES = ["iid", "dirichlet", "shards"]


@pytest.mark.parametrize("kind", SCHEMES)
@pytest.mark.parametrize("nodes", [1, 4, 7, 64])
def test_parts_are_disjoint_and_cover_everything(kind: str, nodes: int) -> None:
    parts = split(kind, LABELS, nodes, seed=3)
    assert len(parts) == nodes
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))
    assert all(np.all(np.diff(part) > 0) for part in parts), "indices are sorted"


@pytest.mark.parametrize("kind", SCHEMES)
def test_same_seed_same_parts_and_another_seed_others(kind: str) -> None:
    first, again, other = (split(kind, LABELS, 5, seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_global_random_state_does_not_matter() -> None:
    np.random.seed(1)
    first = split("dirichlet", LABELS, 4, 0)
    np.random.seed(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, split("dirichlet", LABELS, 4, 0), strict=True))


@pytest.mark.parametrize("kind", ["iid", "dirichlet"])
@pytest.mark.parametrize("alpha", [0.01, 0.5, 100.0])
def test_sizes_differ_by_at_most_one(kind: str, alpha: float) -> None:
    sizes = [len(part) for part in split(kind, LABELS, 10, 0, alpha=alpha)]
    assert max(sizes) - min(sizes) <= 1


def _largest_share(alpha: float) -> float:
    """Mean over nodes of the share that a node's commonest class has."""
    parts = split("dirichlet", LABELS, 10, 0, alpha=alpha)
    return float(np.mean([np.bincount(LABELS[part], minlength=10).max() / len(part) for part in parts]))


def test_alpha_sets_how_unlike_the_nodes_are() -> None:
    narrow, middle, wide = (_largest_share(alpha) for alpha in (0.01, 0.5, 1000.0))
    assert narrow > 0.8
    assert narrow > middle > wide
    assert wide < 0.2


def test_dirichlet_class_shares_follow_the_distribution() -> None:
    """The first node's share of one of two classes is Beta(alpha, alpha) distributed: mean and variance agree."""
    labels = np.arange(2000) % 2
    alpha = 2.0
    shares = [np.mean(labels[split("dirichlet", labels, 10, seed, alpha=alpha)[0]]) for seed in range(600)]
    a = alpha  # Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1))
    assert abs(np.mean(shares) - 0.5) < 0.05
    assert abs(np.var(shares) - 1 / (4 * (2 * a + 1))) < 0.02


def test_dirichlet_copes_with_a_class_that_nobody_has() -> None:
    labels = np.where(LABELS == 3, 4, LABELS)
    parts = split("dirichlet", labels, 4, 0)
    assert sum(len(part) for part in parts) == len(labels)


@pytest.mark.parametrize("classes_per_node", [1, 2, 3])
def test_shards_bound_the_classes_of_a_node(classes_per_node: int) -> None:
    labels = np.repeat(np.arange(10), 100)
    parts = split("shards", labels, 10, 0, classes_per_node=classes_per_node)
    # equal classes and a shard size that divides them: no shard straddles two
    if 100 % (1000 // (10 * classes_per_node)) == 0:
        assert all(len(np.unique(labels[part])) <= classes_per_node for part in parts)
    assert all(len(np.unique(labels[part])) <= 2 * classes_per_node for part in parts)


def test_folders_follow_the_owners() -> None:
    owners = np.array([2, 0, 0, 1, 2])
    parts = split("folders", np.zeros(5, dtype=int), 3, 0, folders=owners)
    assert [part.tolist() for part in parts] == [[1, 2], [3], [0, 4]]


@pytest.mark.parametrize(
    ("setting", "arguments"),
    [
        ("federation.nodes", {"kind": "iid", "nodes": 1438}),
        ("federation.nodes", {"kind": "iid", "nodes": 0}),
        ("federation.nodes", {"kind": "folders", "nodes": 2, "folders": np.zeros(1437, dtype=int)}),
        ("partition.kind", {"kind": "fair", "nodes": 4}),
        ("partition.kind", {"kind": "folders", "nodes": 4}),
        ("partition.alpha", {"kind": "dirichlet", "nodes": 4, "alpha": 0.0}),
        ("partition.alpha", {"kind": "dirichlet", "nodes": 4, "alpha": float("nan")}),
        ("partition.classes_per_node", {"kind": "shards", "nodes": 4, "classes_per_node": 0}),
        ("partition.classes_per_node", {"kind": "shards", "nodes": 4, "classes_per_node": 400}),
        ("partition.min_examples", {"kind": "iid", "nodes": 4, "min_examples": 360}),
    ],
)
def test_errors_name_the_setting(setting: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        split(labels=LABELS, seed=0, **arguments)  # type: ignore[arg-type]  # a table of keyword arguments
    assert caught.value.setting == setting
    assert "\n" not in str(caught.value)
    assert "image" not in str(caught.value).partition("train/<node>")[0], "it may be rows or texts that are dealt"


def test_test_parts_are_disjoint_and_cover() -> None:
    parts = [np.arange(359)[part_of(4, slot)] for slot in range(4)]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(359))
    with pytest.raises(ValueError, match="slot 4"):
        part_of(4, 4)

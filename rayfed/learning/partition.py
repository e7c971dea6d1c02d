"""Deals one set of training examples out to nodes, for simulations in which one party plays all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rayfed.errors import ConfigError

Indices = NDArray[np.int64]


def split(
    kind: str,
    labels: NDArray[np.integer[Any]],
    nodes: int,
    seed: int,
    *,
    alpha: float = 0.5,
    classes_per_node: int = 2,
    min_examples: int = 1,
    folders: NDArray[np.integer[Any]] | None = None,
) -> list[Indices]:
    """Return each node's examples as sorted indices: disjoint, together all of them, a function of the arguments alone.

    Args:
        kind: ``iid``, ``dirichlet``, ``shards`` or ``folders``.
        labels: (n,) class of each example, from 0.
        nodes: how many parts.
        seed: of everything random here.
        alpha: concentration of ``dirichlet``: small values give each node few classes, large ones approach ``iid``.
        classes_per_node: shards that each node gets with ``shards``.
        min_examples: no node may have fewer.
        folders: (n,) owner of each example, from 0, for ``folders``.

    Raises:
        ConfigError: names ``partition.kind``, ``partition.alpha``, ``partition.classes_per_node``,
            ``partition.min_examples`` or ``federation.nodes``.
    """
    if nodes < 1:
        raise ConfigError("federation.nodes", f"must be at least 1, is {nodes}")
    if nodes > len(labels):
        raise ConfigError("federation.nodes", f"{nodes} nodes cannot share {len(labels)} training examples")
    rng = np.random.default_rng(np.random.SeedSequence([seed, nodes]))
    classes: Indices = np.asarray(labels, dtype=np.int64)
    schemes: dict[str, Callable[[], list[Indices]]] = {
        "iid": lambda: _iid(len(labels), nodes, rng),
        "dirichlet": lambda: _dirichlet(classes, nodes, alpha, rng),
        "shards": lambda: _shards(classes, nodes, classes_per_node, rng),
        "folders": lambda: _folders(folders, nodes),
    }
    if kind not in schemes:
        raise ConfigError("partition.kind", f"{kind!r} is unknown; choose one of {', '.join(schemes)}")
    parts = [np.sort(part) for part in schemes[kind]()]
    fewest = min(len(part) for part in parts)
    if fewest < max(1, min_examples):
        raise ConfigError(
            "partition.min_examples",
            f"a node would get {fewest} of {len(labels)} training examples, fewer than {max(1, min_examples)}; "
            "lower it, or federation.nodes",
        )
    return parts


def part_of(nodes: int, slot: int) -> slice:
    """Return the slice that selects the ``slot``-th of ``nodes`` parts of a test set.

    The parts are disjoint and cover the set. Every ``nodes``-th image is taken, so that a test set sorted by class
    gives each node all classes, and slicing a memory-mapped array copies nothing.
    """
    if not 0 <= slot < nodes:
        raise ValueError(f"slot {slot} is not within 0..{nodes - 1}")
    return slice(slot, None, nodes)


def _iid(examples: int, nodes: int, rng: np.random.Generator) -> list[Indices]:
    """Shuffle and cut into parts whose sizes differ by at most one."""
    return list(np.array_split(rng.permutation(examples), nodes))


def _dirichlet(labels: Indices, nodes: int, alpha: float, rng: np.random.Generator) -> list[Indices]:
    """Deal parts of equal size, each with class shares drawn from a Dirichlet distribution around the overall shares.

    Hsu, Qi, Brown: "Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification",
    2019, section 3. Examples are drawn without replacement; where a class runs out, its share goes to the node's other
    classes in proportion. Since the sizes differ by at most one, a smallest part needs no redrawing.

    ``alpha`` is the mean concentration a class, as in most libraries (all classes equally common: Dirichlet(alpha, ...,
    alpha)); the paper's alpha is the sum over the classes, so ten times as large for ten classes.
    """
    if not alpha > 0:
        raise ConfigError("partition.alpha", f"must be greater than 0, is {alpha}")
    prior = np.bincount(labels) / len(labels)  # (classes,)
    order = rng.permutation(len(labels))
    stock = [order[labels[order] == label] for label in range(len(prior))]  # by class, shuffled
    taken = np.zeros(len(prior), dtype=np.int64)
    left = np.array([len(indices) for indices in stock])
    present = prior > 0  # numpy's Dirichlet takes no zero concentration
    parts = []
    for size in (len(part) for part in np.array_split(order, nodes)):
        shares = np.zeros(len(prior))
        shares[present] = rng.dirichlet(alpha * present.sum() * prior[present])
        part: list[Indices] = []
        missing = size
        while missing:  # each turn ends the part or empties a class: at most classes + 1 turns
            wanted = np.where(left > 0, shares, 0.0)
            if wanted.sum() < 1e-12:
                wanted = left.astype(float)
            counts = np.minimum(rng.multinomial(missing, wanted / wanted.sum()), left)
            part += [stock[c][taken[c] : taken[c] + counts[c]] for c in np.flatnonzero(counts)]
            taken += counts
            left -= counts
            missing -= int(counts.sum())
        parts.append(np.concatenate(part))
    return parts


def _shards(labels: Indices, nodes: int, classes_per_node: int, rng: np.random.Generator) -> list[Indices]:
    """Sort by class, cut into ``nodes * classes_per_node`` shards, deal each node ``classes_per_node`` of them.

    McMahan et al.: "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017, section 3 (there
    100 nodes with two shards each). A shard that straddles two classes gives its node one class more.
    """
    if classes_per_node < 1:
        raise ConfigError("partition.classes_per_node", f"must be at least 1, is {classes_per_node}")
    shards = nodes * classes_per_node
    if shards > len(labels):
        raise ConfigError("partition.classes_per_node", f"{shards} shards cannot be cut from {len(labels)} examples")
    by_class = rng.permutation(len(labels))
    by_class = by_class[np.argsort(labels[by_class], kind="stable")]
    cuts = np.array_split(by_class, shards)
    dealt = rng.permutation(shards).reshape(nodes, classes_per_node)
    return [np.concatenate([cuts[shard] for shard in hand]) for hand in dealt]


def _folders(folders: NDArray[np.integer[Any]] | None, nodes: int) -> list[Indices]:
    """Give each node what lies in its own folder."""
    if folders is None:
        places = "train/<node>/<class>/* of images, train/<node>.csv of a table, train/<node>.txt of texts"
        raise ConfigError("partition.kind", f"'folders' needs data that lie by owner: {places}")
    owners = int(folders.max()) + 1
    if owners != nodes:
        raise ConfigError("federation.nodes", f"is {nodes}, but the training data are those of {owners} owners")
    return [np.flatnonzero(folders == owner) for owner in range(nodes)]

"""What the nodes of a federation begin with: the data, each node's share of them, the task, and the genesis model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from rayfed.errors import ConfigError, DataError
from rayfed.learning import data, frozen, group_norm, models, partition, sources, tasks
from rayfed.learning.data import Dataset
from rayfed.learning.examples import Examples, blank, take
from rayfed.learning.feeds import targets_on
from rayfed.learning.images import Normalise, resident
from rayfed.learning.states import KEY as CONSTANTS
from rayfed.learning.states import narrow, state_of
from rayfed.learning.targets import from_charter, in_charter
from rayfed.learning.task import Task
from rayfed.protocol.charter_parts import DataTerms

if TYPE_CHECKING:
    from rayfed.config import Settings
    from rayfed.encoding.layout import Layout
    from rayfed.protocol.charter import Charter

State = dict[str, torch.Tensor]
Inputs = Any
"""(n, c, h, w) uint8 images, or a tuple of the arrays that a model takes as they are."""
Targets = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Share:
    """The examples that one node owns, for training and for testing: (n, c, h, w) uint8 images with (n,) classes, or a
    tuple of inputs with targets."""

    train_x: Inputs
    train_y: Targets
    test_x: Inputs
    test_y: Targets


def load(settings: Settings, agreed: DataTerms | None = None) -> Dataset | Examples:
    """Load the data that the settings point at; once in a process however many nodes ask.

    Args:
        settings: the run's.
        agreed: the charter's, for a party whose own data may lack some of its classes, and which prepares them as the
            others do (deep images unless its own settings say how its files are written); None before there is a
            charter.

    Raises:
        DataError: they cannot be used.
        ConfigError: this party wants to learn something else than the federation.
    """
    chosen = settings.data
    if agreed is not None and (mine := described(settings)) != agreed.task:
        theirs = agreed.task.get("_target_", tasks.CLASSIFICATION)
        words = f"is {mine.get('_target_', tasks.CLASSIFICATION)}, or its parameters are other than the federation's"
        raise ConfigError("task", f"{words}, which learns by {theirs}")
    try:
        if chosen.kind not in data.KINDS:
            return _load_examples(settings, agreed)
        classes, bits = (agreed.classes, chosen.bits or agreed.bits or None) if agreed else (None, chosen.bits)
        return _load(chosen.kind, chosen.root, chosen.download, chosen.image_size, chosen.cache_dir, classes, bits)
    except OSError as error:  # a folder that may not be listed, a name that is too long
        words = f"{error.filename or chosen.root} cannot be read: {error.strerror or error}"
        raise DataError("data.root", words) from error


def check(settings: Settings, loaded: Dataset | Examples) -> None:
    """Check that a federation's data have something to learn, and to measure it by.

    Raises:
        DataError: names where the data are.
    """
    where, fault = settings.data.root or "data", ""
    if loaded.labels is not None and len(loaded.classes) < 2:
        fault = f"there is one class only, {loaded.classes[0]!r}: nothing can be told apart"
    elif isinstance(loaded, Examples) and all(bool((one == one[:1]).all()) for one in loaded.inputs):
        fault = f"{where} has the same inputs in every row: there is nothing to learn from"
    elif not len(loaded.test_y):
        fault = f"{where} has no test example, by which to tell how good the model is"
    if fault:
        raise DataError("data.root" if settings.data.root else "data", fault)


_load = cache(data.load)

_examples: dict[str, Examples] = {}


def _load_examples(settings: Settings, agreed: DataTerms | None) -> Examples:
    key = repr((settings.data, settings.task, agreed))
    if key not in _examples:
        _examples[key] = sources.load(settings.data, settings.task, agreed)
    return _examples[key]


def task(settings: Settings, loaded: Dataset | Examples) -> Task:
    """Return what is learned from these data.

    Raises:
        ConfigError: names ``task``.
    """
    return tasks.build(settings.task, loaded.scale if isinstance(loaded, Examples) else 1.0)


def described(settings: Settings) -> dict[str, Any]:
    """Return the task as the charter has it."""
    return tasks.described(settings.task, in_charter(settings.task), tasks.build(settings.task).metric)


def terms(settings: Settings, loaded: Dataset | Examples) -> DataTerms:
    """Return what the charter says of the data and of what is learned from them."""
    if isinstance(loaded, Examples):
        return loaded.terms(described(settings))
    bits = settings.data.bits or 0
    return DataTerms(loaded.classes, loaded.shape, loaded.mean, loaded.std, bits, {}, described(settings))


def share(settings: Settings, pictures: Dataset | Examples, slot: int) -> Share:
    """Return what node ``slot`` owns. With slot -1, a party of its own, that is everything at ``data.root``."""
    if slot < 0:
        return Share(pictures.train_x, pictures.train_y, pictures.test_x, pictures.test_y)
    nodes = settings.federation.nodes
    mine = _split(settings, pictures)[slot]
    test: slice | NDArray[np.int64] = slice(None)
    if settings.data.test == "split":
        order = np.random.default_rng([settings.seed, nodes]).permutation(len(pictures.test_y))
        test = np.sort(order[partition.part_of(nodes, slot)])
    if isinstance(pictures, Examples):
        parts = take(pictures.train_x, mine), take(pictures.test_x, test)
    else:
        parts = np.ascontiguousarray(pictures.train_x[mine]), np.ascontiguousarray(pictures.test_x[test])
    return Share(parts[0], pictures.train_y[mine], parts[1], pictures.test_y[test])


def _split(settings: Settings, pictures: Dataset | Examples) -> list[NDArray[np.int64]]:
    chosen, labels = settings.partition, pictures.labels
    if labels is None and chosen.kind in ("dirichlet", "shards"):
        words = f"{chosen.kind} deals by class, and what is learned here has none: choose iid or folders"
        raise ConfigError("partition.kind", words)
    return partition.split(
        chosen.kind,
        np.zeros(len(pictures.train_y), np.int64) if labels is None else labels,
        settings.federation.nodes,
        settings.seed,
        alpha=chosen.alpha,
        classes_per_node=chosen.classes_per_node,
        min_examples=chosen.min_examples,
        folders=pictures.folders,
    )


def genesis(
    settings: Settings, pictures: Dataset | Examples, charter: Charter | None = None
) -> tuple[torch.nn.Module, State]:
    """Build the model that the federation starts from; return it, ``narrow``, and its state.

    Args:
        charter: says from which seed it is built, whether group norm takes the place of batch norm, and what does not
            travel; None before there is one: then group norm does if this federation is founded with ``privacy=dp``,
            and all of the model travels.

    Raises:
        ConfigError: the model cannot be built, does not fit the data or the task, has what cannot travel, or has
            another frozen part than the federation's.
    """
    pretrained, private = settings.model.get("pretrained"), settings.privacy.kind == "dp"
    given = None
    if charter is not None and charter.layout.frozen and pretrained is not None and frozen.is_file(pretrained):
        given, pretrained = frozen.given(Path(pretrained), charter.layout.frozen), None
    seed = charter.genesis_source.get("seed", settings.seed) if charter else settings.seed
    if isinstance(pictures, Examples):
        model = built(settings.model, pictures.terms({}).prepare, seed, pretrained)
    else:
        model = models.build(settings.model, pictures.train_x.shape[1:], len(pictures.classes), seed, pretrained)
    if group_norm.chosen(charter.model) if charter else private:
        group_norm.replace(model, frozen.held(model))
    if given is not None:
        _put(model, given)
    if isinstance(pictures, Examples) or settings.task["_target_"] != tasks.CLASSIFICATION:
        few, wanted = _few(pictures)
        tasks.check(model, task(settings, pictures), few, wanted, private)
    if charter is None:
        narrow(model, {})
    else:
        narrow(model, charter.model, charter.layout)
    return model, state_of(model)


def built(
    model: Mapping[str, Any], prepare: Mapping[str, Any], seed: int, pretrained: str | None = None
) -> torch.nn.Module:
    """Build a model for data that are not images, by what the charter says of them."""
    shape, filled = _form(prepare)
    return models.build(model, shape, prepare["outputs"], seed, pretrained, blank(prepare), **filled)


def rebuilt(
    agreed: Mapping[str, Any], terms: DataTerms, layout: Layout | None = None, beside: Mapping[str, Any] | None = None
) -> torch.nn.Module:
    """Build a federation's model, ``narrow``, with other weights than its last ones, by its charter alone.

    Args:
        agreed, terms: the charter's ``model`` and ``data``.
        layout: the charter's; None: the model is taken to have no frozen part.
        beside: the frozen part, by name.

    Raises:
        ConfigError: its class cannot be imported here, or has changed, or that is not its frozen part.
    """
    described = _described(agreed)
    if terms.prepare:
        model = built(described, terms.prepare, seed=0)
    else:
        model = models.build(described, terms.shape, len(terms.classes), seed=0)
    if group_norm.chosen(agreed):
        group_norm.replace(model, frozen.held(model))
    if beside:
        _put(model, beside)
    narrow(model, agreed, layout)
    return model


def _put(model: torch.nn.Module, beside: Mapping[str, Any]) -> None:
    """Give a model its frozen part; whether that is all of it shows when the model is made ``narrow``.

    Raises:
        ConfigError: a tensor has another shape in the model.
    """
    own = model.state_dict()
    for name, value in beside.items():
        if name in own and own[name].shape != value.shape:
            words = f"{name} has the shape {tuple(own[name].shape)}, there {tuple(value.shape)}"
            raise ConfigError("model", f"is not the federation's: {words}")
    model.load_state_dict(beside, strict=False)


def resolved(model: Mapping[str, Any], terms: DataTerms) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return what builds a model for these data, and with which parameters.

    Args:
        model: the settings.
        terms: the charter's ``data``.

    Raises:
        ConfigError: it cannot be imported here.
    """
    if not terms.prepare:
        return models.resolved(model, terms.shape, len(terms.classes))
    shape, filled = _form(terms.prepare)
    return models.resolved(model, shape, terms.prepare["outputs"], **filled)


def _described(agreed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a charter's ``model`` was written from."""
    return {key: from_charter(value) for key, value in agreed.items() if key not in (group_norm.KEY, CONSTANTS)}


def _form(prepare: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the shape of what a model takes, of several inputs a tuple of theirs, and what else is filled in."""
    shapes = [tuple(form["shape"]) for form in prepare["inputs"]]
    filled = {"vocabulary": prepare["vocabulary"]} if "vocabulary" in prepare else {}
    return shapes[0] if len(shapes) == 1 else tuple(shapes), filled


def _few(loaded: Dataset | Examples) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Return a few examples as the model gets them, with their targets: two of training, and those with the lowest and
    the highest whole number of an input or of several targets, which a model's table may not hold."""
    cpu = torch.device("cpu")
    if isinstance(loaded, Examples):
        parts = [_ends(loaded.inputs, loaded.train_y, 2), _ends(cast(Inputs, loaded.test_x), loaded.test_y, 0)]
        *inputs, wanted = (torch.from_numpy(np.concatenate(both)) for both in zip(*parts, strict=True))
        return tuple(inputs), wanted
    targets = targets_on(np.array(loaded.train_y[:2]), cpu)
    return (Normalise(loaded.mean, loaded.std, cpu, False)(resident(loaded.train_x[:2], cpu)),), targets


def _ends(x: tuple[NDArray[Any], ...], y: Targets, first: int) -> tuple[NDArray[Any], ...]:
    """Return the first examples, and those with the extremes of what is whole numbers, each an array of inputs and the
    targets."""
    whole = [one for one in (*x, *((y,) if y.ndim > 1 else ())) if one.dtype == np.int64 and one.size]
    ends = [int(at) // one[0].size for one in whole for at in (one.argmin(), one.argmax())]
    chosen = sorted({*range(min(first, len(y))), *ends})
    return tuple(one[chosen] for one in (*x, y))

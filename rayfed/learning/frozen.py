"""What of a model is frozen: the same in every round, and so in the charter by its hash and in no blob.

Frozen is what asks for no gradient and stays as it is in first steps of training, bit for bit: parameters with
``requires_grad=False``, and the buffers of modules in which nothing is trained. What moves all the same travels (the
average of a momentum encoder, say). Normalisation in such a module has its running statistics for good: ``hold`` keeps
it in evaluation mode while the rest is trained, as who freezes a trunk expects.

Everybody builds the frozen part, from the charter's seed or from a file of weights, and compares its hash. It is
written down as a line of canonical JSON (names, shapes and types) and then the values, little-endian, in the order of
their names; the hash is SHA-256 of just that, so ``sha256sum`` of a run's ``frozen.bin`` gives it as well. Stores have
the same with zeros up to a whole leaf (``packed``), for whoever joins without the file.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Container, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from rayfed.encoding import canonical, merkle
from rayfed.encoding.layout import FROZEN_FILE, Frozen, Layout
from rayfed.errors import CodecError, ConfigError

State = dict[str, torch.Tensor]


def freeze_others(model: nn.Module, patterns: Any) -> None:
    """Freeze all parameters but those whose name (one of several) a pattern matches.

    Args:
        patterns: as of a shell, such as ``["fc.*", "*.bias"]``; one that matches is trained if it was before.

    Raises:
        ConfigError: naming ``model.trained``: that is no list of patterns, or one of them matches nothing.
    """
    wanted = [patterns] if isinstance(patterns, str) else patterns
    if not (isinstance(wanted, list | tuple) and wanted and all(isinstance(one, str) for one in wanted)):
        raise ConfigError("model.trained", f"{patterns!r} is no list of patterns of names, such as [fc.*]")
    named = dict(model.named_parameters(remove_duplicate=False))
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in named):
            last = next(reversed(named), "none at all")
            raise ConfigError("model.trained", f"{pattern!r} matches no parameter; the last one's name is {last}")
    kept = {id(named[name]) for name in named if any(fnmatchcase(name, pattern) for pattern in wanted)}
    for value in named.values():
        if id(value) not in kept:
            value.requires_grad_(False)


def hold(model: nn.Module) -> None:
    """Keep normalisation in evaluation mode wherever nothing is trained, whatever mode the model is put into."""
    release(model)
    for name in held(model):
        module = model.get_submodule(name)
        changed: Any = module
        changed.train = partial(_stay, module)
        module.train()


def release(model: nn.Module) -> None:
    """Undo ``hold``."""
    for module in model.modules():
        if getattr(module.__dict__.get("train"), "func", None) is _stay:
            del module.__dict__["train"]


def held(model: nn.Module) -> list[str]:
    """Return the names of the normalisation that ``hold`` keeps in evaluation mode; of one that has several, all."""
    still = _frozen_modules(model)
    return [
        name
        for name, one in model.named_modules(remove_duplicate=False)
        if isinstance(one, _NormBase) and one.running_mean is not None and id(one) in still
    ]


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    """Follow ``nn.Module.train``."""
    return nn.Module.train(module, False)


def found(model: nn.Module, before: State, after: Mapping[str, Any]) -> list[str]:
    """Return the names of what is frozen.

    Args:
        before, after: the model's states around first steps of training.
    """
    still = _still(model)
    return [name for name in before if name in still and same(before[name], torch.as_tensor(after[name]))]


def beside(model: nn.Module, layout: Layout, others: Container[str], source: str | None = None) -> State:
    """Return what is frozen in a federation's model, a copy on the processor: all that does not travel.

    Args:
        layout: the charter's.
        others: names that neither travel nor are frozen.
        source: what the charter says of the weights that the model begins with; None: they are drawn.

    Raises:
        ConfigError: it is not what is frozen in the federation's, or something that is trained is in no blob.
    """
    if layout.frozen is None:
        return {}
    still, travels = _still(model), {spec.name for spec in layout.tensors}
    mine: State = {}
    for name, value in model.state_dict().items():
        if name in travels or name in others:
            continue
        if name not in still:
            raise ConfigError("model", f"is not the federation's: {name}: in the model, but not in the layout")
        mine[name] = value.cpu().clone()
    if (has := _described(model, mine)) != (layout.frozen.digest, layout.frozen.parameters):
        words = f"has another frozen part than the federation's: {_said(has)}, not {said(layout.frozen)}"
        if source is None:
            raise ConfigError("model._target_", f"{words}; the same class, parameters and versions build the same")
        raise ConfigError("model.pretrained", f"{words}; the federation's begins with {source}")
    return mine


def describe(model: nn.Module, values: State) -> Frozen | None:
    """Return what a charter says of these tensors of a model; None if there are none."""
    if (found := _described(model, values)) is None:
        return None
    text = bytearray().join(_parts(values))
    return Frozen(*found, len(text), merkle.root(packed(text)))


def packed(text: bytes | bytearray) -> memoryview:
    """Return what is written down as a store has it: with zeros up to a whole leaf."""
    return memoryview(bytes(text) + bytes(-len(text) % merkle.LEAF))


def _described(model: nn.Module, values: State) -> tuple[bytes, int] | None:
    if not values:
        return None
    digest = hashlib.sha256()
    for part in _parts(values):
        digest.update(part)
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return digest.digest(), sum(value.numel() for name, value in values.items() if name in parameters)


def write(values: State, folder: Path) -> None:
    """Write a model's frozen part down, where there is one and no such file yet.

    Raises:
        ConfigError: naming ``cluster.state_dir``.
    """
    path = folder / FROZEN_FILE
    if not values or path.exists():
        return
    new = path.with_suffix(f".{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            for part in _parts(values):
                file.write(part)
        new.replace(path)  # in one step: the machine's other hosts write the same one
    except OSError as error:
        raise ConfigError("cluster.state_dir", f"cannot write {path}: {error.strerror}") from error


def read(path: Path, agreed: Frozen) -> State:
    """Return what a file holds.

    Raises:
        CodecError: it is not what was agreed on.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").digest() != agreed.digest:
            raise CodecError(f"{path} is not the frozen part with the SHA-256 {agreed.digest.hex()}")
        file.seek(0)
        values: State = {}
        for item in canonical.loads(file.readline().rstrip(b"\n"))["tensors"]:
            dtype, shape = getattr(torch, item["dtype"]), item["shape"]
            size = math.prod(shape) * torch.empty(0, dtype=dtype).element_size()
            octets = torch.frombuffer(bytearray(file.read(size)), dtype=torch.uint8) if size else torch.empty(0)
            values[item["name"]] = (octets.view(dtype) if size else torch.empty(0, dtype=dtype)).view(shape)
        return values


def is_file(pretrained: str) -> bool:
    """Whether ``model.pretrained`` names the file of a frozen part, which a node keeps or a joiner has fetched."""
    return Path(pretrained).name == FROZEN_FILE


def given(path: Path, agreed: Frozen) -> State:
    """Return what such a file holds.

    Raises:
        ConfigError: naming ``model.pretrained``: it cannot be read, or is not what was agreed on.
    """
    try:
        return read(path, agreed)
    except (CodecError, OSError) as error:
        raise ConfigError("model.pretrained", str(error)) from error


def _parts(values: State) -> Iterator[bytes | memoryview]:
    """Yield what is hashed, and written down."""
    ordered = sorted(values)
    tensors = [
        {"name": name, "shape": list(values[name].shape), "dtype": str(values[name].dtype).removeprefix("torch.")}
        for name in ordered
    ]
    yield canonical.dumps({"tensors": tensors}).encode() + b"\n"
    for name in ordered:
        yield octets(values[name]).numpy().data


def _said(found: tuple[bytes, int] | None) -> str:
    return "nothing" if found is None else said(Frozen(*found))


def said(agreed: Frozen) -> str:
    """Return in words which frozen part that is."""
    return f"{agreed.parameters:,} weights with the SHA-256 {agreed.digest.hex()[:16]}..."


def _still(model: nn.Module) -> set[str]:
    """Return the names of what may be frozen: parameters without gradient, and buffers where nothing is trained."""
    names = {name for name, value in model.named_parameters(remove_duplicate=False) if not value.requires_grad}
    modules = _frozen_modules(model)
    for prefix, module in model.named_modules(prefix="model", remove_duplicate=False):
        if id(module) in modules:
            own = module.named_buffers(prefix, recurse=False, remove_duplicate=False)
            names |= {name.removeprefix("model.") for name, _ in own}
    return names


def _frozen_modules(model: nn.Module) -> set[int]:
    """Return which modules (by ``id``) have nothing in them that is trained. One without any parameter goes by what it
    is in, and one that is in several places is frozen if it is in all of them."""
    still: set[int] = set()
    moving: set[int] = set()

    def look(module: nn.Module, outside: bool) -> None:
        parameters = list(module.parameters())
        frozen = not any(value.requires_grad for value in parameters) if parameters else outside
        (still if frozen else moving).add(id(module))
        for child in module.children():
            look(child, frozen)

    look(model, False)
    return still - moving


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors have the same bits."""
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(octets(one), octets(other))


def octets(value: torch.Tensor) -> torch.Tensor:
    """Return a tensor's bytes, (n,) uint8 on the processor, in logical order; a view where it can be one."""
    flat = value.detach().cpu().reshape(-1).contiguous()
    return flat.view(torch.uint8) if flat.numel() else torch.empty(0, dtype=torch.uint8)

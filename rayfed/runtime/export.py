"""A run's final model as a file for other programs: ONNX, by torch's own exporter, or TorchScript.

What was written is read back and run, and must give what the model gives: an exporter may leave out what it cannot see.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rayfed.errors import ConfigError
from rayfed.learning.examples import blank
from rayfed.learning.scores import scores_of
from rayfed.protocol.charter import Charter
from rayfed.protocol.charter_parts import DataTerms
from rayfed.runtime import prepared
from rayfed.runtime.api import load_model
from rayfed.runtime.results import CHARTER

Tensors = tuple[torch.Tensor, ...]

BATCH, OTHER_BATCH = 2, 3
"""Examples with which a model is exported, and with which the file is tried."""

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""How far the file's outputs may be from the model's: other kernels add up in another order."""


DECIDES = "Converting a tensor to"
"""How torch begins to warn of a number that a trace would keep as it was with one input."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written.

    Attributes:
        path: where.
        inputs, outputs: names and shapes; ``batch`` is any number of examples.
        away: the largest difference of an output from the model's.
    """

    path: Path
    inputs: str
    outputs: str
    away: float


class Portable(nn.Module):
    """A model as it is exported: with its preprocessing, if that is asked for, and one tensor of outputs.

    Args:
        model: in evaluation mode.
        prepare: what is done to inputs first; None: they come prepared.
        unpack: whether the outputs have to be found in what the model gives.
    """

    def __init__(self, model: nn.Module, prepare: nn.Module | None, unpack: bool) -> None:
        super().__init__()
        self.model = model
        self.unpack = unpack
        self.prepare = prepare

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """What the model takes, or what is still to be prepared -> its outputs."""
        if self.prepare is not None:
            inputs = (self.prepare(inputs[0]), *inputs[1:])
        outputs: torch.Tensor = self.model(*inputs)
        return scores_of(outputs) if self.unpack else outputs


class Exporter:
    """Exports the final model of a run.

    Args:
        run: its output folder.
        preprocess: whether the file prepares its inputs itself: pixels, a table's rows, or a text's bytes.

    Attributes:
        left: in a line, what is left to who calls the file; empty: nothing.

    Raises:
        ConfigError: there is no model, or its preprocessing is its members' own affair.
    """

    def __init__(self, run: Path, preprocess: bool = False) -> None:
        self._model = load_model(run).cpu().eval()
        charter = Charter.from_json((run / CHARTER).read_text().rstrip("\n"))
        self._data = charter.data
        if type(self._model).forward is nn.Module.forward:
            raise ConfigError("run", f"{type(self._model).__name__} has no forward: there is nothing to export")
        self._prepare = prepared.of(self._data) if preprocess else None
        self.left = prepared.left(self._data) if preprocess else ""
        with torch.no_grad():
            unpack = not isinstance(self._model(*_inputs(self._data, BATCH)), torch.Tensor)
        self._whole = Portable(self._model, self._prepare, unpack).eval()
        self._about = {
            "charter": "0x" + charter.hash.hex(),
            "classes": json.dumps(charter.data.classes),
            "preprocessing": "included" if preprocess else "not included: see model.md",
        }
        if preprocess and (columns := prepared.fields(self._data)):
            self._about["columns"] = json.dumps(columns)

    def onnx(self, path: Path) -> Exported:
        """Write ONNX, for any number of examples at once where the model allows it.

        Raises:
            ConfigError: packages are missing, the model cannot be exported, or the file gives other outputs.
        """
        runtime = _needed("onnxruntime")
        for name in ("onnx", "onnxscript"):
            _needed(name)
        inputs = self._examples(BATCH)
        names = ["input"] if len(inputs) == 1 else [f"input_{n}" for n in range(len(inputs))]
        options: dict[str, Any] = {"input_names": names, "output_names": ["output"], "dynamo": True, "verbose": False}
        batch = torch.export.Dim("batch")
        shapes = (tuple({0: batch} for _ in inputs),)
        with _quiet(), _one_line("--onnx", type(self._model).__name__), torch.no_grad():
            try:
                program = torch.onnx.export(self._whole, inputs, dynamic_shapes=shapes, **options)
                tried = self._examples(OTHER_BATCH)
            except Exception:  # its shapes depend on the batch: then it is exported for one example
                tried = self._examples(1)
                program = torch.onnx.export(self._whole, tried, **options)
            assert program is not None  # it is, with dynamo
            program.model.metadata_props.update(self._about)

        def run(file: Path) -> torch.Tensor:
            session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            given = {name: one.numpy() for name, one in zip(names, tried, strict=True)}
            return torch.from_numpy(session.run(None, given)[0])

        return self._written("--onnx", path, lambda file: program.save(str(file)), run, tried)

    def torchscript(self, path: Path) -> Exported:
        """Write TorchScript: compiled where torch can, or else traced, which a model that decides by its data is not.

        Raises:
            ConfigError: the model can be neither compiled nor traced, or the file gives other outputs.
        """
        inputs = self._examples(BATCH)
        with _quiet(), _one_line("--torchscript", type(self._model).__name__), torch.no_grad():
            warnings.filterwarnings("error", DECIDES)
            trace: Any = torch.jit.trace  # torch ships no types for these
            made = trace(self._scripted(), inputs, check_trace=False, strict=False)
        extra = {"rayfed.json": json.dumps(self._about)}

        def run(file: Path) -> torch.Tensor:
            with _quiet(), torch.no_grad():
                load: Any = torch.jit.load
                found: torch.Tensor = load(str(file))(*self._examples(OTHER_BATCH))
            return found

        def save(file: Path) -> None:
            with _quiet():
                torch.jit.save(made, str(file), _extra_files=extra)

        return self._written("--torchscript", path, save, run, self._examples(OTHER_BATCH))

    def _scripted(self) -> nn.Module:
        """Return what is exported, with the model compiled where that can be done: its decisions stay in it."""
        if self._whole.unpack:
            return self._whole
        try:
            compiled = torch.jit.script(self._model)
        except Exception:  # torch compiles a part of Python only, and says no in many ways; then it is traced
            return self._whole
        return Portable(compiled, self._prepare, False).eval()

    def _examples(self, count: int) -> Tensors:
        """Return inputs of the right form that tell nothing of anybody: noise."""
        if self._prepare is not None:
            return (self._prepare.example(count, torch.Generator().manual_seed(count)),)
        return _inputs(self._data, count)

    def _written(
        self,
        option: str,
        path: Path,
        save: Callable[[Path], Any],
        run: Callable[[Path], torch.Tensor],
        tried: Tensors,
    ) -> Exported:
        """Write a file in one step, once it has given the same as the model."""
        new = path.with_name(f".new-{path.name}")
        try:
            new.touch()  # libraries have words of their own for a folder that is not there
            with _one_line(option, path.name):
                save(new)
            with torch.no_grad():
                expected = self._whole(*tried)
            with _one_line(option, type(self._model).__name__):
                found = run(new)
            if found.shape != expected.shape or not torch.allclose(found, expected, RELATIVE, ABSOLUTE):
                words = "gives other outputs in this form than in PyTorch: it decides by its data, or draws"
                raise ConfigError(option, f"{type(self._model).__name__} {words}; nothing was written")
            os.replace(new, path)
        except OSError as error:
            raise ConfigError(option, f"cannot write {path}: {error.strerror}") from error
        finally:
            new.unlink(missing_ok=True)
        batch = "batch" if len(tried[0]) != 1 else "1"
        shown = [f"({', '.join([batch, *map(str, one.shape[1:])])}) {str(one.dtype)[6:]}" for one in (*tried, expected)]
        away = float((found - expected).abs().max()) if found.numel() else 0.0
        return Exported(path, ", ".join(shown[:-1]), shown[-1], away)


def _inputs(data: DataTerms, count: int) -> Tensors:
    """Return noise, or zeros for what a model looks up."""
    draw = torch.Generator().manual_seed(count)
    if not data.prepare:
        return (torch.randn((count, *data.shape), generator=draw),)
    return tuple(
        torch.randn(one.shape, generator=draw) if one.is_floating_point() else one for one in blank(data.prepare, count)
    )


def _needed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        words = f"needs the package {error.name or name}: pip install 'rayfed[onnx]' (or onnx onnxruntime onnxscript)"
        raise ConfigError("--onnx", words) from error


@contextlib.contextmanager
def _one_line(option: str, what: str) -> Iterator[None]:
    """Tell in one line whatever an exporter raises on a model that it cannot export."""
    try:
        yield
    except (ConfigError, OSError):
        raise
    except Exception as error:
        first: BaseException = error
        while first.__cause__ is not None:  # exporters wrap what they were told in pages of their own
            first = first.__cause__
        reason = next((line.strip() for line in str(first).splitlines() if line.strip()), type(first).__name__)
        raise ConfigError(option, f"{what} cannot be exported: {reason}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep exporters from talking: of what is deprecated in torch, and of each of their steps."""
    before = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)

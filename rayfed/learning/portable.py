"""A federation's model as a file of Python that needs torch and safetensors, and not rayfed.

The file has the network, what its weights are loaded by, and what is done to data before the network gets them, all as
the charter says. A network that comes with rayfed is in it in full; one of torchvision's or of a user's is imported.

What others have written into a charter is data in it, never code: the network is the one of this party's own settings.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping, Sequence
from pprint import pformat
from types import ModuleType
from typing import Any

from rayfed.learning import group_norm, material
from rayfed.learning.examples import blank
from rayfed.learning.targets import split
from rayfed.protocol.charter_parts import DataTerms

IMPORTS = (
    "from pathlib import Path",
    "import torch",
    "from torch import nn",
    "from safetensors.torch import load_file",
)

LOAD = '''
def load(weights: str | Path = Path(__file__).with_name("model.safetensors")) -> nn.Module:
    """Return the trained network, ready for use."""
    model = build()
    model.load_state_dict(load_file(weights))
    return model.eval()
'''

IMAGES = '''
def prepare(images: torch.Tensor) -> torch.Tensor:
    """(n, {channels}, {height}, {width}) uint8 pixels -> what the network takes, float32."""
    scale = torch.tensor([1_000_000 / 255 / std for std in STD]).view(1, -1, 1, 1)
    shift = torch.tensor([-mean / std for mean, std in zip(MEAN, STD)]).view(1, -1, 1, 1)
    return images.to(torch.float32) * scale + shift
'''

ROWS = '''
def prepare(rows: list[dict]) -> torch.Tensor:
    """Rows, by the columns' names -> what the network takes, (n, {width}) float32."""
    return torch.tensor([sum((_inputs(column, row) for column in COLUMNS), []) for row in rows])


def _inputs(column: dict, row: dict) -> list[float]:
    """Return a number, standardised, or 1 in the place of the row's category."""
    cell = "" if row[column["name"]] is None else str(row[column["name"]]).strip()
    if missing := cell.lower() in ("", "na", "n/a", "nan", "null", "none"):
        if not FILL:
            raise ValueError(f"column {{column['name']!r}} is empty")
    if "values" in column:
        if not missing and cell not in column["values"]:
            raise ValueError(f"{{cell!r}} is no category of column {{column['name']!r}}")
        return [float(cell == value) for value in column["values"]]
    return [0.0 if missing else (float(cell) - float(column["mean"])) / float(column["std"])]
'''

TEXT = '''
def prepare(text: bytes) -> torch.Tensor:
    """The last {length} bytes of a text -> what the network takes, (1, length) int64: every byte is a token."""
    return torch.tensor([list(text[-{length}:])])
'''


def source(model: Mapping[str, Any], data: DataTerms, replaced: bool, about: str, left: Sequence[str] = ()) -> str:
    """Return the file: ``build``, ``load``, ``prepare`` and ``EXAMPLE``, an input that tells nothing of anybody.

    Args:
        model: the settings.
        data: the charter's.
        replaced: whether group norm takes the place of batch norm.
        about: a line for its docstring.
        left: names of batch norm in whose place none is.

    Raises:
        ConfigError: the network cannot be imported here.
    """
    constructor, parameters = material.resolved(model, data)
    module, name = split(str(model["_target_"]))
    imports, bodies = set(IMPORTS), []
    if constructor.__module__.startswith("rayfed."):
        name = constructor.__name__
        copied = [(sys.modules[constructor.__module__], name)]
    else:
        copied = []
        imports.add(f"from {module} import {name}")
    for one in [*copied, (group_norm, "replace")] if replaced else copied:
        found, body = _taken(*one)
        imports |= found
        bodies.append(body)
    parts = [*bodies, _build(name, parameters, replaced, left), LOAD.strip(), *_preparation(data)]
    if data.classes:
        parts.append(f"CLASSES = {_shown(data.classes)}")
    return f'"""{about}"""\n\nfrom __future__ import annotations\n\n' + "\n\n\n".join(
        ["\n".join(sorted(imports, key=lambda line: (line.split()[1], line))), *parts, ""]
    )


def call(data: DataTerms) -> str:
    """Return how the model of ``source`` is called with its ``EXAMPLE``."""
    return "model(prepare(EXAMPLE))" if _is_prepared(data) else "model(*EXAMPLE)"


def _is_prepared(data: DataTerms) -> bool:
    return not data.prepare or "columns" in data.prepare or data.prepare["kind"] == "text"


def _taken(module: ModuleType, name: str) -> tuple[set[str], str]:
    """Return what a class or function of rayfed's needs of its module: the imports, and the rest with itself."""
    text = inspect.getsource(module)
    lines, tree = text.splitlines(), ast.parse(text)
    wanted, chosen = {name}, set[ast.stmt]()
    while found := [node for node in tree.body if node not in chosen and _names(node) & wanted]:
        chosen |= set(found)
        wanted |= {inner.id for node in found for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    imports = {ast.unparse(node) for node in chosen if isinstance(node, ast.Import | ast.ImportFrom)}
    own = [node for node in tree.body if node in chosen and not isinstance(node, ast.Import | ast.ImportFrom)]
    return imports, "\n\n\n".join("\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in own)


def _names(node: ast.stmt) -> set[str]:
    """Return the names that a statement of a module gives something to."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}


def _build(name: str, parameters: Mapping[str, Any], replaced: bool, left: Sequence[str]) -> str:
    arguments = "".join(f"\n        {key}={value!r}," for key, value in parameters.items())
    lines = ["def build() -> nn.Module:", '    """Return the network with random weights."""']
    lines += [f"    model = {name}({arguments}\n    )"]
    rest = f", {_shown(list(left))}" if left else ""
    lines += [f"    replace(model{rest})  # batch norm by group norm"] if replaced else []
    return "\n".join([*lines, "    return model"])


def _preparation(data: DataTerms) -> list[str]:
    """Return what is done to data, as code, and an example of them before that."""
    prepare = data.prepare
    if not prepare:
        channels, height, width = data.shape
        numbers = f"MEAN = {data.mean!r}  # by channel, in millionths of the 0..1 range\nSTD = {data.std!r}"
        example = f"EXAMPLE = torch.zeros(2, {channels}, {height}, {width}, dtype=torch.uint8)"
        return [numbers, IMAGES.strip().format(channels=channels, height=height, width=width), example]
    if "columns" in prepare:
        columns = [dict(column) for column in prepare["columns"]]
        row = {one["name"]: one["values"][0] if "values" in one else float(one["mean"]) for one in columns}
        width = int(prepare["inputs"][0]["shape"][0])
        numbers = f"COLUMNS = {_shown(columns)}\nFILL = {bool(prepare['fill'])}  # what is missing is the mean"
        targets = [] if prepare["wanted"] != "numbers" else [_restoring(prepare["target"])]
        return [numbers, ROWS.strip().format(width=width), f"EXAMPLE = [{_shown(row)}]", *targets]
    if prepare["kind"] == "text":
        length = int(prepare["inputs"][0]["shape"][0])
        return [TEXT.strip().format(length=length), 'EXAMPLE = b"Once upon a time"']
    zeros = [f"torch.zeros({tuple(one.shape)}, dtype={one.dtype})" for one in blank(prepare)]
    return [f"EXAMPLE = ({', '.join(zeros)},)  # inputs as they are"]


def _restoring(targets: list[Mapping[str, Any]]) -> str:
    """Return what brings standardised outputs back into their own unit."""
    mean, std = ([float(one[key]) for one in targets] for key in ("mean", "std"))
    return f'''
MEANS, DEVIATIONS = {mean!r}, {std!r}


def restore(outputs: torch.Tensor) -> torch.Tensor:
    """The network's outputs, (n, {len(mean)}) -> the same in their own units."""
    return outputs * torch.tensor(DEVIATIONS) + torch.tensor(MEANS)
'''.strip()


def _shown(value: Any) -> str:
    return pformat(value, width=110, compact=True, sort_dicts=False)

"""A run's model as ONNX and as TorchScript, loaded and run where rayfed cannot be imported."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from rayfed.cli.main import main
from rayfed.errors import ConfigError
from rayfed.learning import arrays, table
from rayfed.learning.images import Normalise
from rayfed.protocol.charter_parts import DataTerms
from rayfed.runtime.export import Exporter
from tests.unit.protocol.test_charter import charter
from tests.without_rayfed import alone, taken

IMAGES = DataTerms(("cat", "dog", "cow"), (3, 32, 32), (491_000, 482_000, 447_000), (247_000, 243_000, 262_000))

ONNX = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx")
given = numpy.load("given.npz")
numpy.save("found.npy", session.run(None, {i.name: given[str(n)] for n, i in enumerate(session.get_inputs())})[0])
"""
SCRIPT = """
import numpy, torch
given = numpy.load("given.npz")
numpy.save("found.npy", torch.jit.load("model.ts")(*[torch.from_numpy(given[n]) for n in given.files]).detach().numpy())
"""

OWN = """
import torch
from torch import nn

class Decides(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(2, 1)
    def forward(self, x):
        y = self.dense(x)
        return y if float(y.sum()) > 0 else 2 * y

class Hidden(Decides):
    def forward(self, x):
        y = self.dense(x)
        return y * (2 if bool({"a": y.sum() > 0}["a"]) else 1) + len([*map(str, range(3))])

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(2, 4), nn.Embedding(5, 4)
    def forward(self, x, i):
        return {"logits": (self.one(x) * self.other(i)).sum(1, keepdim=True)}

class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(2, 1)
    def training_step(self, batch, n):
        return self.dense(batch[0]).sum()
"""


def run_of(model: dict[str, Any], terms: DataTerms, folder: Path) -> torch.nn.Module:
    (folder / "charter.json").write_text(charter(data=terms).canonical_json())
    return taken(model, terms, folder)


def found(folder: Path, code: str, *inputs: torch.Tensor) -> torch.Tensor:
    """Return what an exported file gives for these inputs, in a process without rayfed."""
    import numpy as np

    np.savez(folder / "given.npz", **{str(n): one.numpy() for n, one in enumerate(inputs)})
    alone(code, folder)
    return torch.from_numpy(np.load(folder / "found.npy"))


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "model",
    [
        {"_target_": "rayfed.learning.models.SmallCNN", "width": 4, "hidden": 8},
        {"_target_": "rayfed.learning.models.PaperCNN", "variant": "cifar"},
        {"_target_": "torchvision.models.resnet18"},
    ],
    ids=["small", "paper", "resnet18"],
)
def test_images_with_and_without_preprocessing(
    model: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = run_of(model, IMAGES, tmp_path)
    pixels = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    x = Normalise(IMAGES.mean, IMAGES.std, torch.device("cpu"), False)(pixels)
    expected = net(x).detach()
    files = ["--onnx", str(tmp_path / "model.onnx"), "--torchscript", str(tmp_path / "model.ts")]
    assert main(["export", str(tmp_path), *files]) == 0
    assert capsys.readouterr().out.count("(batch, 3, 32, 32) float32 -> (batch, 3) float32") == 2
    for code in (ONNX, SCRIPT):
        close(found(tmp_path, code, x), expected)
    assert main(["export", str(tmp_path), *files, "--preprocess"]) == 0
    assert capsys.readouterr().out.count("(batch, 3, 32, 32) uint8 -> ") == 2
    for code in (ONNX, SCRIPT):
        close(found(tmp_path, code, pixels), expected)
    assert not list(tmp_path.glob(".new-*"))


def test_rows(tmp_path: Path) -> None:
    file = tmp_path / "houses.csv"
    file.write_text("\n".join(["size,age,price", *(f"{n * 1.37:.2f},{n % 7},{3 * n + 5}" for n in range(60))]) + "\n")
    terms = table.load(file, table.Choice(wanted="numbers")).terms({})
    net = run_of({"_target_": "rayfed.learning.networks.Perceptron", "hidden": [8]}, terms, tmp_path)
    exporter = Exporter(tmp_path, preprocess=True)
    exporter.onnx(tmp_path / "model.onnx")
    exporter.torchscript(tmp_path / "model.ts")
    for code in (ONNX, SCRIPT):
        given = torch.tensor([[50.0, 3.0], [10.0, 0.0], [7.0, 6.0]])
        mean, std = (torch.tensor([float(c[key]) for c in terms.prepare["columns"]]) for key in ("mean", "std"))
        close(found(tmp_path, code, given), net((given - mean) / std).detach())


def test_rows_with_categories_and_gaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file gives what the network gives for rows that ``prepare`` of model.py has prepared."""
    file = tmp_path / "cars.csv"
    rows = [f"{n * 1.37:.2f},{['red', 'green', 'blue'][n % 3]},{n % 7},{('old', '')[n % 2]}" for n in range(60)]
    file.write_text("\n".join(["size,colour,doors,state", *rows]) + "\n")
    terms = table.load(file, table.Choice(target=("doors",), wanted="numbers", fill=True)).terms({})
    net = run_of({"_target_": "rayfed.learning.networks.Perceptron", "hidden": [8]}, terms, tmp_path)
    files = ["--onnx", str(tmp_path / "model.onnx"), "--torchscript", str(tmp_path / "model.ts")]
    assert main(["export", str(tmp_path), "--preprocess", *files]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 3
    assert told[-1].startswith("what is left to who calls it: a category is given by its place in the column's list")
    plain = [("50.5", "green", "old"), ("", "blue", "old"), ("7.0", "", ""), ("3", "red", "")]
    prepare = runpy.run_path(str(tmp_path / "model.py"))["prepare"]
    expected = net(prepare([dict(zip(("size", "colour", "state"), row, strict=True)) for row in plain])).detach()
    nan = float("nan")
    given = torch.tensor([[50.5, 1, 0], [nan, 0, 0], [7.0, nan, nan], [3.0, 2, -1]])
    for code in (ONNX, SCRIPT):
        close(found(tmp_path, code, given), expected)
    about = {one.key: one.value for one in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert {"name": "colour", "values": ["blue", "green", "red"]} in json.loads(about["columns"])


def test_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("It was the best of times, it was the worst of times. " * 40)
    terms = arrays.load_text(tmp_path / "a.txt", 16).terms({"_target_": "rayfed.learning.tasks.NextToken"})
    net = run_of({"_target_": "rayfed.learning.networks.TinyTransformer", "width": 16}, terms, tmp_path)
    tokens = torch.randint(0, 256, (4, 16))
    exporter = Exporter(tmp_path)
    exporter.onnx(tmp_path / "model.onnx")
    exporter.torchscript(tmp_path / "model.ts")
    for code in (ONNX, SCRIPT):
        close(found(tmp_path, code, tokens), net(tokens).detach())
    prepared = Exporter(tmp_path, preprocess=True)
    assert prepared.left == "a text is given by its bytes in UTF-8, the last 16 of them"
    prepared.onnx(tmp_path / "model.onnx")
    prepared.torchscript(tmp_path / "model.ts")
    for code in (ONNX, SCRIPT):
        close(found(tmp_path, code, tokens.to(torch.uint8)), net(tokens).detach())


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)
    return tmp_path


def terms_of(*forms: dict[str, Any]) -> DataTerms:
    return DataTerms((), (2,), (), (), 0, {"kind": "custom", "inputs": list(forms), "outputs": 1}, {})


FLOATS = {"shape": [2], "type": "float32"}


def test_two_inputs_and_outputs_by_name(own: Path) -> None:
    net = run_of({"_target_": "own_nets.Two"}, terms_of(FLOATS, {"shape": [], "type": "int64"}), own)
    x, i = torch.randn(4, 2), torch.tensor([0, 4, 2, 1])
    with pytest.raises(ConfigError, match=r"^--preprocess: the data's owners prepare .* of the kind custom\)$"):
        Exporter(own, preprocess=True)
    exporter = Exporter(own)
    exporter.onnx(own / "model.onnx")
    exporter.torchscript(own / "model.ts")
    for code in (ONNX, SCRIPT):
        close(found(own, code, x, i), net(x, i)["logits"].detach())


def test_what_decides_by_its_data_keeps_its_decisions_or_is_refused_in_one_line(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = run_of({"_target_": "own_nets.Decides"}, terms_of(FLOATS), own)
    Exporter(own).torchscript(own / "model.ts")
    for x in (torch.tensor([[3.0, 4.0]]), torch.tensor([[-3.0, -4.0]])):
        close(found(own, SCRIPT, x), net(x).detach())
    (own / "model.ts").unlink()
    run_of({"_target_": "own_nets.Hidden"}, terms_of(FLOATS), own)
    for option in ("--torchscript", "--onnx"):
        assert main(["export", str(own), option, str(own / "file")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"rayfed: {option}: Hidden cannot be exported: ")
        assert not (own / "file").exists()


def test_what_has_nothing_to_export_is_told(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of({"_target_": "own_nets.Steps"}, terms_of(FLOATS), own)
    for words, told in (
        (["--onnx", "x.onnx"], "run: Steps has no forward: there is nothing to export"),
        ([], "export: say what to write: --onnx FILE, --torchscript FILE, or both"),
    ):
        assert main(["export", str(own), *words]) == 2
        assert capsys.readouterr().err.strip() == f"rayfed: {told}"
    assert main(["export", str(own / "nowhere"), "--onnx", "x.onnx"]) == 2
    assert "summary.json cannot be read" in capsys.readouterr().err


def test_without_its_packages_onnx_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_of({"_target_": "rayfed.learning.models.SmallCNN", "width": 4, "hidden": 8}, IMAGES, tmp_path)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"^--onnx: needs the package onnxscript: pip install 'rayfed\[onnx\]'"):
        Exporter(tmp_path).onnx(tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match=r"^--torchscript: cannot write .*nowhere"):
        Exporter(tmp_path).torchscript(tmp_path / "nowhere" / "model.ts")

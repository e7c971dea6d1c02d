"""A model taken away: the file of Python that goes with its weights, run where rayfed cannot be imported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rayfed.config import load
from rayfed.learning import arrays, portable, table
from rayfed.learning.images import Normalise
from rayfed.protocol.charter_parts import DataTerms
from tests.without_rayfed import alone, taken

IMAGES = DataTerms(("cat", 'a "b"\n'), (3, 32, 32), (491_000, 482_000, 447_000), (247_000, 243_000, 262_000))
BUILT_IN = {
    "small": "model=small_cnn",
    "digits": "model=digits_cnn",
    "cifar": "model=paper_cnn",
    "resnet18": "model=resnet18",
    "private": "model=resnet18",
}


def settled(words: str) -> dict[str, Any]:
    return {key: value for key, value in load([words]).model.items() if key not in ("pretrained", "trained")}


def test_importing_rayfed_fails_there(tmp_path: Path) -> None:
    assert "not installed" in alone("try:\n import rayfed.learning\nexcept ImportError as e:\n print(e)", tmp_path)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_network_that_comes_with_rayfed_or_torchvision(name: str, tmp_path: Path) -> None:
    net = taken(settled(BUILT_IN[name]), IMAGES, tmp_path, private=name == "private")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    code = (
        "import numpy, torch\nfrom model import CLASSES, EXAMPLE, load, prepare\nmodel = load()\n"
        "x = prepare(torch.from_numpy(numpy.load('pixels.npy')))\n"
        f"assert {portable.call(IMAGES)}.shape == (2, 2) and CLASSES[1] == 'a \"b\"\\n'\n"
        "torch.save([x, model(x)], 'out.pt')"
    )
    alone(code, tmp_path)
    x, outputs = torch.load(tmp_path / "out.pt")
    expected = Normalise(IMAGES.mean, IMAGES.std, torch.device("cpu"), False)(torch.from_numpy(pixels))
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(outputs, net(expected))


def test_rows_of_a_table_are_prepared_as_the_charter_says(tmp_path: Path) -> None:
    file = tmp_path / "houses.csv"
    rows = [f"{n * 1.37:.2f};{'red' if n % 3 else 'blue'};{n % 7 or ''};{3 * n + 5}" for n in range(60)]
    file.write_text("\n".join(["size;color;age;price", *rows]) + "\n")
    examples = table.load(file, table.Choice(fill=True, wanted="numbers"))
    terms = examples.terms({"_target_": "rayfed.learning.tasks.Regression"})
    net = taken({"_target_": "rayfed.learning.networks.Perceptron", "hidden": [8]}, terms, tmp_path)
    x = torch.from_numpy(table.inputs(file, terms.prepare))
    code = (
        "import csv, torch\nfrom model import EXAMPLE, load, prepare, restore\nmodel = load()\n"
        "rows = list(csv.DictReader(open('houses.csv'), delimiter=';'))\n"
        f"assert {portable.call(terms)}.shape == (1, 1)\n"
        "x = prepare(rows)\ntorch.save([x, restore(model(x))], 'out.pt')\n"
        "try:\n prepare([{**EXAMPLE[0], 'color': 'mauve'}])\nexcept ValueError as error:\n print(error)"
    )
    assert "'mauve' is no category of column 'color'" in alone(code, tmp_path)
    found, outputs = torch.load(tmp_path / "out.pt")
    assert torch.equal(found, x)
    target = terms.prepare["target"][0]
    torch.testing.assert_close(outputs, net(x) * float(target["std"]) + float(target["mean"]))


def test_texts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("It was the best of times, it was the worst of times. " * 40)
    terms = arrays.load_text(tmp_path / "a.txt", 16).terms({"_target_": "rayfed.learning.tasks.NextToken"})
    net = taken({"_target_": "rayfed.learning.networks.TinyTransformer", "width": 16}, terms, tmp_path)
    code = (
        "import torch\nfrom model import EXAMPLE, load, prepare\nmodel = load()\n"
        f"assert {portable.call(terms)}.shape == (1, 16, 256)\n"
        "torch.save(model(prepare(b'and so it was the best of all')), 'out.pt')"
    )
    alone(code, tmp_path)
    torch.testing.assert_close(
        torch.load(tmp_path / "out.pt"), net(torch.tensor([list(b"and so it was the best of all"[-16:])]))
    )


OWN = """
from torch import nn
class Two(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.one, self.other = nn.Linear(2, width), nn.Embedding(5, width)
    def forward(self, x, i):
        return (self.one(x) * self.other(i)).sum(1, keepdim=True)
"""


def test_a_network_of_ones_own_with_two_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_two.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    forms = [{"shape": [2], "type": "float32"}, {"shape": [], "type": "int64"}]
    terms = DataTerms((), (2,), (), (), 0, {"kind": "custom", "inputs": forms, "outputs": 1}, {})
    taken({"_target_": "own_two.Two", "width": 4}, terms, tmp_path)
    code = f"from model import EXAMPLE, load\nmodel = load()\nprint(tuple({portable.call(terms)}.shape))"
    assert alone(code, tmp_path).strip() == "(2, 1)"


def test_what_a_charter_says_is_no_code(tmp_path: Path) -> None:
    evil = '"""\nimport os; os.mkdir("evil")\n"""'
    column = {"name": evil, "values": [evil, "'''" + evil]}
    forms = [{"shape": [2], "type": "float32"}]
    prepare = {"kind": evil, "columns": [column], "target": [], "fill": 0, "wanted": "classes", "inputs": forms}
    terms = DataTerms((evil, "b"), (2,), (), (), 0, {**prepare, "outputs": 2}, {"_target_": evil})
    taken({"_target_": "rayfed.learning.networks.Perceptron"}, terms, tmp_path)
    assert json.loads(alone("import json, model\nprint(json.dumps(model.CLASSES))", tmp_path)) == [evil, "b"]
    assert not (tmp_path / "evil").exists()
    with pytest.raises(KeyError):  # a type that is no type
        portable.source(
            {"_target_": "rayfed.learning.networks.Perceptron"},
            replace(terms, prepare={"kind": "custom", "outputs": 2, "inputs": [{"shape": [2], "type": evil}]}),
            False,
            "x",
        )

"""Runs Python where rayfed cannot be imported, as whoever takes a model away may do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from rayfed.learning import group_norm, material, portable
from rayfed.protocol.charter_parts import DataTerms

WITHOUT = """
import importlib.abc, sys
class NoRayfed(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "rayfed":
            raise ModuleNotFoundError("rayfed is not installed here")
sys.meta_path.insert(0, NoRayfed())
"""


def alone(code: str, folder: Path) -> str:
    """Run Python in ``folder``, in a process in which every import of rayfed fails; return what it prints."""
    words = [sys.executable, "-c", WITHOUT + code]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env={"PATH": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout


def card_code(folder: Path) -> str:
    """Return the lines by which the card in a run's folder says that the model is used."""
    (code,) = [part.partition("```")[0] for part in (folder / "model.md").read_text().split("```python\n")[1:]]
    assert sum(map(bool, code.splitlines())) == 5
    return code


def outputs_of(folder: Path) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Do what the card says; return the model's weights, its inputs and its outputs, as that process had them."""
    code = card_code(folder)
    inputs = code.splitlines()[-1].partition("= model(")[2].rpartition(")")[0].removeprefix("*")
    alone(f"{code}\ntorch.save([model.state_dict(), {inputs}, outputs], 'used.pt')", folder)
    state, given, outputs = torch.load(folder / "used.pt")
    (folder / "used.pt").unlink()
    return state, given, outputs


def taken(model: dict[str, Any], terms: DataTerms, folder: Path, private: bool = False) -> nn.Module:
    """Build a model, give it other weights than any seed does, write its files into a folder; return it."""
    net = material.rebuilt({**model, **({group_norm.KEY: group_norm.VALUE} if private else {})}, terms).eval()
    draw = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))
    save_file({name: value.clone() for name, value in net.state_dict().items()}, folder / "model.safetensors")
    (folder / "model.py").write_text(portable.source(model, terms, private, "A test's."))
    return net

"""One party on its machine: its images, its purse, and what it types."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from eth_account import Account

from benchmarks.apart.world import World
from benchmarks.federated import ROOT
from rayfed.ledger.ethereum import keys
from rayfed.protocol.invitation import FILE
from rayfed.testing.chaos.real.processes import Command

INVITATION = FILE
SHARES = 6


class Party:
    """What a party has, in a folder of its own that is home and working folder at once.

    Args:
        name: of its machine.
        folder: its own.
        images: which sixth of the digits it has; None: it does not train.
    """

    def __init__(self, name: str, folder: Path, images: int | None) -> None:
        self.name, self.folder = name, folder
        (folder / "tmp").mkdir(parents=True)
        account = Account.create()
        self.purse = account.address
        keys.write_key(folder / "purse.key", account)
        if images is not None:
            _draw(folder / "images", images)
        self._commands: list[Command] = []
        self._tree = ROOT

    def upgrade(self, release: str) -> None:
        """Install another release, which is the same but for its version."""
        self._tree = released(self.folder / "rayfed-tree", release)

    def types(self, world: World, *words: str) -> Command:
        """Start ``python -m rayfed`` there."""
        own = {
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
            "PWD": str(self.folder),
            "RAY_worker_niceness": "0",  # Ray adds 15 to that of a run: beside other work they would get nothing
            "PYTHONPATH": os.pathsep.join([str(self._tree), os.environ.get("PYTHONPATH", "")]),
        }
        made = Command([*world.inside(self.name), sys.executable, "-m", "rayfed", *words], self.folder, own)
        self._commands.append(made)
        return made

    @property
    def address(self) -> str:
        """Its node's account; empty before it has one."""
        found = list((self.folder / "config").rglob("key"))
        return str(keys.load_key(found[0]).address) if found else ""

    @property
    def output(self) -> Path:
        """The folder of its last run."""
        return max(self.folder.glob("outputs/*/*"), key=lambda path: path.stat().st_mtime)

    @property
    def summary(self) -> dict[str, Any]:
        """What its last run told at the end."""
        told: dict[str, Any] = json.loads((self.output / "summary.json").read_text())
        return told

    @property
    def model(self) -> str:
        """SHA-256 of the model that it ended with."""
        return hashlib.sha256((self.output / "model.safetensors").read_bytes()).hexdigest()

    def end(self) -> None:
        """Kill all that it started."""
        for command in self._commands:
            command.kill_all()


def released(tree: Path, release: str) -> Path:
    """Write another release of rayfed, which is the same but for its version; return where it can be imported."""
    shutil.copytree(ROOT / "rayfed", tree / "rayfed", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "conf").symlink_to(ROOT / "conf")
    first = tree / "rayfed" / "__init__.py"
    text, count = re.subn(r'^__version__ = ".*"$', f'__version__ = "{release}"', first.read_text(), flags=re.MULTILINE)
    assert count == 1
    first.write_text(text)
    return tree


def _draw(folder: Path, share: int) -> None:
    """Write a share of the digits as a person's photographs: a folder a class, a file an image."""
    from PIL import Image
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    for number in range(share, len(labels), SHARES):
        part = "test" if number // SHARES % 5 == 0 else "train"
        target = folder / part / str(labels[number])
        target.mkdir(parents=True, exist_ok=True)
        pixels = (images[number].reshape(8, 8) * 255 / 16).astype(np.uint8)
        Image.fromarray(pixels).save(target / f"{number}.png")

"""The commands of the documents that are marked ``test: run``, as a reader would type them: each page in one folder.

They run in a shell, in the page's order. Only two things are different: ``python -m rayfed`` gets few and small nodes
on a cluster and a chain that are there already (a shim named ``python`` adds the settings), and the images are made
up.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.documents import PAGES, ROOT, Block, blocks
from tests.integration.federations import environment

SMALL = (
    "federation.nodes=2",
    "federation.rounds=1",
    "federation.alone=false",
    "federation.commit_seconds=120",
    "federation.vote_seconds=120",
    "federation.attest_seconds=120",
    "train.epochs=1",
    "cluster.nodes_per_actor=2",
    "cluster.num_cpus=0",
    "cluster.linger_seconds=5",
)
RECORDED = ("docs/tutorials/images.md",)
"""Pages whose later commands ask MLflow; the others do without, which saves seconds."""
TOLD = [page for page in PAGES if any(block.kind == "test" and block.rest != "fast" for block in blocks(page))]


def test_there_are_such_pages() -> None:
    names = {str(page.relative_to(ROOT)) for page in TOLD}
    assert names >= {"docs/tutorials/images.md", "docs/tutorials/model.md"}


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_works_from_top_to_bottom(page: Path, tmp_path: Path, shared: tuple[str, ...]) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()  # the shim is in the path already
    made_up_images(tmp_path / "images" / "train")
    recorded = str(page.relative_to(ROOT)) in RECORDED
    env = {**environment(), **shim(tmp_path, [*SMALL, *shared, *([] if recorded else ["track=none"])])}
    for block in blocks(page):
        if block.kind != "test" or block.rest == "fast":
            continue
        if block.rest.startswith("file "):
            (tmp_path / block.rest.removeprefix("file ")).write_text(block.text, encoding="utf-8")
        else:
            play(block, tmp_path, env)


def play(block: Block, folder: Path, env: dict[str, str]) -> None:
    """Run one block in a shell that stops at the first command that fails."""
    words = ["bash", "-euo", "pipefail", "-c", block.text]
    done = subprocess.run(
        words, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{block.where}\n{block.text}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def shim(folder: Path, extra: list[str]) -> dict[str, str]:
    """Return the environment in which ``python`` is this interpreter, and a federation gets these settings as well."""
    place = folder / "shim"
    place.mkdir()
    script = place / "python"
    words = " ".join(f"'{word}'" for word in extra)
    script.write_text(
        "#!/bin/sh\n"
        f'case "$1 $2 $3" in "-m rayfed audit" | "-m rayfed keys") exec {sys.executable} "$@" ;; esac\n'
        f'if [ "$1 $2" = "-m rayfed" ]; then exec {sys.executable} "$@" {words}; fi\n'
        f'exec {sys.executable} "$@"\n'
    )
    script.chmod(0o755)
    home = {"XDG_CACHE_HOME": str(folder / "cache"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {"PATH": f"{place}{os.pathsep}{environment()['PATH']}", **home}


def made_up_images(train: Path) -> None:
    """Make two classes of 40 images that a network can tell apart: light ones and dark ones."""
    random = np.random.default_rng(0)
    for name, level in (("cat", 60), ("dog", 190)):
        (train / name).mkdir(parents=True)
        for i in range(40):
            pixels = np.clip(random.normal(level, 40, size=(24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(train / name / f"{i:03}.png")

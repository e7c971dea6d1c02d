"""The built wheel works from any folder: it carries the configuration, and whatever else lies in the package."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build with the locked hatchling, so nothing is downloaded."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack it, as pip would, where no clone is near."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def run(site: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    # -P keeps the working folder off sys.path and PYTHONPATH puts the wheel before any editable install.
    return subprocess.run(
        [sys.executable, "-P", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=400,
    )


def test_it_holds_every_file_of_the_package_and_of_conf(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "rayfed", "conf"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    expected = {f"rayfed/{name}" if name.startswith("conf/") else name for name in tracked}
    assert expected <= names
    assert not [name for name in names if not name.startswith(("rayfed/", "rayfed-"))]


def test_it_is_what_is_imported(site: Path, tmp_path: Path) -> None:
    done = run(site, "-c", "import rayfed; print(rayfed.__file__)", cwd=tmp_path)
    assert done.stdout.strip() == str(site / "rayfed/__init__.py")


def test_it_composes_from_any_folder(site: Path, tmp_path: Path) -> None:
    done = run(site, "-m", "rayfed", "--cfg", "job", "+experiment=cifar10", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "name: cifar10\n" in done.stdout


def test_its_command_is_there(site: Path, wheel: Path) -> None:
    [entry] = site.glob("*.dist-info/entry_points.txt")
    assert "rayfed = rayfed.__main__:main" in entry.read_text()
    [metadata] = site.glob("*.dist-info/METADATA")
    assert "License-Expression: Apache-2.0" in metadata.read_text()

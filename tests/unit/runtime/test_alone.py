"""No two runs share an output folder: not those of one second, nor two that were given the same one."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rayfed.config.files import unused
from rayfed.errors import ConfigError
from rayfed.runtime.alone import alone_in

HOLDS = """
import sys, time
from pathlib import Path
from rayfed.runtime.alone import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_whoever_comes_second_gets_another_folder(tmp_path: Path) -> None:
    wanted = tmp_path / "outputs" / "digits" / "2026-01-01_00-00-00"
    assert [Path(unused(wanted)) for _ in range(3)] == [
        wanted,
        wanted.with_name("2026-01-01_00-00-00_2"),
        wanted.with_name("2026-01-01_00-00-00_3"),
    ]


def test_of_many_at_once_no_two_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(unused, [tmp_path / "a" / "run"] * 32))
    assert len(set(made)) == 32
    assert all(Path(folder).is_dir() for folder in made)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^hydra\.run\.dir: cannot make the folder .*file/run"):
        unused(tmp_path / "file" / "run")


def test_another_processs_folder_is_refused_and_is_free_once_that_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=r"^hydra\.run\.dir: another run is at work in"), alone_in(tmp_path):
            pytest.fail("two are at work")
    finally:
        holder.kill()
        holder.communicate()
    with alone_in(tmp_path):
        assert list(tmp_path.iterdir()) == []

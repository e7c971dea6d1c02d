"""A temporary folder in which Ray cannot make its sockets is what is wrong, and not the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.config import load
from rayfed.errors import ConfigError
from rayfed.runtime import cluster, preflight


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_one_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(name, str(folder))
    wanted = rf"^{name}: .* bytes too long for Ray's sockets"
    with pytest.raises(ConfigError, match=wanted) as caught, cluster.connected(load()):
        pytest.fail("Ray has started")
    over = int(str(caught.value).partition(" bytes too long")[0].rpartition(" ")[2])
    monkeypatch.setenv(name, str(folder)[:-over])
    cluster.check_temporary_folder()
    monkeypatch.setenv(name, str(folder)[: 1 - over])
    with pytest.raises(ConfigError, match="is 1 bytes too long"):
        cluster.check_temporary_folder()


def test_it_is_looked_at_before_anything_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", f"/tmp/{'x' * 100}")
    with pytest.raises(ConfigError, match=r"^TMPDIR: "):
        preflight.check(load(["track=none"]))
    with pytest.raises(ConfigError, match=r"^cluster\.address: "):  # no Ray is started here then
        preflight.check(load(["track=none", "cluster=existing", "cluster.address=127.0.0.1:1"]))


def test_the_systems_own_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp")
    cluster.check_temporary_folder()

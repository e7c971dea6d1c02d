"""What operators are told: the systemd unit, and the files that the page speaks of."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from rayfed.cli.hashes import digest
from rayfed.cli.main import COMMANDS, main
from rayfed.errors import ConfigError
from rayfed.ledger.ethereum import abi, parts

ROOT = Path(__file__).resolve().parents[3]
UNIT = ROOT / "examples" / "systemd" / "rayfed@.service"


def unit() -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None, strict=True)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read_string(UNIT.read_text())
    return read


def test_the_unit_starts_a_command_that_exists() -> None:
    words = shlex.split(unit()["Service"]["ExecStart"])
    assert words[1:4] == ["-m", "rayfed", "join"]
    assert words[3] in COMMANDS
    assert words[4] == "/etc/rayfed/%i.json"
    from rayfed.config import load

    made = load([word.replace("%i", "x") for word in words[5:]])
    assert (made.data.root, made.ledger.key_file) == ("/srv/rayfed/x", "/etc/rayfed/x.key")


def test_the_unit_starts_a_node_again_and_keeps_its_keys() -> None:
    service = unit()["Service"]
    assert service["Restart"] == "on-failure"
    assert unit()["Unit"]["StartLimitIntervalSec"] == "0", "it does not give up"
    assert "XDG_CONFIG_HOME=/var/lib/rayfed/config" in service["Environment"].split()
    assert service["StateDirectory"] == "rayfed"


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze")
    python = tmp_path / "python"
    python.symlink_to("/bin/true")
    text = UNIT.read_text().replace("/opt/rayfed/bin/python", str(python)).replace("User=rayfed", "User=daemon")
    copy = tmp_path / "rayfed@x.service"
    copy.write_text(text)
    words = [analyze, "verify", "--man=no", str(copy)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
    newer = "Unknown key 'Restart"  # of systemd 254, which one before it passes over
    assert [line for line in done.stderr.splitlines() if "rayfed@" in line and newer not in line] == []


def test_hashes_are_those_of_what_is_put_on_a_chain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wheel = tmp_path / "rayfed.whl"
    wheel.write_bytes(b"abc")
    assert main(["hashes", str(wheel)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == list(abi.PARTS)
    assert [line.split()[2] for line in lines[:-1]] == [part.address for part in parts.parts(parts.PROXY)]
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert lines[-1] == f"sha256:{sha}  rayfed.whl"
    with pytest.raises(ConfigError, match=r"hashes: cannot read .*: No such file"):
        digest(tmp_path / "none.whl")

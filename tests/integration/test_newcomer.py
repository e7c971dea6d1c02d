"""The newcomer's path of docs/how-to/parties.md: its commands as they stand there, each in a terminal of its own."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from rayfed.ledger.ethereum.connection import EthereumFederation
from tests.documents import ROOT, blocks
from tests.integration.federations import PATIENCE, Command, environment, eventually

pytestmark = pytest.mark.timeout(3 * PATIENCE)

PAGE = ROOT / "docs" / "how-to" / "parties.md"
FOUNDER = (
    "model.width=4", "model.hidden=16", "train.epochs=1", "federation.rounds=2", "federation.alone=false",
    "federation.attest_seconds=120", "cluster.num_cpus=0", "cluster.linger_seconds=300", "track=none",
)  # fmt: skip
JOINER = ("cluster.num_cpus=0", "track=none")
"""What the test adds, so that it takes no longer than it has to."""


def shim(folder: Path) -> dict[str, str]:
    """Return the environment in which ``python`` is this interpreter, and federations are small."""
    folder.mkdir()
    script = folder / "python"
    script.write_text(
        "#!/bin/sh\n"
        'case "$3" in\n'
        f'  chain | status) exec {sys.executable} "$@" ;;\n'
        f'  join) exec {sys.executable} "$@" {" ".join(JOINER)} ;;\n'
        f'  *) exec {sys.executable} "$@" {" ".join(FOUNDER)} ;;\n'
        "esac\n"
    )
    script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{environment()['PATH']}", "XDG_CONFIG_HOME": str(folder / "config")}


def commands() -> list[str]:
    """Return the blocks of the page's last but one section, in their order."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = lines.index("## Both parties on one machine")
    last = next(number for number in range(first + 1, len(lines)) if lines[number].startswith("## "))
    return [block.text for block in blocks(PAGE) if first < block.line < last]


def test_from_the_invitation_to_the_end(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = shim(tmp_path / "shim")
    chain, founder, joiner, status = (text.replace("8545", str(port)) for text in commands())
    terminals: list[Command] = []

    def types(text: str) -> Command:
        words = ["bash", "-euo", "pipefail", "-c", f"cd {tmp_path}\n{text}"]
        terminals.append(Command(words, tmp_path / f"terminal-{len(terminals)}", {**env, "PWD": str(tmp_path)}))
        return terminals[-1]

    try:
        types(chain).says("In another terminal")
        waits = types(founder)
        waits.says("python -m rayfed join invitation.json")
        comes = types(joiner)
        comes.says("starting the node")
        told = types(status).wait()
        assert told.code == 0, told.err
        assert "joined" in told.out or "round" in told.out
        address = json.loads((tmp_path / "founder" / "invitation.json").read_text())["federation"]
        federation = EthereumFederation.open(f"http://127.0.0.1:{port}", address)
        eventually("the first round is merged", lambda: federation.outcome(1))
        assert (federation.outcome(1) or pytest.fail("no round")).included == 0b11
        federation.close()
        for terminal in (comes, waits):
            ended = terminal.wait()
            assert (ended.code, ended.err) == (0, ""), ended
    finally:
        for terminal in terminals:
            terminal.end()
    same = [json.loads((tmp_path / name / "summary.json").read_text())["final_root"] for name in ("founder", "joiner")]
    assert same[0] == same[1]
    files = [{path.name for path in (tmp_path / name).iterdir() if path.is_file()} for name in ("founder", "joiner")]
    assert files[0] - files[1] == {"founded.json"}

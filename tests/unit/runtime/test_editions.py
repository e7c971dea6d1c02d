"""What the first edition of the protocol has left in a folder is told apart in one line, wherever one comes upon it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rayfed.config import load
from rayfed.errors import ConfigError, LedgerUnreachable
from rayfed.protocol.charter import VERSION
from rayfed.runtime import api, preflight, resume
from rayfed.runtime.founding import FILE, Founded, kept
from rayfed.runtime.results import CHARTER, check_edition
from tests.unit.protocol.test_charter import charter

ADDRESS = "0x" + "ab" * 20
ONE_LINE = r"is of the first edition of the protocol, which this program does not carry on[^\n]*$"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A run's folder as the first edition left it, killed in the middle."""
    (tmp_path / CHARTER).write_text(json.dumps({"version": 2, "name": "digits", "quorum": [2, 3]}))
    (tmp_path / FILE).write_text(json.dumps({"federation": ADDRESS, "chain_id": 1, "block": 3, "started": 1.0}))
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text("[federation.nodes=3]\n")
    (tmp_path / ".hydra" / "hydra.yaml").write_text(f"hydra: {{runtime: {{cwd: {tmp_path}}}}}\n")
    return tmp_path


def test_a_folder_of_the_first_edition_is_not_carried_on(old: Path) -> None:
    with pytest.raises(ConfigError, match=f"^hydra.run.dir: .*{ONE_LINE}"):
        kept(old)
    with pytest.raises(ConfigError, match=f"^resume: .*{ONE_LINE}"):
        resume.command_line([f"resume={old}"])


def test_its_model_is_not_loaded(old: Path) -> None:
    with pytest.raises(ConfigError, match=f"^run: .*{ONE_LINE}"):
        api.load_model(old)


@pytest.mark.parametrize("text", [None, "", "[]", '{"version": "2"}', json.dumps({"version": VERSION})])
def test_whatever_else_there_is_or_is_not_is_no_matter_of_editions(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / CHARTER).write_text(text)
    check_edition(tmp_path, "resume")
    assert kept(tmp_path) is None


def test_what_was_founded_is_found_again(tmp_path: Path) -> None:
    founded = Founded(ADDRESS, 31337, 7, "5a" * 32, 1.5)
    founded.keep(tmp_path)
    assert kept(tmp_path) == founded


def joining(path: Path, **changes: Any) -> Any:
    words = ["ledger=rpc", "ledger.rpc_url=http://127.0.0.1:9", "ledger.key_file=key", "store=files"]
    words += [f"+federation_address='{ADDRESS}'", f"+charter={path}"]
    return load([*words, *(f"{key}={value}" for key, value in changes.items())])


def test_whoever_joins_is_told_of_a_charter_of_the_first_edition(tmp_path: Path, old: Path) -> None:
    text = json.dumps({"name": "digits", "version": 2}, sort_keys=True, separators=(",", ":"))
    (tmp_path / "charter.json").write_text(text)
    with pytest.raises(ConfigError, match=r"^charter: .*version 2 is of the first edition[^\n]*$"):
        preflight.charter_of(joining(tmp_path / "charter.json"))


def test_whoever_joins_is_told_of_a_court_that_does_not_wait(tmp_path: Path) -> None:
    made = charter()
    assert made.stake.clock_seconds < 3600
    path = tmp_path / "charter.json"
    path.write_text(made.canonical_json())
    with pytest.raises(ConfigError, match=r"^charter: .*a demonstration's court \(window_seconds 60\)[^\n]*$"):
        preflight.charter_of(joining(path))
    with pytest.raises(LedgerUnreachable):  # and asks the chain, which is not there
        preflight.charter_of(joining(path, **{"ledger.allow_demo_times": "true"}))

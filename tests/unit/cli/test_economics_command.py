"""``python -m rayfed economics``: a table from settings, and the one that the documents show."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.cli.economics import main
from rayfed.cli.main import main as rayfed

PAGE = Path(__file__).resolve().parents[3] / "docs" / "threat-model.md"


def test_the_documents_show_the_defaults_for_real_chains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["+profile=real"]) == 0
    shown = PAGE.read_text(encoding="utf-8").partition("<!-- economics -->\n")[2].partition("<!-- end -->")[0]
    assert shown.strip() == capsys.readouterr().out.strip()


def test_with_the_defaults_for_real_chains_a_losers_bond_pays_a_match(capsys: pytest.CaptureFixture[str]) -> None:
    main(["+profile=real", "--members", "8,32"])
    said = capsys.readouterr().out
    assert "pays for less than a match" not in said
    assert "do not fit twice" not in said


def test_a_bond_that_is_too_small_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    main(["stake.bond=0.001", "--members", "8"])
    assert "stake.bond pays for less than a match" in capsys.readouterr().out


def test_a_wrong_setting_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert rayfed(["economics", "stake.bond=-1"]) == 2
    assert "stake.bond" in capsys.readouterr().err


def test_there_is_no_federation_of_that_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert rayfed(["economics", "--members", "300"]) == 2
    assert "members" in capsys.readouterr().err

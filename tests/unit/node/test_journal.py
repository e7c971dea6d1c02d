from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rayfed.errors import RayfedError
from rayfed.node.journal import Contradiction, Journal
from rayfed.protocol.messages import Verb

HERE, THERE = b"\1" * 32, b"\2" * 32
"""Contexts of two branches of a chain."""


def test_remembers_across_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.say(1, Verb.COMMIT, HERE, "aa")
    journal.say(1, Verb.VOTE, HERE, "7:8")
    journal.close()
    again = Journal(tmp_path / "journal.jsonl")
    assert again.said(1, Verb.COMMIT, HERE) == "aa"
    assert again.said(1, Verb.VOTE, HERE) == "7:8"
    assert again.said(2, Verb.COMMIT, HERE) is None
    assert (again.spoke_in(1), again.spoke_in(2)) == (True, False)


def test_saying_the_same_again_adds_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.say(1, Verb.COMMIT, HERE, "aa")
    size = (tmp_path / "journal.jsonl").stat().st_size
    journal.say(1, Verb.COMMIT, HERE, "aa")
    assert (tmp_path / "journal.jsonl").stat().st_size == size


def test_refuses_to_contradict_itself_even_after_a_restart(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.jsonl").say(1, Verb.ATTEST, HERE, "aa")
    with pytest.raises(Contradiction, match="already signed attest aa, refusing to sign bb"):
        Journal(tmp_path / "journal.jsonl").say(1, Verb.ATTEST, HERE, "bb")


def test_speaks_anew_where_the_chain_has_gone_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.say(1, Verb.ATTEST, HERE, "aa")
    journal.say(1, Verb.ATTEST, THERE, "bb")
    again = Journal(tmp_path / "journal.jsonl")
    assert (again.said(1, Verb.ATTEST, HERE), again.said(1, Verb.ATTEST, THERE)) == ("aa", "bb")


def test_names_the_roots_of_rounds(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for round in (1, 2, 3):
        journal.say(round, Verb.COMMIT, HERE, f"0{round}")
        journal.say(round, Verb.VOTE, HERE, "7:0")
        journal.say(round, Verb.ATTEST, HERE, f"a{round}")
    assert journal.roots(range(2, 4)) == {b"\x02", b"\x03", b"\xa2", b"\xa3"}
    assert journal.attested() == {HERE: b"\xa3"}
    journal.say(4, Verb.ATTEST, THERE, "a4")
    assert list(journal.attested().items()) == [(HERE, b"\xa3"), (THERE, b"\xa4")]


def test_the_first_editions_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"round": 1, "verb": "commit", "value": "aa"}\n')
    with pytest.raises(RayfedError, match="first edition"):
        Journal(tmp_path / "journal.jsonl")


@pytest.mark.parametrize("cut", range(1, 140, 3))
def test_an_entry_that_was_cut_off_was_not_said(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.say(1, Verb.COMMIT, HERE, "aa")
    journal.say(2, Verb.COMMIT, HERE, "bb")
    journal.close()
    whole = path.read_bytes()
    second = len(whole.splitlines(keepends=True)[1])
    path.write_bytes(whole[: len(whole) - min(cut, second)])
    again = Journal(path)
    assert again.said(1, Verb.COMMIT, HERE) == "aa"
    assert again.said(2, Verb.COMMIT, HERE) is None
    again.say(2, Verb.COMMIT, HERE, "cc")
    again.close()
    assert Journal(path).said(2, Verb.COMMIT, HERE) == "cc"


def test_what_the_disk_did_not_take_counts_as_not_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    journal = Journal(tmp_path / "journal.jsonl")
    journal.say(1, Verb.COMMIT, HERE, "aa", sync=False)
    assert (journal.said(1, Verb.COMMIT, HERE), journal.is_synced) == ("aa", False)
    journal.sync()
    assert journal.is_synced
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        journal.say(1, Verb.VOTE, HERE, "7:0", sync=False)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            journal.sync()
    assert (journal.said(1, Verb.COMMIT, HERE), journal.said(1, Verb.VOTE, HERE)) == ("aa", None)
    journal.say(1, Verb.VOTE, HERE, "7:8")
    assert Journal(tmp_path / "journal.jsonl").said(1, Verb.VOTE, HERE) == "7:8"

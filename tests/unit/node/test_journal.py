from __future__ import annotations

from pathlib import Path

import pytest

from rayfed.node.journal import Contradiction, Journal
from rayfed.protocol.messages import Verb


def test_remembers_across_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.say(1, Verb.COMMIT, "aa")
    journal.say(1, Verb.VOTE, "7")
    journal.close()
    again = Journal(tmp_path / "journal.jsonl")
    assert again.said(1, Verb.COMMIT) == "aa"
    assert again.said(1, Verb.VOTE) == "7"
    assert again.said(2, Verb.COMMIT) is None


def test_saying_the_same_again_adds_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.say(1, Verb.COMMIT, "aa")
    size = (tmp_path / "journal.jsonl").stat().st_size
    journal.say(1, Verb.COMMIT, "aa")
    assert (tmp_path / "journal.jsonl").stat().st_size == size


def test_refuses_to_contradict_itself_even_after_a_restart(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.jsonl").say(1, Verb.ATTEST, "aa")
    with pytest.raises(Contradiction, match="already signed attest aa, refusing to sign bb"):
        Journal(tmp_path / "journal.jsonl").say(1, Verb.ATTEST, "bb")


@pytest.mark.parametrize("cut", range(1, 45))
def test_an_entry_that_was_cut_off_was_not_said(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.say(1, Verb.COMMIT, "aa")
    journal.say(2, Verb.COMMIT, "bb")
    journal.close()
    whole = path.read_bytes()
    second = len(whole.splitlines(keepends=True)[1])
    path.write_bytes(whole[: len(whole) - min(cut, second)])
    again = Journal(path)
    assert again.said(1, Verb.COMMIT) == "aa"
    assert again.said(2, Verb.COMMIT) is None
    again.say(2, Verb.COMMIT, "cc")
    again.close()
    assert Journal(path).said(2, Verb.COMMIT) == "cc"

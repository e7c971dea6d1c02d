"""The file with the keys that a member reads with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from rayfed.encoding.sealed import new_key
from rayfed.errors import ConfigError
from rayfed.store.confidential.reading_keys import ReadingKeys


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "reading.keys"
    made = ReadingKeys.made(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ReadingKeys.made(file).privates == made.privates
    assert list(tmp_path.iterdir()) == [file]


def test_the_newest_key_is_the_last_line_and_older_ones_stay(tmp_path: Path) -> None:
    file = tmp_path / "reading.keys"
    old = ReadingKeys.made(file)
    private, public = new_key()
    with file.open("a") as text:
        text.write(private.hex() + "\n")
    both = ReadingKeys.made(file)
    assert both.privates == (private, *old.privates)
    assert both.public == public


@pytest.mark.parametrize("text", ["", "none", "00", "é", "ab" * 33, "\n".join(["ab" * 32] * 65)])
def test_another_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "reading.keys"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"^--key-file: .*/reading.keys does not hold a member's reading keys$"):
        ReadingKeys.read(file, "--key-file")
    with pytest.raises(ConfigError, match=r"^store\.key_file: .*/reading.keys does not hold"):
        ReadingKeys.made(file)


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^store\.key_file: cannot make .*: No such file or directory$"):
        ReadingKeys.made(tmp_path / "none" / "keys")
    with pytest.raises(ConfigError, match=r"^store\.key_file: cannot read .*: No such file or directory$"):
        ReadingKeys.read(tmp_path / "keys")

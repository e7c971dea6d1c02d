"""Where the log of a script, a host or the recorder goes, and that nothing else changes with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rayfed.runtime import log_files
from tests.documents import ROOT

log = logging.getLogger("rayfed.node.somewhere")


@contextmanager
def process() -> Iterator[logging.Logger]:
    """As in a process of its own: the handlers that pytest adds for each test are not there."""
    root, rayfed = logging.getLogger(), logging.getLogger("rayfed")
    before, level = root.handlers[:], rayfed.level
    root.handlers.clear()
    try:
        yield root
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = before
        rayfed.setLevel(level)


def test_the_file_has_the_log_and_standard_error_the_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = log_files.of_process(tmp_path, "0xAB", "host-0")
    assert file == tmp_path / "0xab" / "host-0.log"
    with process():
        log_files.begin(file)
        log.info("training")
        log.warning("the disk is slow")
        logging.getLogger("somebody.else").info("chatter")
    lines = file.read_text().splitlines()
    own = [line.partition(" rayfed.node.somewhere: ")[2] for line in lines if "somewhere" in line]
    assert own == ["training", "the disk is slow"]
    assert not any("chatter" in line for line in lines)
    assert next(line for line in lines if "somewhere" in line).split()[2] == "INFO"
    err = capsys.readouterr().err
    assert "the disk is slow" in err
    assert "training" not in err


def test_a_process_that_comes_again_writes_on(tmp_path: Path) -> None:
    with process():
        for word in ("before", "after"):
            with log_files.kept(tmp_path / "x.log"):
                log.info(word)
        log.info("later")
    assert [line.split()[-1] for line in (tmp_path / "x.log").read_text().splitlines()] == ["before", "after"]


def test_kept_leaves_all_as_it_was(tmp_path: Path) -> None:
    own = logging.NullHandler()
    with process() as root:
        root.addHandler(own)
        logging.getLogger("rayfed").setLevel(logging.ERROR)
        with pytest.raises(ZeroDivisionError), log_files.kept(tmp_path / "x.log"):
            raise ZeroDivisionError
        assert root.handlers == [own]
        assert logging.getLogger("rayfed").level == logging.ERROR


def test_a_file_that_cannot_be_written_stops_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    with process():
        log_files.begin(tmp_path / "taken" / "host-0.log")
        log.warning("goes on")
    assert "goes on" in capsys.readouterr().err


def test_hydra_writes_the_same_file_in_the_same_form() -> None:
    text = (ROOT / "conf/hydra/job_logging/quiet.yaml").read_text()
    assert log_files.FORMAT in text
    assert "${hydra.job.name}.log" in text
    assert "name: rayfed" in (ROOT / "conf/config.yaml").read_text()

"""Every command in the documents is tested, or says why it is not; the fast ones are tested here."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from rayfed.cli.audit import _parser as audit_parser
from rayfed.config import check_join, load
from rayfed.errors import ConfigError
from tests.documents import COMMANDS, OTHERS, PAGES, ROOT, Block, all_blocks, blocks

BLOCKS = all_blocks()
FAST = [pytest.param(block, id=block.where) for block in BLOCKS if (block.kind, block.rest) == ("test", "fast")]


def test_every_block_has_a_language_and_every_command_a_mark() -> None:
    assert len(BLOCKS) > 30
    assert [b.where for b in BLOCKS if b.language not in COMMANDS + OTHERS] == []
    assert [b.where for b in BLOCKS if b.language in COMMANDS and not b.kind] == []
    known = re.compile(r"fast|run|file [\w./-]+")
    assert [b.where for b in BLOCKS if b.kind == "test" and not known.fullmatch(b.rest)] == []


def test_no_command_hides_outside_of_blocks() -> None:
    """An indented line is a block in Markdown, too, and none of ours."""
    for page in {block.page for block in BLOCKS}:
        inside = {line for block in blocks(page) for line in block.text.splitlines()}
        for line in page.read_text(encoding="utf-8").splitlines():
            assert not re.match(r"(    |\t)\$? ?(python|make|kubectl) ", line) or line in inside or line[4:] in inside


def test_no_heading_stands_twice_in_a_page() -> None:
    """A section that was pasted twice says two things as soon as one of them is changed."""
    for page in PAGES:
        code = {line for block in blocks(page) for line in block.text.splitlines()}
        lines = page.read_text(encoding="utf-8").splitlines()
        headings = [line for line in lines if re.match(r"#+ ", line) and line not in code]
        assert [heading for heading, times in Counter(headings).items() if times > 1] == [], page.name


def test_the_readme_names_every_group_and_its_options() -> None:
    conf = ROOT / "conf"
    rows = re.findall(
        r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {group for group, _ in rows} == {p.name for p in conf.iterdir() if p.is_dir()} - {"experiment", "hydra"}
    for group, told in rows:
        named = set(re.findall(r"`(\w+)`", told))
        more = re.search(r"and (\d+) more", told)
        options = {path.stem for path in (conf / group).glob("*.yaml")}
        unnamed = int(more[1]) if more else 0
        assert len(options - named) == unnamed, group
        inner = {path.stem for path in (conf / group).glob("*/*.yaml")}  # train/optimizer and the like
        assert named <= options | inner, group


@pytest.mark.parametrize("block", FAST)
def test_a_fast_command_is_one_that_works(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if block.language == "python":
        exec(compile(block.text, block.where, "exec"), {})
        return
    for words in block.commands():
        attempt(words)


def attempt(words: list[str]) -> None:
    """Do as much of a command as can be done without starting anything; fail where it could not work."""
    if words[:3] == ["python", "-m", "rayfed"]:
        rest = words[3:]
        if rest[:1] == ["audit"]:
            audit_parser().parse_args(rest[1:])
            return
        join = rest[:1] == ["join"]
        rest = rest[1:] if join or rest[:1] == ["run"] else rest
        for overrides in swept([word for word in rest if word not in ("--cfg", "job")]):
            settings = load(overrides)  # composes, and checks as a run does
            if join:
                check_join(settings)
    elif words[0] == "make":
        subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True, timeout=400)
    else:
        pytest.fail(f"nothing here knows how to try {words}: mark the block as run, or say why it is not tested")


def swept(words: list[str]) -> list[list[str]]:
    """Return the overrides of each run of a sweep; a command without ``--multirun`` is one run."""
    if "--multirun" not in words:
        return [words]
    choices = []
    for word in words:
        name, _, values = word.partition("=")
        choices.append([f"{name}={value}" for value in values.split(",")] if values else [word])
    return [[word for word in chosen if word != "--multirun"] for chosen in itertools.product(*choices)]


def test_a_wrong_command_would_be_seen() -> None:
    for wrong in ("federation.node=8", "merge=avg", "ledger=rpc", "federation.quorum=1/3"):
        with pytest.raises(ConfigError):
            attempt(["python", "-m", "rayfed", wrong])
    with pytest.raises(ConfigError, match="federation_address"):
        attempt(["python", "-m", "rayfed", "join"])
    with pytest.raises(subprocess.CalledProcessError):
        attempt(["make", "nonsense"])
    assert swept(["--multirun", "seed=0,1", "merge=mean"]) == [["seed=0", "merge=mean"], ["seed=1", "merge=mean"]]

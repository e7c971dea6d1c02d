"""A commit phase is never shorter than training takes, which a rehearsal measures."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rayfed.config import Settings, load
from rayfed.encoding import blocks
from rayfed.errors import ConfigError
from rayfed.learning.learner import TorchLearner
from rayfed.runtime import commit_time, drafting
from rayfed.runtime.commit_time import TrainingPace

SLOW = TrainingPace(examples=50_000, epochs=2, rate=100.0)  # 1,000 s a round
QUICK = TrainingPace(examples=100, epochs=1, rate=1000.0)


def with_commit(seconds: int | None) -> Settings:
    return replace(Settings(), federation=replace(Settings().federation, commit_seconds=seconds))


def test_nobody_has_said_it_so_it_is_four_times_what_was_measured() -> None:
    assert commit_time.chosen(with_commit(None), SLOW) == 4020  # whole minutes
    assert commit_time.chosen(with_commit(None), QUICK) == 300
    assert commit_time.chosen(with_commit(None), None) == 600, "not measured"


def test_what_was_said_stands_unless_it_is_too_short() -> None:
    for seconds in (1001, 334):  # a few steps may seem slower than many are
        assert commit_time.chosen(with_commit(seconds), SLOW) == seconds
    with pytest.raises(ConfigError) as caught:
        commit_time.chosen(with_commit(333), SLOW)
    assert str(caught.value) == (
        "federation.commit_seconds: 333 s are over before a node has trained: that takes about 16 min 40 s here "
        "(2 epochs of 50,000 examples, 100 a second); 4020 leave others time, too"
    )


def test_who_joins_and_is_too_slow_is_told_before_it_pays() -> None:
    commit_time.check(334, SLOW)
    commit_time.check(1, None)
    with pytest.raises(ConfigError, match=r"^train\.epochs: the federation leaves 5 min for a round's training"):
        commit_time.check(300, SLOW)


def test_nodes_that_share_processors_are_slower() -> None:
    cores = blocks.cores()
    alone, many = (TrainingPace.of(Settings(), 100, 10.0, nodes) for nodes in (1, 4 * cores))
    assert (alone.seconds, many.seconds) == (10.0, 40.0)
    assert "4 nodes a processor" in many.words


class Sleepy(TorchLearner):
    """Takes its time."""

    def train(self, base: Any, round: int) -> Any:
        time.sleep(0.2)
        return super().train(base, round)


CHAIN = ["ledger=rpc", "ledger.rpc_url=http://h:1", "ledger.key_file=k", "ledger.allow_demo_times=true", "stake=none"]
WORDS = [*CHAIN, "train.threads=1", "model.width=4", "model.hidden=8", "federation.nodes=1"]
SLEEPY = f"learner._target_={__name__}.Sleepy"


def test_a_rehearsal_measures_it_before_anything_is_founded(tmp_path: Path) -> None:
    """34 examples in more than 0.2 s, of 1,437 in 1,000 epochs: more than 8,000 s."""
    long = ["train.epochs=1000", SLEEPY]
    with pytest.raises(ConfigError, match=r"^federation\.commit_seconds: 600 s are over before a node has trained"):
        drafting.draft(load([*WORDS, *long]), True)
    made = drafting.draft(load([*WORDS, *long, "federation.commit_seconds=null"]), True)
    assert made.commit_seconds > 32_000
    path = tmp_path / "charter.json"
    path.write_text(made.canonical_json())
    # Whoever joins with as many epochs has time; the founder's charter for one epoch leaves it none.
    joining = ["+federation_address=0x" + "12" * 20, f"+charter={path}"]
    drafting.try_joining(load([*WORDS, *long, *joining]), made.canonical_json(), True)
    short = drafting.draft(load([*WORDS, "federation.commit_seconds=null"]), True)
    assert short.commit_seconds == 300
    with pytest.raises(ConfigError, match=r"^train\.epochs: the federation leaves 5 min"):
        drafting.try_joining(load([*WORDS, *long, *joining]), short.canonical_json(), True)


def test_a_run_with_a_chain_of_its_own_is_not_measured() -> None:
    words = ["train.threads=1", "model.width=4", "model.hidden=8", "federation.nodes=1", "train.epochs=1000", SLEEPY]
    assert drafting.draft(load(words), True).commit_seconds == 600

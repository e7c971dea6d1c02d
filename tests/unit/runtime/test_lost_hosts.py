"""At the end a host is given up whose machine is lost, or that came back too late; nobody else."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from rayfed.protocol.messages import NodeStatus
from rayfed.runtime.lost import LACKS_SECONDS, LATE, LOST, LostHosts

HOSTS = ("host-0", "host-1", "host-2")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Story:
    """Three hosts on machines ``a``, ``a`` and ``b``, which all have answered once and are finished but the last."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.lost = LostHosts(self.clock)
        self.machines = {"host-0": "a", "host-1": "a", "host-2": "b"}
        self.doing = {"host-0": "finished", "host-1": "finished", "host-2": "training"}
        self.there = ["a", "b"]
        self.look(HOSTS)

    def look(self, answer: Collection[str], listed: Collection[str] = HOSTS) -> dict[str, str]:
        self.lost.look(listed, {name: self.machines[name] for name in answer})
        said = {name: [NodeStatus(0, "0x", None, 0, self.doing[name])] for name in listed}
        return self.lost.hopeless(said, lambda: self.there)


def test_a_lost_machines_host_is_given_up_when_the_others_are_over() -> None:
    story = Story()
    story.there.remove("b")
    assert story.look(("host-0", "host-1")) == {"host-2": LOST}


def test_not_before() -> None:
    story = Story()
    story.there.remove("b")
    story.doing["host-1"] = "training alone"
    assert story.look(("host-0", "host-1")) == {}


def test_a_host_that_starts_again_where_it_was_is_waited_for() -> None:
    story = Story()
    for _ in range(3):
        story.clock.now += LACKS_SECONDS
        assert story.look(("host-0", "host-1")) == {}
    assert story.look(HOSTS) == {}


def test_one_that_nobody_has_heard_of_is_waited_for() -> None:
    story = Story()
    lost = LostHosts(story.clock)
    lost.look(HOSTS, {"host-0": "a", "host-1": "a"})
    said = {name: [NodeStatus(0, "0x", None, 0, story.doing[name])] for name in HOSTS}
    assert lost.hopeless(said, lambda: ["a"]) == {}


@pytest.mark.parametrize("doing", ["starting", "fetching base"])
def test_one_that_came_back_when_all_had_left_has_a_minute(doing: str) -> None:
    story = Story()
    story.look(("host-0", "host-1"))
    story.doing["host-2"] = doing
    story.machines["host-2"] = "a"
    assert story.look(("host-2",), ("host-2",)) == {}
    story.clock.now += LACKS_SECONDS
    assert story.look(("host-2",), ("host-2",)) == {}
    story.clock.now += 1
    assert story.look(("host-2",), ("host-2",)) == {"host-2": LATE}


def test_it_has_all_the_time_once_it_holds_the_model() -> None:
    story = Story()
    story.look(("host-0", "host-1"))
    story.look(("host-2",), ("host-2",))
    story.doing["host-2"] = "training alone"
    story.clock.now += 10 * LACKS_SECONDS
    assert story.look(("host-2",), ("host-2",)) == {}


def test_one_that_was_never_away_has_all_the_time() -> None:
    story = Story()
    story.doing["host-2"] = "fetching base"
    for _ in range(3):
        story.clock.now += LACKS_SECONDS
        assert story.look(HOSTS) == {}
        assert story.look(("host-2",), ("host-2",)) == {}

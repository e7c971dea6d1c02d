"""Benchmarks that may be stopped: what is in the file is not run again, and the tables are made from what there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import fairness, former, honest, parties, robustness_defaults, robustness_late
from benchmarks.cells import read, resume
from rayfed.aggregation.screens import Evidence
from rayfed.aggregation.screens.norm import distance
from rayfed.config import load


def test_what_was_run_is_not_run_again(tmp_path: Path) -> None:
    path, ran = tmp_path / "cells.json", []

    def measure(cell: tuple[str, int]) -> dict[str, float]:
        if cell == ("b", 2) and len(ran) == 1:
            raise KeyboardInterrupt
        ran.append(cell)
        return {"accuracy": float(cell[1])}

    wanted = [("a", 1), ("b", 2), ("c", 3)]
    with pytest.raises(KeyboardInterrupt):
        resume(path, {"rounds": 5}, wanted, measure)
    assert read(path)["cells"] == {"a, 1": {"accuracy": 1.0}}
    ran.append(("later", 0))
    content = resume(path, {"rounds": 5}, wanted, measure)
    assert ran == [("a", 1), ("later", 0), ("b", 2), ("c", 3)]
    assert content == read(path)
    assert list(content["cells"]) == ["a, 1", "b, 2", "c, 3"]


def test_how_a_member_fared() -> None:
    included = [0b11, 0b01, 0b01, 0b11, 0b01, 0]
    assert fairness.member(included, 0) == {"out": 1, "longest": 1, "pay": 4.0}
    assert fairness.member(included, 1) == {"out": 4, "longest": 2, "pay": 1.0}


def test_the_table_of_long_runs() -> None:
    fair, out = {"out": 0, "longest": 0, "pay": 50.0}, {"out": 10, "longest": 4, "pay": 45.0}
    cell = lambda accuracy, *members: {"accuracy": accuracy, "members": list(members)}  # noqa: E731
    cells = {"iid, 3, 1000, default": cell(0.95, fair, out), "iid, 3, 1000, mean": cell(0.96, fair, fair)}
    *_, mean, default = fairness.table({"rounds": 100, "cells": cells}).splitlines()
    assert mean.startswith("| iid, 3 nodes, mean | 1 | 96.0 | +0.00 |")
    assert default.startswith("| iid, 3 nodes, default | 1 | 95.0 | -1.00 | -1.00 | 5.0 % | 10 % | 4 |")


def test_the_table_of_late_attacks() -> None:
    member = {"out": 6, "longest": 1, "pay": 6.0}
    cells = {
        f"iid, 4, 1, 1000, {name}, {threat}": {"accuracy": accuracy, "members": [member]}
        for name, threat, accuracy in (("mean", "none", 0.9), ("default", "late sign flip - hidden", 0.88))
    }
    row = robustness_late.table({"rounds": 60, "cells": cells}).splitlines()[-1]
    assert row.startswith("| iid, 4 nodes, f = 1 | late sign flip, hidden | 1 | +2.0 | 10 % | 10 % |")


def test_every_cell_names_an_attack_and_a_defence() -> None:
    for _, nodes, f, _, name, threat in robustness_late.cells():
        assert 3 * f < nodes
        assert name in fairness.defences(nodes)
        assert threat.replace(" - ", ", ") in robustness_late.THREATS


def test_what_a_real_run_says_of_its_members() -> None:
    def closed(status: str, accuracy: float | None, *included: str) -> dict[str, object]:
        refusals = [{"screen": "norm"}] if "b" not in included else []
        return {"status": status, "accuracy": accuracy, "included": included, "refusals": refusals}

    summary = {
        "nodes": [{"slot": 1, "address": "b"}, {"slot": 0, "address": "a"}],
        "rounds": [closed("settled", 0.5, "a", "b"), closed("void", None), *[closed("final", 0.7, "a")] * 2],
    }
    told = honest.told(summary)
    assert told["members"] == [{"out": 0, "longest": 0, "pay": 2.5}, {"out": 2, "longest": 2, "pay": 0.5}]
    assert (told["rounds"], told["void_rounds"], told["ballots_against_honest"]) == (3, 1, {"norm": 2})
    cells = {"digits, 2, 1000, default": told, "digits, 2, 1000, none": told}
    row = honest.table({"cells": cells}, "default").splitlines()[-1]
    assert row == "| digits, 2 nodes | 1 | 63.3 | 63.3 | +0.0 | 33.3 % | 67 % | 2 | 1 |"
    assert len(honest.table({"cells": cells}, former.SECOND).splitlines()) == 2


def test_every_real_run_is_one_that_the_settings_allow() -> None:
    wanted = list(honest.cells())
    assert len(set(wanted)) == len(wanted) == 2 * (3 * 5 + 2 * 3 + 1)
    for name, nodes, seed, screens in wanted:
        if name != "cifar10":  # whose images may not be there
            words = honest.EXPERIMENTS[name].words(nodes)
            load([*words, f"federation.nodes={nodes}", f"screens={screens}", f"seed={seed}"])


def test_the_page_of_long_runs_has_the_default_beside_the_mean() -> None:
    fair, out = {"out": 0, "longest": 0, "pay": 50.0}, {"out": 10, "longest": 4, "pay": 45.0}
    cells = {
        f"two shards, 3, {seed}, {name}": {"accuracy": accuracy, "members": [fair, out if name == "default" else fair]}
        for seed, name, accuracy in (
            *((1000, "mean", 0.96), (1000, "default", 0.95), (1001, "mean", 0.96), (1001, "default", 0.97)),
            *((1002, "mean", 0.9), (1002, "former default", 0.5)),
        )
    }
    *_, row = fairness.summed({"rounds": 100, "cells": cells}, "default").splitlines()
    assert row == "| two shards, 3 nodes | 2 | 96.0 | +0.00 | -1.00 | 5.0 % | 10 % | 4 |"


def test_the_table_of_both_defaults() -> None:
    lost = {"sign flip": (0.05, 0.01), "mimic": (0.01, 0.04), "absent": (0.5, 0.5)}
    cells = {}
    for seed in range(4):
        for which, name in enumerate(robustness_defaults.NAMES):
            apart = 0.002 * seed * (1 - which)
            reached = {threat: 0.96 - lost.get(threat, (0, 0))[which] + apart for threat in robustness_defaults.THREATS}
            cells[f"4, 1, iid, {seed}, {name}"] = {"accuracy": 0.96, "attacks": reached}
    del cells["4, 1, iid, 3, former default"]
    *_, row = robustness_defaults.table({"cells": cells}, *robustness_defaults.NAMES).splitlines()
    assert row.startswith(
        "| 4 nodes, iid, f = 1 | 4 (3) | 96.3 | 28 of 29 | sign flip +5.0 (+1.0), mimic +1.0 (+4.0), "
    )
    assert row.endswith("| sign flip -3.8 ± 0.1 | mimic +3.2 ± 0.1 |")


def test_the_first_default_holds_difference_against_however_many() -> None:
    rng = np.random.default_rng(0)
    way = rng.normal(0, 1000, 500)
    steps = [way + rng.normal(0, 100, 500) for _ in range(4)] + [-40 * way + rng.normal(0, 100, 500) for _ in range(3)]
    updates = {i: np.rint(step).astype(np.int32) for i, step in enumerate(steps)}
    base = np.zeros(500, np.int32)
    given = Evidence(base, updates, dict.fromkeys(updates, 1), None, lambda i: distance(updates[i], base))
    now, then = (
        [made.index for made in former.make(name, {"usual": 0.0}).judge(given) if made.accepted]
        for name in ("norm", "former_norm")
    )
    assert (now, then) == ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3])


def test_what_became_of_parties_apart_is_one_row_a_store() -> None:
    names = [name for pair in parties.PAIRS for name in pair]
    events = [(10 * number, name) for number, name in enumerate([names[0], *names])]
    status = ["settled", "void", "final", "settled"]
    audit = {"merges": {"verified": 2, "unknown": 1, "": 1}}
    cell = {"events": events, "status": status, "audit": audit, "watched": 3, "seconds": 99}
    row = parties.table({"cells": {"p2p": cell}}).splitlines()[-1]
    assert row == "| p2p | 3 | 1 | 10 s | 10 s | 10 s | 3 | 2 | 99 s |"

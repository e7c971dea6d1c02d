"""Runs real scenarios by seed. The seed draws moments and victims; what else the machine does is its own affair, so a
seed repeats what was done and not, as in memory, every line of what came of it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rayfed.testing.chaos.checks import Broken
from rayfed.testing.chaos.real.checks import CHECKS, STANDS
from rayfed.testing.chaos.real.cluster import Cluster
from rayfed.testing.chaos.real.scenario import RealScenario
from rayfed.testing.chaos.real.testbed import Testbed
from rayfed.testing.chaos.runner import Result

ENDS = "run_ends"


def run_real(
    scenario: RealScenario,
    seed: int,
    tell: Callable[[str], None] = lambda line: None,
    cluster: Cluster | None = None,
) -> Result:
    """Run one real scenario once, in a folder that is gone afterwards unless a check failed.

    Args:
        cluster: to run on, where the scenario does not fault its cluster itself; None: each run starts its own.
    """
    folder = Path(tempfile.mkdtemp(prefix="rayfed-chaos-"))
    start = time.perf_counter()
    try:
        result = _played(scenario, seed, folder, start, tell, None if scenario.own_cluster else cluster)
    except BaseException:
        tell(f"kept for a look: {folder}")
        raise
    if result.broken:
        tell(f"kept for a look: {folder}")
    else:
        shutil.rmtree(folder)
    return result


def _played(
    scenario: RealScenario, seed: int, folder: Path, start: float, tell: Callable[[str], None], cluster: Cluster | None
) -> Result:
    with Testbed(scenario, seed, folder, cluster) as testbed:
        trouble = testbed.play()
        broken = {ENDS: trouble} if trouble else {}
        if not trouble:
            for check in CHECKS:
                try:
                    check(testbed)
                except Broken as found:
                    broken[check.__name__] = str(found)
        rounds = testbed.summary().get("rounds", [])
        slashed = sum(account.slashed > 0 for account in testbed.accounts)
        log, resumed = testbed.log, testbed.resumed
    for line in log:
        tell(line)
    seconds = time.perf_counter() - start
    lost = sum(closed["status"] not in STANDS for closed in rounds)
    return Result(scenario.name, seed, broken, round(seconds), len(rounds), lost, 0, resumed, seconds, slashed, 0)

"""A short seeded set of the chaos runner over real parts; more of it: ``python -m rayfed chaos --real``."""

from __future__ import annotations

import pytest

from rayfed.testing.chaos.real.faults import REAL
from rayfed.testing.chaos.real.runner import run_real
from tests.integration.federations import PATIENCE

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def test_a_run_survives() -> None:
    """A host is killed, the chain goes back, the way to it is cut; the right model comes of it, and nothing is left.

    That a run which was killed whole is carried on: ``test_resume``.
    """
    scenario = REAL["real_short"]
    lines: list[str] = []
    result = run_real(scenario, 1, lines.append)
    assert result.broken == {}, "\n".join([result.again, *lines])
    said = "\n".join(lines)
    assert all(fault.__name__ in said for fault in scenario.faults), said

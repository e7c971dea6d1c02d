"""A short seeded set of the chaos runner over real parts; more of it: ``python -m rayfed chaos --real``."""

from __future__ import annotations

import pytest

from rayfed.testing.chaos.real.runner import run_real
from rayfed.testing.chaos.real.strikes import REAL
from tests.integration.federations import PATIENCE

pytestmark = pytest.mark.timeout(3 * PATIENCE)


@pytest.mark.parametrize("name", ["real_storm"])
def test_a_run_survives(name: str) -> None:
    """Hosts and everything at once are killed, chain and S3 are bad; the run is carried on, and the audit is clean."""
    lines: list[str] = []
    result = run_real(REAL[name], 0, lines.append)
    assert result.broken == {}, "\n".join([result.again, *lines])
    assert result.restarts >= 1, "everything was killed at once, and carried on"

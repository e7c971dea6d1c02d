"""Chaos, seeded and repeatable: a federation in memory in which machines die, peers cheat and the chain goes back.

The nodes are real: ``EdgeNode`` with its journal and its blobs on a disk. Ledger and store are doors to a chain and a
place in memory, on which anything may go wrong; time passes only when nobody has anything to do. A scenario is data, a
scenario and a seed are a run, and what must hold after every run is a list of named checks.
"""

from rayfed.testing.chaos.checks import CHECKS, Broken
from rayfed.testing.chaos.runner import Result, Row, run, run_all, table
from rayfed.testing.chaos.scenarios import SCENARIOS, Scenario
from rayfed.testing.chaos.world import World

__all__ = ["CHECKS", "SCENARIOS", "Broken", "Result", "Row", "Scenario", "World", "run", "run_all", "table"]

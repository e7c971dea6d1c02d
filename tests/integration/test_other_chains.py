"""The same federation, dispute included, on other chains: geth by the rules of today and of tomorrow, and py-evm."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rayfed.ledger.ethereum import deployment
from rayfed.protocol.messages import Verb
from tests.integration.disputes import Trial
from tests.integration.geth import Geth

REAL = {"window_seconds": 5, "clock_seconds": 300, "proof_seconds": 300}
"""Court times of a chain whose clock nobody moves: the window is waited for, a clock never runs out."""

FOUNDING = {"osaka": 1_000_000, "amsterdam": 3_000_000}
"""The most gas that founding may take where the code is on the chain already."""


@pytest.mark.parametrize("rules", ["osaka", "amsterdam"])
def test_a_forged_merge_is_judged_on_geth(rules: str, tmp_path: Path) -> None:
    with Geth(rules, tmp_path) as chain:
        trial = Trial(chain.rpc_url, chain.funder, time.sleep, **REAL)
        again = deployment.deploy(trial.rpc, chain.funder, trial.terms, b"\7" * 32)
        assert again.gas < FOUNDING[rules]
        root = trial.judged()
        assert root == trial.right(1).root
        assert max(trial.gas(verb)[0] for verb in (Verb.JOIN, Verb.SHOW, Verb.PROVE)) < 1 << 24
        trial.close()


def test_a_forged_merge_is_judged_on_py_evm() -> None:
    pytest.importorskip("eth.chains.base", reason="no py-evm")
    from tests.toys.evm_node import EvmNode

    with EvmNode() as chain:
        trial = Trial(chain.rpc_url, chain.funder, time.sleep, **REAL)
        assert trial.judged() == trial.right(1).root
        trial.close()

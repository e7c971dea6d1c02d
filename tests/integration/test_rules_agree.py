"""The merge rules in Solidity, in numpy and in plain integers, on the same random cases: all three agree to the bit."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from rayfed.aggregation import rules
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.ledger.memory.leaves import MEAN, TRIMMED_MEAN, merge
from tests.integration.disputes import TERMS

CONTRACTS = Path(__file__).parents[2] / "contracts"
SOURCES = ("test/utils/RulesCaller.sol", "src/libraries/Rules.sol")
PLACE = "0x" + "ca" * 20
MEDIAN = 3
NAMES = {MEAN: "mean", TRIMMED_MEAN: "trimmed_mean", MEDIAN: "median"}
GROUPS, COORDINATES = 150, 100
LIMITS = (-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 2, 2**31 - 1)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a function that asks Solidity; the contract is compiled here, and never deployed."""
    node = shutil.which("node")
    if node is None or not (CONTRACTS / "node_modules" / "solc").is_dir():
        pytest.skip("no compiler: run `npm ci` in contracts/")
    settings = json.loads((CONTRACTS / "tools" / "settings.json").read_text())
    asked = {
        "language": "Solidity",
        "sources": {path: {"content": (CONTRACTS / path).read_text()} for path in SOURCES},
        "settings": {**settings, "outputSelection": {"*": {"*": ["evm.deployedBytecode"]}}},
    }
    command = [node, str(CONTRACTS / "tools" / "solc.js"), "--standard-json"]
    answer = json.loads(
        subprocess.run(command, input=json.dumps(asked), text=True, capture_output=True, check=True).stdout
    )
    code = "0x" + answer["contracts"][SOURCES[0]]["RulesCaller"]["evm"]["deployedBytecode"]["object"]
    kinds = ["uint8", "uint256", "uint256", "int256[][]", "uint256[]"]
    selector = keccak(text=f"merge({','.join(kinds)})")[:4]
    with DevChain() as dev:
        rpc = Rpc(dev.rpc_url)

        def ask(*arguments: Any) -> tuple[int, ...]:
            call = {"to": PLACE, "data": "0x" + (selector + encode(kinds, arguments)).hex(), "gas": hex(10**9)}
            said = rpc.call("eth_call", call, "latest", {PLACE: {"code": code}})
            return tuple(decode(["int256[]"], bytes.fromhex(said[2:]))[0])

        yield ask
        rpc.close()


def columns(dice: random.Random, n: int) -> list[list[int]]:
    """Return what n updates say at each coordinate: anything, the limits, or nearly the same."""
    found = []
    for _ in range(COORDINATES):
        kind = dice.random()
        if kind < 0.4:
            found.append([dice.randint(-(2**31), 2**31 - 1) for _ in range(n)])
        elif kind < 0.7:
            found.append([dice.choice(LIMITS) for _ in range(n)])
        else:
            middle = dice.randint(-5, 5)
            found.append([middle + dice.randint(-1, 1) for _ in range(n)])
    return found


def test_solidity_numpy_and_plain_integers_agree(caller: Any) -> None:
    dice, cases = random.Random(3), 0
    for group in range(GROUPS):
        rule = (MEAN, TRIMMED_MEAN, MEDIAN)[group % 3]
        n = dice.choice((1, 2, 3, 4, 5, 8, 16, 17))
        trim = dice.choice((0, 1, 1_000, 2_500, 3_333, 4_999))
        cap = dice.choice((1, 10, 1_000_000, rules.MAX_WEIGHT))
        weights = [dice.choice((0, 1, 2, 7, 1_000_000, rules.MAX_WEIGHT, 2**32 - 1)) for _ in range(n)]
        told = columns(dice, n)
        in_solidity = caller(rule, trim, cap, told, weights)
        out = np.empty(COORDINATES, np.int32)
        updates = [np.array([column[i] for column in told], np.int32) for i in range(n)]
        rules.make(NAMES[rule], trim, cap).merge(updates, weights, out)
        terms = replace(TERMS, rule=rule, trim=trim, max_weight=cap)
        in_integers = tuple(merge(terms, column, weights) for column in told)
        assert in_solidity == tuple(map(int, out)) == in_integers, (NAMES[rule], n, trim, cap, weights)
        cases += COORDINATES
    assert cases >= 10_000

"""The compiled contracts that the package carries are what their sources compile to, and give nobody any power."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]
CONTRACTS = REPOSITORY / "contracts"
ARTIFACTS = REPOSITORY / "rayfed" / "ledger" / "ethereum" / "abi"

EIP_170_LIMIT = 24_576
EIP_3860_LIMIT = 2 * EIP_170_LIMIT
SIGNED = "(bytes32,bytes32,bytes32)"
POWERS = {
    "Federation": {
        "attest(uint32,bytes32)",
        "commit(uint32,bytes32)",
        "join(bytes32,bytes32[])",
        "leave()",
        "poke()",
        f"relay(uint8,uint32,uint256,{SIGNED}[],address[])",
        "undo(uint32)",
        "unseatMembers(uint256)",
        "vote(uint32,uint256)",
    },
    "Court": {
        "admit(address)",
        "answer(uint256,bytes32[],bytes,bytes32[])",
        "challenge(uint32,uint256,uint256,bytes32[])",
        "claim(address,uint256)",
        "close(uint256)",
        "conclude(uint256)",
        "demand(uint32,uint256,uint256,bytes32[])",
        "deposit(address,uint256)",
        "depositWithPermit(address,uint256,uint256,uint8,bytes32,bytes32)",
        f"equivocation(address,uint8,uint32,{SIGNED},{SIGNED})",
        "exit()",
        "expire(uint256)",
        "forfeit(uint256)",
        "fund(uint256)",
        "prove(uint256,bytes32[],(uint16,bytes,bytes32[],bytes32[9],bytes32[])[])",
        "settle(uint256)",
        "withdraw(address)",
    },
    "DeepLearningCoin": {
        "approve(address,uint256)",
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
        "transfer(address,uint256)",
        "transferFrom(address,address,uint256)",
    },
}
"""What can change anything. `undo` and `unseatMembers` are the court's alone, `admit` is the federation's."""
VIEWS = {
    "Federation": {
        "COURT()",
        "members()",
        "outcome(uint256)",
        "record(uint32)",
        "seatOf(address)",
        "snapshot(uint64)",
        "terms()",
    },
    "Court": {"account(address)", "accounts()", "books()", "caseOf(uint256)", "federation()", "openCases()", "terms()"},
    "DeepLearningCoin": {
        "DOMAIN_SEPARATOR()",
        "allowance(address,address)",
        "balanceOf(address)",
        "decimals()",
        "eip712Domain()",
        "name()",
        "nonces(address)",
        "symbol()",
        "totalSupply()",
    },
}


@pytest.fixture(scope="module", params=sorted(POWERS))
def artifact(request: pytest.FixtureRequest) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((ARTIFACTS / f"{request.param}.json").read_text())
    return value


def kind(parameter: dict[str, Any]) -> str:
    """Return the canonical type of a parameter; structs as tuples of their fields' types."""
    if not parameter["type"].startswith("tuple"):
        return str(parameter["type"])
    return f"({','.join(kind(part) for part in parameter['components'])}){parameter['type'][5:]}"


def signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(kind(parameter) for parameter in entry['inputs'])})"


def test_sources_compile_to_the_committed_artifacts(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (CONTRACTS / "node_modules" / "solc").is_dir():
        pytest.skip("no compiler: run `npm ci` in contracts/")
    subprocess.run([node, CONTRACTS / "tools" / "compile.js", tmp_path], check=True, timeout=300)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in ARTIFACTS.glob("*.json")}
    assert made.keys() == committed.keys()
    for name, text in made.items():
        assert text == committed[name], f"{name} is stale: run `node contracts/tools/compile.js`"


def test_foundry_compiles_by_the_same_settings() -> None:
    profile = tomllib.loads((CONTRACTS / "foundry.toml").read_text())["profile"]["default"]
    settings = json.loads((CONTRACTS / "tools" / "settings.json").read_text())
    (deployed,) = (one for one in profile["additional_compiler_profiles"] if one["name"] == "deployed")
    assert settings == {
        "evmVersion": profile["evm_version"],
        "viaIR": deployed["via_ir"],
        "optimizer": {"enabled": deployed["optimizer"], "runs": deployed["optimizer_runs"]},
        "metadata": {"appendCBOR": profile["cbor_metadata"], "bytecodeHash": profile["bytecode_hash"]},
    }


def test_every_function_is_one_that_we_mean(artifact: dict[str, Any]) -> None:
    """No owner, pause, upgrade or mint: a new function has to be written down here, where a reviewer sees it."""
    functions = [entry for entry in artifact["abi"] if entry["type"] == "function"]
    views = {signature(entry) for entry in functions if entry["stateMutability"] in ("view", "pure")}
    powers, name = {signature(entry) for entry in functions} - views, artifact["contract"]
    assert powers == POWERS[name]
    assert views == VIEWS[name]
    assert len(functions) == len(powers) + len(views)
    assert not any(entry["type"] in ("fallback", "receive") for entry in artifact["abi"])


def test_code_can_be_deployed_and_holds_the_terms_where_it_says(artifact: dict[str, Any]) -> None:
    code = bytes.fromhex(artifact["deployedBytecode"][2:])
    assert 0 < len(code) <= EIP_170_LIMIT
    assert len(artifact["bytecode"]) // 2 - 1 <= EIP_3860_LIMIT
    assert artifact["immutables"]
    for place in artifact["immutables"]:
        assert place["length"] == 32
        assert not any(code[place["start"] : place["start"] + 32])


def test_code_can_neither_be_replaced_nor_destroyed(artifact: dict[str, Any]) -> None:
    """No DELEGATECALL, CALLCODE or SELFDESTRUCT among the instructions."""
    code = bytes.fromhex(artifact["deployedBytecode"][2:])
    forbidden = {0xF2: "CALLCODE", 0xF4: "DELEGATECALL", 0xFF: "SELFDESTRUCT"}
    position = 0
    while position < len(code):
        instruction = code[position]
        assert instruction not in forbidden, f"{forbidden[instruction]} at {position}"
        position += 1 + (instruction - 0x5F if 0x60 <= instruction <= 0x7F else 0)

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
POINT = "(uint32,uint8,uint16,uint16,uint40,uint40)"
TERMS = (
    "(bytes32,bytes32,uint32,uint32,uint32,uint32,uint32,uint16,uint16,uint8,uint8,uint16,uint32,address,uint112,uint112,"
    "uint96,uint32,uint32,uint32,uint16,bytes32,uint8,uint16,uint32,bytes32,uint40,bytes32,bytes32)"
)
POWERS = {
    "Factory": {f"found({TERMS},bytes32)"},
    "Ledger": {
        "advance()",
        "announce(uint32,bytes)",
        "attest(uint32,bytes32,bytes32)",
        "commit(uint32,bytes32,bytes32)",
        "join(bytes32,bytes32[])",
        "leave()",
        f"relay(uint8,uint32,bytes32,uint256,{SIGNED}[],uint256[],address[],bool)",
        "release(uint256)",
        "start()",
        "vote(uint32,bytes32,uint256,uint256)",
    },
    "Treasury": {
        "claim(address)",
        "claimNative(address)",
        "collect(uint32,uint256)",
        "deposit(address,uint256)",
        "depositBonds(address)",
        "fund(uint256)",
        "refund(address)",
        "reimburse(uint32,uint256,uint256,address)",
        "settle(uint32,uint256)",
        "withdraw()",
    },
    "Tournament": {
        "enter(uint32,bytes32,bytes32)",
        f"prove({POINT},bytes32,bytes32[],(uint16,bytes,bytes32[],bytes,bytes32[])[])",
        "resolve(uint32,uint256,uint256)",
        f"show({POINT},bytes32[],bytes32[])",
        f"showLeaf({POINT},bytes,bytes)",
        "undo(uint32)",
    },
    "Views": set(),
    "DeepLearningCoin": {
        "approve(address,uint256)",
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
        "transfer(address,uint256)",
        "transferFrom(address,address,uint256)",
    },
}
"""What can change anything. `start` works once, in the call that makes the federation."""
VIEWS = {
    "Factory": {"DEPLOYER()", "LEDGER()", f"addressOf({TERMS},bytes32)", f"check({TERMS})"},
    "Ledger": set(),
    "Treasury": {"account(address)", "books()", "owed(uint32,uint256,uint256,address)"},
    "Tournament": {
        "entry(uint32,uint256)",
        "matchAt(uint32,uint256,uint256)",
        "numberOf(uint32,bytes32)",
        "survivor(uint32,uint256,uint256)",
        "tournament(uint32)",
    },
    "Views": {
        "holders()",
        "isDue()",
        "overview(uint64)",
        "position()",
        "roundOf(uint32)",
        "seatOf(address)",
        "terms()",
    },
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
PARTS = {"Ledger", "Treasury", "Tournament"}
"""What hands on a call that it has no verb for to the part behind it, by its one DELEGATECALL."""


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
    open_ended = {entry["type"] for entry in artifact["abi"] if entry["type"] in ("fallback", "receive")}
    assert open_ended == ({"fallback", "receive"} if name in PARTS else set())


def test_code_can_be_deployed_and_holds_what_its_constructor_was_told_where_it_says(artifact: dict[str, Any]) -> None:
    code = bytes.fromhex(artifact["deployedBytecode"][2:])
    assert 0 < len(code) <= EIP_170_LIMIT
    assert len(artifact["bytecode"]) // 2 - 1 <= EIP_3860_LIMIT
    assert bool(artifact["immutables"]) == (artifact["contract"] != "Views")
    for place in artifact["immutables"]:
        assert place["length"] == 32
        assert not any(code[place["start"] : place["start"] + 32])


def test_code_can_neither_be_replaced_nor_destroyed(artifact: dict[str, Any]) -> None:
    """No CALLCODE or SELFDESTRUCT among the instructions, and no DELEGATECALL but a part's to the one behind it."""
    code = bytes.fromhex(artifact["deployedBytecode"][2:])
    forbidden = {0xF2: "CALLCODE", 0xF4: "DELEGATECALL", 0xFF: "SELFDESTRUCT"}
    position, found = 0, []
    while position < len(code):
        instruction = code[position]
        if instruction in forbidden:
            found.append(forbidden[instruction])
        position += 1 + (instruction - 0x5F if 0x60 <= instruction <= 0x7F else 0)
    assert found == (["DELEGATECALL"] if artifact["contract"] in PARTS else [])

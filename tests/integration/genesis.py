"""The beginning of a chain of one's own for geth, by the rules that one names.

``geth --dev`` mixes rules, today's for code and the next ones' for storage, so a chain of one's own is founded. The
account that is given money, and that ``--dev`` signs with, is geth's published developer account. What lies at the
system contracts is read from geth's own source, which ``make geth`` leaves beside the program.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

RULES = ("osaka", "amsterdam")
"""Today's, and the next ones."""

_DEVELOPER = "71562b71999873db5b286df957af199ec94617f7"
_BLOCKS = ("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul")
_BLOCKS += ("muirGlacier", "berlin", "london", "arrowGlacier", "grayGlacier", "mergeNetsplit")
_TIMES = ("shanghai", "cancun", "prague", "osaka")
_LATER = ("bpo1", "bpo2", "amsterdam")
_SYSTEM = ("BeaconRoots", "HistoryStorage", "WithdrawalQueue", "ConsolidationQueue", "BuilderDeposit", "BuilderExit")
_BLOBS = {"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716}


def genesis(rules: str, source: Path, gas_limit: int = 60_000_000) -> dict[str, Any]:
    """Return the genesis that ``geth init`` takes.

    Args:
        rules: one of RULES.
        source: geth's ``params/protocol_params.go``.
        gas_limit: of a block.
    """
    times = _TIMES + _LATER * (rules == "amsterdam")
    config: dict[str, Any] = {"chainId": 1337, "terminalTotalDifficulty": 0}
    config |= {f"{name}Block": 0 for name in _BLOCKS} | {f"{name}Time": 0 for name in times}
    config["blobSchedule"] = dict.fromkeys(times[1:], _BLOBS)
    named = r'(\w+)\s*=\s*common\.(?:HexToAddress|FromHex)\("(?:0x)?(\w+)"\)'
    value = dict(re.findall(named, source.read_text(encoding="utf-8")))
    alloc: dict[str, Any] = {_DEVELOPER: {"balance": hex(10**27)}}
    for name in _SYSTEM:
        code = "0x" + value[f"{name}Code"]
        alloc[value[f"{name}Address"]] = {"balance": "0x0", "nonce": "0x1", "code": code}
    return {
        "config": config,
        "difficulty": "0x0",
        "timestamp": "0x0",
        "baseFeePerGas": hex(10**9),
        "gasLimit": hex(gas_limit),
        "alloc": alloc,
    }

"""py-evm behind a thin JSON-RPC: another implementation of the chain, which speaks but what a federation needs.

It makes a block a second and one for each transaction, knows no block in the making, and takes no overrides.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from eth import constants
from eth.chains.base import MiningChain
from eth.consensus.noproof import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.exceptions import VMError
from eth.vm.forks import CancunVM
from eth.vm.spoof import SpoofTransaction
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.exceptions import ValidationError

CHAIN_ID = 1337
GAS_LIMIT = 60_000_000
BLOCK_SECONDS = 1.0


class Refused(Exception):
    """What a request is answered instead of a result."""

    def __init__(self, message: str, data: bytes | None = None) -> None:
        super().__init__(message)
        self.data = data


class EvmNode:
    """Runs for as long as the ``with`` block lasts, on a free port of the loopback.

    Attributes:
        rpc_url: where it answers.
        funder: an account with money.
    """

    def __init__(self) -> None:
        self.funder: LocalAccount = Account.from_key(b"\x77" * 32)
        kind = MiningChain.configure(
            __name__="ToyChain",
            chain_id=CHAIN_ID,
            vm_configuration=((0, CancunVM.configure(consensus_class=NoProofConsensus)),),
        )
        genesis = {"difficulty": 0, "gas_limit": GAS_LIMIT, "timestamp": int(time.time()), "base_fee_per_gas": 10**9}
        money = {"balance": 10**27, "nonce": 0, "code": b"", "storage": {}}
        self._chain: Any = kind.from_genesis(AtomicDB(), genesis, {_raw(self.funder.address): money})
        self._lock = threading.Lock()
        self._receipts: dict[str, dict[str, Any]] = {}
        self._logs: list[dict[str, Any]] = []
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.rpc_url = f"http://127.0.0.1:{self._server.server_port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, daemon=True),
            threading.Thread(target=self._mine, daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()

    def _mine(self) -> None:
        while not self._stop.wait(BLOCK_SECONDS):
            with self._lock:
                self._block([])

    def _block(self, raw: list[bytes]) -> None:
        """Make a block of these transactions; the lock is held."""
        before = self._chain.get_canonical_head()
        self._chain.set_header_timestamp(max(int(time.time()), before.timestamp + 1))
        sent = [self._chain.get_vm().get_transaction_builder().decode(one) for one in raw]
        done = [self._chain.apply_transaction(one) for one in sent]
        block = self._chain.mine_block()
        for tx, (_, receipt, computation) in zip(sent, done, strict=True):
            self._keep(block, tx, receipt, computation)

    def _keep(self, block: Any, tx: Any, receipt: Any, computation: Any) -> None:
        number, hash = hex(block.number), _hex(tx.hash)
        logs = []
        for log in receipt.logs:
            logs.append(
                {
                    "address": _hex(log.address),
                    "topics": [_hex(topic.to_bytes(32, "big")) for topic in log.topics],
                    "data": _hex(log.data),
                    "blockNumber": number,
                    "transactionHash": hash,
                    "logIndex": hex(len(logs)),
                }
            )
        self._logs += logs
        made = computation.msg.storage_address if computation.msg.is_create and computation.is_success else None
        self._receipts[hash] = {
            "transactionHash": hash,
            "blockNumber": number,
            "status": hex(int(computation.is_success)),
            "gasUsed": hex(receipt.gas_used),
            "contractAddress": _hex(made) if made else None,
            "logs": logs,
        }

    # -- what can be asked -----------------------------------------------------------------------------------------

    def answer(self, method: str, params: list[Any]) -> Any:
        """Return a method's result."""
        asked: dict[str, Callable[..., Any]] = {
            "eth_chainId": lambda: hex(CHAIN_ID),
            "eth_blockNumber": lambda: hex(self._chain.get_canonical_head().block_number),
            "eth_maxPriorityFeePerGas": lambda: hex(10**9),
            "eth_getBlockByNumber": self._get_block,
            "eth_getBalance": lambda who, tag: hex(self._state(tag).get_balance(_raw(who))),
            "eth_getCode": lambda who, tag: _hex(self._state(tag).get_code(_raw(who))),
            "eth_getTransactionCount": lambda who, tag: hex(self._state("latest").get_nonce(_raw(who))),
            "eth_getTransactionReceipt": self._receipts.get,
            "eth_getTransactionByHash": self._receipts.get,
            "eth_getLogs": self._get_logs,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": self._send,
        }
        if method not in asked:
            raise Refused(f"the method {method} does not exist")
        try:
            with self._lock:
                return asked[method](*params)
        except TypeError as error:
            raise Refused(f"invalid params: {error}") from error

    def _get_block(self, tag: str, whole: bool) -> dict[str, Any]:
        header = self._header(tag)
        return {
            "number": hex(header.block_number),
            "hash": _hex(header.hash),
            "timestamp": hex(header.timestamp),
            "baseFeePerGas": hex(header.base_fee_per_gas),
        }

    def _header(self, tag: str) -> Any:
        if tag == "pending":
            raise Refused("no pending block is known here")
        if tag == "latest":
            return self._chain.get_canonical_head()
        return self._chain.get_canonical_block_header_by_number(int(tag, 16))

    def _state(self, tag: str) -> Any:
        return self._chain.get_vm(self._header("latest" if tag == "pending" else tag)).state

    def _get_logs(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        first, last = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
        addresses = wanted["address"] if isinstance(wanted["address"], list) else [wanted["address"]]
        topics = [one if isinstance(one, list) else [one] for one in wanted.get("topics", [])]
        return [
            log
            for log in self._logs
            if first <= int(log["blockNumber"], 16) <= last
            and log["address"] in [address.lower() for address in addresses]
            and all(i < len(log["topics"]) and log["topics"][i] in some for i, some in enumerate(topics))
        ]

    def _spoofed(self, call: dict[str, Any]) -> tuple[Any, Any]:
        header = self._chain.get_canonical_head()
        sender = _raw(call.get("from", "0x" + "00" * 20))
        tx = self._chain.get_vm(header).create_unsigned_transaction(
            nonce=self._state("latest").get_nonce(sender),
            gas_price=header.base_fee_per_gas,
            gas=GAS_LIMIT // 2,
            to=_raw(call["to"]) if call.get("to") else constants.CREATE_CONTRACT_ADDRESS,
            value=int(call.get("value", "0x0"), 16),
            data=_raw(call.get("data", "0x")),
        )
        return SpoofTransaction(tx, from_=sender), header

    def _call(self, call: dict[str, Any], tag: str) -> str:
        tx, header = self._spoofed(call)
        return _hex(_tried(lambda: self._chain.get_transaction_result(tx, header)))

    def _estimate(self, call: dict[str, Any], tag: str = "latest") -> str:
        self._header(tag)
        tx, header = self._spoofed(call)
        _tried(lambda: self._chain.get_transaction_result(tx, header))
        return hex(_tried(lambda: self._chain.estimate_gas(tx, header)))

    def _send(self, raw: str) -> str:
        tx = self._chain.get_vm().get_transaction_builder().decode(_raw(raw))
        try:
            self._block([_raw(raw)])
        except ValidationError as error:
            self._chain.header = self._chain.create_header_from_parent(self._chain.get_canonical_head())
            raise Refused(str(error)) from error
        return _hex(tx.hash)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answers = [_answered(node, one) for one in (asked if isinstance(asked, list) else [asked])]
                body = json.dumps(answers if isinstance(asked, list) else answers[0]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing is written down."""

        return Handler


def _answered(node: EvmNode, asked: dict[str, Any]) -> dict[str, Any]:
    head = {"jsonrpc": "2.0", "id": asked["id"]}
    try:
        return {**head, "result": node.answer(asked["method"], list(asked["params"]))}
    except Refused as refused:
        error: dict[str, Any] = {"code": 3 if refused.data is not None else -32000, "message": str(refused)}
        return {**head, "error": error if refused.data is None else {**error, "data": _hex(refused.data)}}


def _tried(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except VMError as error:
        gave = error.args[0] if error.args else b""
        if isinstance(gave, bytes):
            raise Refused("execution reverted", gave) from error
        raise Refused(f"{type(error).__name__}: {error}") from error
    except ValidationError as error:
        raise Refused(str(error)) from error


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

"""JSON-RPC to a chain, over urllib3, by one node of it or by a spare one.

web3.py is not used: importing it costs every process 0.45 s of processor time more than eth-account and eth-abi
alone, and a request through its HTTP provider 0.5 ms where this one costs 0.15.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from rayfed.errors import LedgerUnreachable, WrongChain
from rayfed.ledger.ethereum.chain_node import LIMIT_EXCEEDED, Call, ChainNode, NoAnswer, RpcError, on_this_machine

__all__ = ["BATCH", "LIMIT_EXCEEDED", "Rpc", "RpcError", "on_this_machine"]

log = logging.getLogger(__name__)

SETTING = "ledger.rpc_url"
SPARE = "ledger.spare_rpc_url"

TRIES = 5
FIRST_PAUSE = 0.1
"""Seconds before the second try; each further pause is twice as long."""

LONGEST_PAUSE = 10.0
"""A node that says when to come back (Retry-After) is believed up to so many seconds."""

BATCH = 50
"""Calls in one request at most; public nodes refuse hundreds."""

BACK_SECONDS = 60.0
"""After so long with the spare node the first one is asked again."""


class Rpc:
    """Calls methods of one node, or of a spare one while that does not answer. Safe to use from several threads.

    All that is sent may be repeated without harm (a raw transaction counts once, by its nonce), so whatever fails on
    the way is tried again, a few times, with growing pauses.

    Args:
        url: http(s) address of the node; it may hold a secret, so messages show the host alone.
        spare: of another node of the same chain; None: there is none.
        timeout: seconds for one answer.
        tries: how often to ask each node before giving up.

    Raises:
        ConfigError: ``url`` or ``spare`` is no such address.
    """

    def __init__(self, url: str, *, spare: str | None = None, timeout: float = 20.0, tries: int = TRIES) -> None:
        self.url = url
        self._first = ChainNode(url, SETTING, timeout)
        self._spare = ChainNode(spare, SPARE, timeout) if spare else None
        self.name = self._first.name
        self._tries = tries
        self._away_until = 0.0  # the first one does not answer; by the steady clock
        self._is_same: bool | None = None  # whether the spare one is of the same chain; None: not known yet

    @cached_property
    def chain_id(self) -> int:
        """The chain's id (EIP-155), asked for once."""
        return int(self.call("eth_chainId"), 16)

    def call(self, method: str, *params: Any) -> Any:
        """Return a method's result.

        Raises:
            RpcError: the node refuses.
            LedgerUnreachable: it does not answer.
        """
        (result,) = self._answers([(method, params)])
        if isinstance(result, RpcError):
            raise result
        return result

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results of several methods, in their order; in place of a refused one stands an ``RpcError``.

        Raises:
            LedgerUnreachable: the node does not answer.
        """
        results: list[Any] = []
        for start in range(0, len(calls), BATCH):
            results += self._answers(calls[start : start + BATCH])
        return results

    def lasting(self, calls: Sequence[Call]) -> list[Any]:
        """Return what ``batch`` does of things long on the chain: what is null, or refused without a contract's own
        word, is asked for a few times more, for a node may lag behind the one that was asked before."""
        results = self.batch(calls)
        pause = FIRST_PAUSE
        for _ in range(self._tries - 1):
            odd = [n for n, one in enumerate(results) if one is None or (isinstance(one, RpcError) and not one.data)]
            if not odd:
                break
            time.sleep(pause)
            pause *= 2
            for n, answer in zip(odd, self.batch([calls[n] for n in odd]), strict=True):
                results[n] = answer
        return results

    def check_spare(self) -> None:
        """Ask the spare node, if there is one, which chain it is of; one that is away may come back.

        Raises:
            WrongChain: of another one.
        """
        if self._spare is None:
            return
        try:
            (answer,) = self._spare.ask([("eth_chainId", ())])
            if isinstance(answer, NoAnswer):
                raise answer
            there = int(answer, 16)
        except (NoAnswer, LedgerUnreachable, TypeError, ValueError) as error:
            log.warning("%s: no answer from %s: %s", SPARE, self._spare.name, error)
            return
        self._is_same = there == self.chain_id
        if not self._is_same:
            raise WrongChain(f"{SPARE}: {self._spare.name} is chain {there}, {self.name} is chain {self.chain_id}")

    def close(self) -> None:
        """Close all connections."""
        self._first.close()
        if self._spare is not None:
            self._spare.close()

    def _answers(self, calls: Sequence[Call]) -> list[Any]:
        """Return the answers to one request; what got none is asked for again, at both nodes in turn if there are two.

        Raises:
            LedgerUnreachable: there are none.
        """
        results: list[Any] = [NoAnswer("not asked yet")] * len(calls)
        pause, failure = FIRST_PAUSE, ""
        for left in reversed(range(self._tries)):
            asked = 0.0
            for node in self._in_turn():
                if node is self._spare and self._is_same is False:
                    continue  # found out just now
                missing = [n for n, result in enumerate(results) if isinstance(result, NoAnswer)]
                try:
                    for n, answer in zip(missing, node.ask([calls[n] for n in missing]), strict=True):
                        results[n] = answer
                    lacking = [result for result in results if isinstance(result, NoAnswer)]
                    if not lacking:
                        return results
                    raise lacking[0]
                except NoAnswer as error:
                    failure, asked = str(error), max(asked, error.pause)
                except LedgerUnreachable as error:
                    if self._spare is None:
                        raise
                    failure = str(error)
                self._failed(node, failure)
            if left:
                time.sleep(max(pause, min(asked, LONGEST_PAUSE)))
                pause *= 2
        names = self.name if self._spare is None else f"{self.name} and {self._spare.name}"
        raise LedgerUnreachable(f"{SETTING}: no answer from {names}: {failure}")

    def _in_turn(self) -> list[ChainNode]:
        """Return the nodes to ask, in this order: who has failed a moment ago comes last."""
        if self._spare is None or self._is_same is False:
            return [self._first]
        is_away = time.monotonic() < self._away_until
        return [self._spare, self._first] if is_away else [self._first, self._spare]

    def _failed(self, node: ChainNode, why: str) -> None:
        """Go over to the spare node for a while, once it is known to be of the same chain."""
        if self._spare is None or node is not self._first or time.monotonic() < self._away_until:
            return
        if self._is_same is None and "chain_id" in self.__dict__:
            try:
                self.check_spare()
            except WrongChain as error:
                log.error("%s: not asked", error)
                return
        log.warning("%s: no answer from %s: %s; asking %s", SETTING, node.name, why, self._spare.name)
        self._away_until = time.monotonic() + BACK_SECONDS

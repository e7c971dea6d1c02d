"""What a federation's contract holds, asked one question at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.errors import LedgerError, LedgerUnreachable
from rayfed.ledger.ethereum import abi
from rayfed.ledger.ethereum.clock import ChainClock
from rayfed.ledger.ethereum.history import PastReader
from rayfed.ledger.ethereum.rpc import Rpc, RpcError
from rayfed.protocol.accounts import Account, Books
from rayfed.protocol.contexts import NO_CONTEXT
from rayfed.protocol.messages import NATIVE, Outcome, Phase, Round, Status, Terms, View


class Questions:
    """Asks a contract as it stands in the newest block, and as if the next one came now. Safe to use from any thread.

    A chain on which nothing is mined (Anvil) seems to stand still: its newest block's time is long past, and what time
    alone brings about would not be seen. So the node is told what time it is. Where it does not take that, its newest
    block's time is the time; but not in ``overview``, which the contract itself is told.

    Args:
        rpc: the chain's node.
        address: the contract.
        clock: tells chain time.
    """

    def __init__(self, rpc: Rpc, address: Address, clock: ChainClock) -> None:
        self.rpc = rpc
        self.address = address
        self.clock = clock
        self._takes_time = True

    def ask(self, name: str, *arguments: Any, to: Address | None = None) -> Any:
        """Return what a view answers.

        Raises:
            RpcError: the contract refuses; ``data`` says why.
            NotAFederation: what answers is no such contract.
            LedgerUnreachable: nothing answers.
        """
        (answer,) = self.ask_all([(name, arguments)], to)
        return answer

    def overview(self) -> View:
        """Return all that a node needs to know. The contract takes the later one of its time and this clock's, which is
        set by what it answers."""
        data = abi.call("overview", int(self.clock.now()) if self.clock.is_set else 0)
        try:
            answer = self.rpc.call("eth_call", {"to": self.address, "data": "0x" + data.hex()}, "latest")
        except RpcError as error:
            raise self._meant(error) from error
        view = view_of(abi.answer("overview", bytes.fromhex(answer[2:])))
        self.clock.saw(view.time)
        return view

    def ask_all(self, questions: Sequence[tuple[str, Sequence[Any]]], to: Address | None = None) -> list[Any]:
        """Return what several views answer, in as few requests as can be."""
        now = [{}, {"time": hex(int(self.clock.now()))}] if self._takes_time and self.clock.is_set else []
        answers = self._calls(questions, to, now)
        if now and any(isinstance(one, RpcError) and not one.data for one in answers):
            self._takes_time = False
            answers = self._calls(questions, to, [])
        for one in answers:
            if isinstance(one, RpcError):
                raise self._meant(one)
        return [abi.answer(q[0], bytes.fromhex(one[2:])) for q, one in zip(questions, answers, strict=True)]

    def _meant(self, error: RpcError) -> LedgerError:
        """Return what a refused question means: unless the contract has said so, trouble of its node, which passes."""
        if error.data or any(word in error.message.lower() for word in ("revert", "opcode")):
            return error
        return LedgerUnreachable(f"ledger.rpc_url: {self.rpc.name} does not answer eth_call: {error.message}")

    def _calls(self, questions: Sequence[tuple[str, Sequence[Any]]], to: Address | None, when: list[Any]) -> list[Any]:
        calls: list[tuple[str, list[Any]]] = []
        for name, arguments in questions:
            call = {"to": to or self.address, "data": "0x" + abi.call(name, *arguments).hex()}
            calls.append(("eth_call", [call, "latest", *when]))
        return self.rpc.batch(calls)


class ContractState:
    """Seats, rounds and money of a federation. Safe to use from several threads.

    Args:
        questions: asks its contract.
        terms: what it was founded on.
    """

    def __init__(self, questions: Questions, terms: Terms) -> None:
        self.questions = questions
        self.rpc = questions.rpc
        self.address = questions.address
        self._terms = terms
        self.history = PastReader(self.rpc, self.address, self.founded)

    def founded(self) -> int:
        """Return the block that the federation was founded in."""
        return int(self.questions.ask("position")["founded"])

    def times(self, blocks: Collection[int]) -> dict[int, int]:
        """Return when each of these blocks was made, in seconds since the epoch; one that is no more is left out."""
        wanted = sorted(blocks)
        found = self.rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in wanted])
        made = zip(wanted, found, strict=True)
        return {number: int(block["timestamp"], 16) for number, block in made if isinstance(block, dict)}

    def terms(self) -> Terms:
        """See ``FederationState``."""
        return self._terms

    def round_of(self, round: int) -> Round | None:
        """See ``FederationState``."""
        return held(self.questions.ask("roundOf", round)) if 0 < round < 1 << 32 else None

    def outcome(self, round: int) -> Outcome | None:
        """See ``FederationState``; where the round's slot holds it no more, events tell."""
        there = self.round_of(round)
        if there is not None and there.status is Status.OPEN:
            return None
        told = self.history.ask(lambda told: told.outcome(round))
        if there is None:
            return told
        included = told.included if told is not None else there.included
        return Outcome(round, there.status, there.root, included, there.attesters, there.deadline)

    def account(self, address: Address) -> Account:
        """See ``FederationState``."""
        return self.accounts([address])[0]

    def accounts(self, addresses: Sequence[Address]) -> tuple[Account, ...]:
        """See ``Federation``."""
        asked = [(name, (address,)) for address in addresses for name in ("account", "seatOf")]
        answers = iter(self.questions.ask_all(asked))
        past = self.history.ask(lambda told: [told.of(address) for address in addresses])
        found = []
        for of_past in past:
            account, seat = next(answers), next(answers)
            del seat["seat"]
            found.append(Account(**account, **seat, **of_past))
        return tuple(found)

    def books(self) -> Books:
        """See ``FederationState``."""
        return Books(**self.questions.ask("books"))

    def cards(self) -> dict[Address, bytes]:
        """See ``FederationState``; from events."""
        return self.history.ask(lambda told: dict(told.cards))


def held(answer: dict[str, Any]) -> Round | None:
    """Return a round by what ``roundOf`` answered; None if there is none."""
    status = Status(answer["status"])
    return None if status is Status.NONE else Round(**{**answer, "status": status})


def view_of(answer: dict[str, Any]) -> View:
    """Return what ``overview`` answered."""
    position, current = answer["position"], held(answer["current"])
    now = current if current is not None and current.status is Status.OPEN else None
    return View(
        time=answer["time"],
        round=position["round"],
        phase=Phase(position["phase"]),
        deadline=position["deadline"],
        due=answer["due"],
        base=answer["base"],
        base_round=answer["base_round"],
        base_context=answer["base_context"],
        base_settled=answer["base_settled"],
        context=now.context if now is not None else NO_CONTEXT,
        roster=now.roster if now is not None else 0,
        active=position["active"],
        committed=now.committed if now is not None else 0,
        abstained=now.abstained if now is not None else 0,
        voted=now.voted if now is not None else 0,
        attested=now.attested if now is not None else 0,
        included=now.included if now is not None else 0,
        excused=now.excused if now is not None else 0,
        finals=position["finals"],
        voids=position["voids"],
        unsettled=position["unsettled"],
        since=position["since"],
        members=tuple("" if address == NATIVE else address for address in answer["holders"]),
        roots=answer["roots"],
        accepts=answer["accepts"],
        misses=answer["misses"],
        previous=held(answer["previous"]),
    )

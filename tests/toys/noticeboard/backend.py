"""One more kind of ledger: a board on which notices hang until somebody takes them down and acts on them.

Its members are called by words ("the baker", "the smith"), which nobody above it ever sees: names are opaque there.
What is submitted hangs on the board, and happens when ``read_out`` is called, one notice after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2s
from pathlib import Path
from typing import Any

from rayfed.encoding.primitives import Address
from rayfed.errors import CharterMismatch, LedgerError, NotAFederation, Rejected
from rayfed.ledger.backend import Event, Founding, Locator, Signer
from rayfed.ledger.memory.chain import ManualClock, MemoryChain
from rayfed.ledger.reads import SharedReads
from rayfed.protocol.accounts import Account
from rayfed.protocol.charter import Charter
from rayfed.protocol.commands import Command, Deposit, DepositBonds, Fund, Join, Statement, misses_of, value_of
from rayfed.protocol.messages import Receipt, Signed

TRADES = ("baker", "smith", "miller", "tailor", "cooper")


def opaque(words: str) -> Address:
    """Return the name by which the others know somebody on the board."""
    return "0x" + blake2s(words.encode(), digest_size=20).hexdigest()


@dataclass
class Notice:
    author: BoardSigner
    owner: object
    command: Command
    receipt: Receipt | None = None


@dataclass
class Board:
    """All that hangs there, and what it has led to."""

    clock: ManualClock = field(default_factory=ManualClock)
    parishes: dict[Address, MemoryChain] = field(default_factory=dict)
    notices: list[tuple[MemoryChain, Notice]] = field(default_factory=list)
    read: int = 0
    purses: dict[Address, int] = field(default_factory=dict)

    def read_out(self) -> None:
        """Let happen what hangs there, in order."""
        while self.read < len(self.notices):
            chain, notice = self.notices[self.read]
            self.read += 1
            error = None
            try:
                chain.act(notice.author.address, notice.command)
            except Rejected as rejected:
                error = rejected.name
            command, number = notice.command, self.read
            notice.receipt = Receipt(command.verb, command.round, f"0x{number:064x}", 7, number, error, command)


BOARDS: dict[str, Board] = {}


@dataclass(frozen=True)
class BoardSigner:
    """Somebody who can write, by a word."""

    words: str

    @property
    def address(self) -> Address:
        return opaque(self.words)


class BoardLedger(SharedReads):
    """One writer's handle on one federation."""

    def __init__(self, board: Board, chain: MemoryChain, signer: BoardSigner) -> None:
        super().__init__(chain)
        self._board = board
        self._chain = chain
        self._signer = signer

    @property
    def address(self) -> Address:
        return self._signer.address

    @property
    def is_sending(self) -> bool:
        return any(notice.owner is self for _, notice in self._board.notices)

    def submit(self, command: Command) -> None:
        if isinstance(command, Join):  # what is missing of bonds goes before it
            missing = self.terms().bonds - self.account(self.address).bonds
            if missing > 0:
                self._hang(DepositBonds(self.address, missing))
        self._hang(command)

    def _hang(self, command: Command) -> None:
        self._board.notices.append((self._chain, Notice(self._signer, self, command)))

    def receipts(self) -> list[Receipt]:
        mine = [n for _, n in self._board.notices if n.owner is self and n.receipt is not None]
        for notice in mine:
            notice.owner = None
        return [notice.receipt for notice in mine if notice.receipt is not None]

    def sign(self, statement: Statement) -> Signed:
        return Signed(value_of(statement), self._signer.words.encode().ljust(32), bytes(32), misses_of(statement))

    def handle(self) -> BoardLedger:
        return BoardLedger(self._board, self._chain, self._signer)

    def close(self) -> None: ...


class BoardFederation(SharedReads):
    """One federation on the board, as all who write there share it."""

    def __init__(self, board: Board, address: Address) -> None:
        super().__init__(board.parishes[address])
        self.chain = board.parishes[address]
        self._board = board
        self.address = address

    def ledger(self, signer: Signer, proof: Sequence[bytes] = (), pool: Any = None) -> BoardLedger:
        if not isinstance(signer, BoardSigner):
            raise LedgerError(f"{signer.address} cannot write on this board")
        return BoardLedger(self._board, self.chain, signer)

    def accounts(self, addresses: Sequence[Address]) -> tuple[Account, ...]:
        return tuple(self.account(address) for address in addresses)

    def coins(self, address: Address) -> int:
        return self._board.purses.get(address, 0)

    def coin_name(self) -> str:
        return "shillings"

    def pays_in_dlc(self) -> bool:
        return False

    def balance(self, address: Address) -> int:
        return self._board.purses.get(address, 0)

    def events(self, first: int = 0, last: int | None = None, names: Sequence[str] = ()) -> Iterator[Event]:
        for number, said in enumerate(self.chain.events):
            if number >= first and (last is None or number <= last) and (not names or said.name in names):
                yield Event(said.name, said.values, number, 0, f"0x{number:064x}")

    def founded(self) -> int:
        return 0

    def block(self) -> int:
        return len(self.chain.events)

    def now(self) -> float:
        return float(self._board.clock.now)

    def nudge(self) -> None: ...

    def close(self) -> None: ...


class BoardBackend:
    """The board itself."""

    def __init__(self, name: str) -> None:
        self.board = BOARDS[name]
        self.locator = Locator("noticeboard", 17, {"street": name})

    def purse(self) -> BoardSigner:
        return BoardSigner("the mayor")

    def signer(self, federation: Address, folder: Path, index: int) -> BoardSigner:
        return BoardSigner(f"the {TRADES[index % len(TRADES)]} of {folder.name}")

    def secret(self, signer: Signer, label: bytes) -> bytes:
        return blake2s(label, key=bytes.fromhex(signer.address[2:])).digest()

    def make_coin(self, payer: Signer) -> Address:
        return opaque("the parish's shilling")

    def found(self, payer: Signer, charter: Charter, coin: Address | None = None, salt: bytes = bytes(32)) -> Founding:
        address = opaque(f"parish {charter.hash.hex()} {salt.hex()}")
        if address not in self.board.parishes:
            self.board.parishes[address] = MemoryChain(charter.terms(), self.board.clock)
        return Founding(address, 0)

    def exists(self, federation: Address) -> bool:
        return federation in self.board.parishes

    def code(self, federation: Address) -> bytes:
        return self.board.parishes[federation].terms().charter

    def price(self) -> int:
        return 0

    def give(
        self,
        payer: Signer,
        federation: Any,
        addresses: Sequence[Address],
        gas_money: float,
        *,
        stake: int | None = None,
        bonds: int | None = None,
        pool: int = 0,
    ) -> None:
        chain = self.board.parishes[federation.address]
        terms = chain.terms()
        for address in addresses:
            self.board.purses[address] = self.board.purses.get(address, 0) + 1
            if amount := terms.stake if stake is None else stake:
                chain.act(payer.address, Deposit(address, amount))
            if amount := terms.bonds if bonds is None else bonds:
                chain.act(payer.address, DepositBonds(address, amount))
        if pool:
            chain.act(payer.address, Fund(pool))

    def connect(
        self, federation: Address, charter_hash: bytes | None = None, *, follow: bool = False
    ) -> BoardFederation:
        if not self.exists(federation):
            raise NotAFederation(f"federation_address: nobody on this board knows {federation}")
        made = BoardFederation(self.board, federation)
        if charter_hash is not None and made.terms().charter != charter_hash:
            raise CharterMismatch("charter: another one hangs there")
        return made

    def close(self) -> None: ...


class NoticeboardKind:
    """Boards, one a street."""

    def check(self, settings: Any, *, here: bool = True) -> None: ...

    @contextmanager
    def open(self, settings: Any, folder: Path) -> Iterator[BoardBackend]:
        BOARDS[folder.name] = Board()
        yield BoardBackend(folder.name)
        del BOARDS[folder.name]

    def at(self, locator: Locator, settings: Any) -> BoardBackend:
        return BoardBackend(locator.where["street"])

"""What a phase's handler gives back: it decides and computes, and leaves it to the node to persist and to send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from rayfed.node.kit import Kit
from rayfed.protocol.commands import Command
from rayfed.protocol.messages import Verb, View


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What goes into the signing journal: ``value`` is a root, or a ballot's two bitmaps, in hex."""

    round: int
    verb: Verb
    context: bytes
    value: str


@dataclass(frozen=True, slots=True)
class Ready:
    """What came of a handler's work.

    Attributes:
        acted: whether anything did; if not, it has to be tried again later.
        entry: to be persisted before anything is sent.
        command: to be sent then.
        note: a line to show beside the node.
    """

    acted: bool = False
    entry: JournalEntry | None = None
    command: Command | None = None
    note: str = ""


NOTHING = Ready()


class Handler(Protocol):
    """Carries out the actions of one kind. ``action`` is that kind's: the table in ``phases`` says which."""

    def __init__(self, kit: Kit) -> None:
        """Take the node's parts."""

    def __call__(self, action: Any, view: View, index: int | None) -> Ready:
        """Do the work; ``index``: the node's own, if it has ever joined."""

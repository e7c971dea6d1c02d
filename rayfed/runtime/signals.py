"""Signals that end a command, kept until it has ended by them.

Python runs a signal's handler between two instructions of whatever runs just then. Where that is a hook of ``os.fork``
or a finaliser, what the handler raises is printed at most, and lost: a Ctrl-C while Ray starts its processes would be,
and the run would go on for as long as it has rounds. So the handler also writes down that it was called.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class Terminated(SystemExit):
    """A SIGTERM came; the code is what a shell makes of it."""


_came: list[signal.Signals] = []
"""What has come; of interest is the last."""


def listen() -> None:
    """Let SIGINT and SIGTERM unwind the stack, so that whatever was started is stopped.

    A SIGINT that is ignored (by ``nohup``, or ``&`` in a script) stays so.
    """
    _came.clear()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)
    signal.signal(signal.SIGTERM, _end)


def check() -> None:
    """Raise what came and was lost; to be called now and then by what takes long.

    Raises:
        KeyboardInterrupt: a SIGINT has come.
        Terminated: a SIGTERM has.
    """
    if _came:
        _raise(_came[-1])


def _end(number: int, frame: FrameType | None) -> NoReturn:
    _came.append(signal.Signals(number))
    _raise(_came[-1])


def _raise(number: signal.Signals) -> NoReturn:
    if number is signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(128 + number)

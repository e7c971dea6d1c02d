"""Signals that end a command: a Ctrl-C and a SIGTERM that are not lost.

Python runs a signal's handler between two instructions of whatever runs just then. Where that is a hook of ``os.fork``
(``logging`` has some) or a finaliser, what the handler raises goes to ``sys.unraisablehook`` and is lost: interrupted
while Ray starts its processes, the run would go on for as long as it has rounds.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_SECONDS = 0.02
"""After how long what was lost is raised again."""


class Terminated(SystemExit):
    """A SIGTERM came; the code is what a shell makes of it."""


_came: list[signal.Signals] = []
"""What has come; of interest is the last."""


@contextmanager
def unwinding() -> Iterator[None]:
    """Let SIGINT and SIGTERM unwind the stack meanwhile, so that whatever was started is stopped.

    A SIGINT that is ignored (by ``nohup``, or ``&`` in a script) stays so.
    """
    _came.clear()
    heeded = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _end) for number in heeded}
    told = sys.unraisablehook
    sys.unraisablehook = partial(_unraisable, told)
    try:
        yield
    finally:
        sys.unraisablehook = told
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """Raise what has come, where an error may only be what came of it.

    Raises:
        KeyboardInterrupt: a SIGINT has come.
        Terminated: a SIGTERM has.
    """
    if _came:
        _raise(_came[-1])


def _end(number: int, frame: FrameType | None) -> NoReturn:
    _came.append(signal.Signals(number))
    _raise(_came[-1])


def _again(number: int, frame: FrameType | None) -> None:
    check()


def _unraisable(told: Callable[[UnraisableHookArgs], Any], unraisable: UnraisableHookArgs) -> None:
    if isinstance(unraisable.exc_value, KeyboardInterrupt | Terminated):
        signal.signal(signal.SIGALRM, _again)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        told(unraisable)


def _raise(number: signal.Signals) -> NoReturn:
    if number is signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(128 + number)

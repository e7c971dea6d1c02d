"""The command line: ``python -m rayfed [run|join|watch|invitation|audit|export|chaos|economics|chain|ui|...] ...``.

``run`` (the default; with ``resume=DIR`` it carries on a run that was killed), ``join`` and ``watch`` are Hydra
applications over the same configuration; the others take ordinary options. Nothing heavy is imported before the
settings are known to be good.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from rayfed.cli.complaints import BAD_INPUT, complain, wants_trace
from rayfed.errors import ConfigError, RayfedError
from rayfed.runtime import signals

INTERRUPTED = 128 + signal.SIGINT
UNREAD = 128 + signal.SIGPIPE
HELP = ("-h", "--help", "help")
"""Words that ask for help, before a command or alone."""
OWNER = ("claim", "withdraw", "leave", "release", "deposit", "bonds", "fund", "refund", "announce")
"""What owners do with their money; see ``rayfed.cli.owner``."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0, 1 (a bug, with its trace; from ``run``: a node failed for good and has no final model; from ``audit``,
    ``chaos`` and ``watch``: something is not as it must be), 2 (bad input, one line), 130 (Ctrl-C), 141 (nobody reads
    its output any more).
    """
    words = _help_last(list(sys.argv[1:] if argv is None else argv))
    command = words.pop(0) if words and words[0] in COMMANDS else "run"
    if words == ["--version"]:
        from rayfed import __version__

        print(f"rayfed {__version__}")
        return 0
    try:
        with signals.unwinding():
            if command == "run" and words:
                _refuse_unknown(words[0])
            code = COMMANDS[command](words)
            sys.stdout.flush()  # here, where it can be told that nobody reads it
            return code
    except KeyboardInterrupt:
        print("rayfed: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        if _is_read():
            raise
        return UNREAD
    except signals.Terminated:
        print("rayfed: terminated", file=sys.stderr)
        raise
    except RayfedError as error:
        if wants_trace():
            raise
        complain(error)
        return BAD_INPUT


def _is_read() -> bool:
    """Whether anybody still reads standard output; if not (``| head``), nothing more is written to it."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if poll.poll(0):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _help_last(words: list[str]) -> list[str]:
    """Put what asks for help behind the command that is asked about: ``-h audit`` is ``audit -h``."""
    if not words or words[0] not in HELP:
        return words
    about = words[1:] if words[1:] and words[1].isidentifier() else []
    return [*about, "--help"] if about else ["--help", *words[1:]]


def _refuse_unknown(word: str) -> None:
    """Refuse what can only be meant as a command, and is none."""
    if word.isidentifier() and word not in COMMANDS:
        from rayfed.config.checks import suggest

        raise ConfigError(
            word, f"is neither a command ({', '.join(COMMANDS)}) nor name=value{suggest(word, list(COMMANDS))}"
        )


def _command(module: str, function: str, *arguments: str) -> Callable[[list[str]], int]:
    """Return a command, whose module is imported when it is asked for."""

    def run(words: list[str]) -> int:
        code: int = getattr(import_module(f"rayfed.cli.{module}"), function)(*arguments, words)
        return code

    return run


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": _command("run", "run"),
    "join": _command("run", "join"),
    "watch": _command("run", "watch"),
    **{
        name: _command(name, "main")
        for name in ("invitation", "status", "hashes", "audit", "export", "chaos", "economics", "chain", "ui", "keys")
    },
    **{name: _command("owner", "main", name) for name in OWNER},
}

"""Work in a process of its own, before there is a cluster.

The process that starts a federation stays without torch, a user's module has a process to itself, and what both took
(memory, a GPU) is given back when it ends.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from subprocess import PIPE
from typing import Any, Generic, TypeVar

from rayfed.errors import ConfigError, RayfedError

T = TypeVar("T")


class Apart(Generic[T]):
    """A function's call in a process of its own, which finds the modules that this one finds.

    Args:
        function: of a module; it, what it is given and what comes of it are pickled.
        variables: of the process's environment, beside this one's.
        about: the setting to name if the process dies.
    """

    def __init__(self, function: Callable[..., T], *args: Any, variables: Mapping[str, str], about: str) -> None:
        """Start it and return at once."""
        self._about = about
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, **variables, "PYTHONPATH": paths},
        )
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it ended early; ``result`` says how
                self._process.stdin.write(pickle.dumps((function, args)))
                self._process.stdin.close()
            self._process.stdin = None

    def result(self) -> T:
        """Wait for it.

        Raises:
            RayfedError: what the function raised on purpose.
            ConfigError: it raised something else, or the process has died.
        """
        said, complaint = self._process.communicate()
        if not said:
            code, last = self._process.returncode, _last(complaint)
            ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
            raise ConfigError(self._about, f"the process that tried it {ended}{f': {last}' if last else ''}")
        raised, outcome = pickle.loads(said)
        if raised:
            raise outcome
        result: T = outcome
        return result

    def end(self) -> None:
        """End it, if it still runs."""
        self._process.kill()
        self._process.communicate()


def _last(complaint: bytes) -> str:
    return next(iter(complaint.decode(errors="replace").strip().splitlines()[-1:]), "")


def main() -> None:
    """Do what standard input says; write what came of it to standard output, where nothing else is written."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # whatever a user's module prints
        function, args = pickle.loads(sys.stdin.buffer.read())
        try:
            outcome: tuple[bool, Any] = False, function(*args)
        except RayfedError as error:
            outcome = True, error
        answer.write(pickle.dumps(outcome))


if __name__ == "__main__":
    main()

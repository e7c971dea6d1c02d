"""The reference of the command line: what each command says of itself when it is asked for ``--help``.

``python -m docs.command_line`` prints the page. It is kept in ``docs/reference/command-line.md``, because the commands
need packages that the site's builder does not have; a test compares the two.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from unittest.mock import patch

from rayfed.cli.main import COMMANDS, main

PAGE = Path(__file__).parent / "reference" / "command-line.md"
HYDRA = ("run", "join", "watch")
DEEPER = (("chaos", "adversary"),)
TOP = """\
# Command line

`python -m rayfed` and `rayfed` are the same. Without a command it is `run`.

| exit code | meaning |
| --- | --- |
| 0 | all went well |
| 1 | from `run`: a node failed for good and lacks the final model; from `audit`: there are discrepancies; \
from `chaos`: a check failed; from `watch`: a wrong root was seen to stand; from any command: a bug, with its trace |
| 2 | bad input, or something that was asked for is not there or does not answer (chain, store, Ray): one line \
on standard error, which names the setting to change where there is one |
| 130 | Ctrl-C |
| 141 | nobody reads its output any more (`| head`) |
| 143 | SIGTERM |

In a sweep (`--multirun`) it is the highest code of all its runs.

`RAYFED_TRACE=1` shows the trace of an error that has one line otherwise.

## run, join and watch

They take Hydra's words: `GROUP=OPTION`, `SETTING=VALUE`, `+experiment=NAME`, `--multirun`, `--cfg job` (show the
settings, run nothing). What there is to set stands in [Settings](settings.md); `python -m rayfed --help` lists groups
and examples, `python -m rayfed --hydra-help` Hydra's own options. `join` brings one party's node into a federation that
is there already, `python -m rayfed join INVITATION`: see [Join a federation](../how-to/parties.md). `watch` takes the
same words and needs no seat: see [Watch a federation](../how-to/watch.md); `status` tells how one stands, see
[See where a federation stands](../how-to/status.md).
"""


def page() -> str:
    """Return the whole page, as Markdown."""
    parts = [TOP]
    for name in COMMANDS:
        if name not in HYDRA:
            parts.append(f"## {name}\n\n```text\n{said(name)}\n```\n")
            parts += [f"```text\n{said(*words)}\n```\n" for words in DEEPER if words[0] == name]
    return "\n".join(parts)


def said(*words: str) -> str:
    """Return what a command prints for ``--help``, 100 columns wide."""
    out = io.StringIO()
    with patch.dict(os.environ, COLUMNS="100"), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


if __name__ == "__main__":
    print(page(), end="")

"""The command line: ``python -m rayfed [run|join|audit|chaos|chain|ui|keys|claim|withdraw|...] ...``.

``run`` (the default; with ``resume=DIR`` it carries on a run that was killed) and ``join`` are Hydra applications over
the same configuration; the others take ordinary options. Nothing heavy is imported before the settings are known to be
good.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from rayfed.errors import ConfigError, RayfedError
from rayfed.runtime import resume

if TYPE_CHECKING:
    from omegaconf import DictConfig

BAD_INPUT = 2
INTERRUPTED = 128 + signal.SIGINT
HELP_KEY = "where to write the key of a rich account of this chain (default: %(default)s)"
_TRACES = ("RAYFED_TRACE", "HYDRA_FULL_ERROR")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0, 1 (a bug, with its trace; from ``audit`` and ``chaos``: something is not as it must be), 2 (bad input, one
    line), 130 (Ctrl-C).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    command = words.pop(0) if words and words[0] in COMMANDS else "run"
    trace = any(os.environ.get(name) == "1" for name in _TRACES)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if command == "run" and words:
            _refuse_unknown(words[0])
        return COMMANDS[command](words)
    except KeyboardInterrupt:
        print("rayfed: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Terminated:
        print("rayfed: terminated", file=sys.stderr)
        raise
    except RayfedError as error:
        if trace:
            raise
        _complain(error)
        return BAD_INPUT


def _refuse_unknown(word: str) -> None:
    """Refuse what can only be meant as a command, and is none."""
    if word.isidentifier() and word not in COMMANDS:
        from rayfed.config.checks import suggest

        raise ConfigError(
            word, f"is neither a command ({', '.join(COMMANDS)}) nor name=value{suggest(word, list(COMMANDS))}"
        )


def _run(words: list[str]) -> int:
    """Found a federation, train it, show what came of it."""

    def job(cfg: DictConfig, output: Path) -> object:
        from rayfed.config import check, plain, settings_from

        settings = settings_from(cfg)
        check(settings)
        from rayfed.runtime import launcher

        return launcher.run(settings, plain(settings), output)

    return _hydra(job, resume.command_line(words))


def _join(words: list[str]) -> int:
    """Bring one party's node into a federation that is already there."""

    def job(cfg: DictConfig, output: Path) -> object:
        from rayfed.config import check_join, plain, settings_from

        settings = settings_from(cfg)
        check_join(settings)
        from rayfed.runtime import launcher

        launcher.join(settings, plain(settings), output)
        return None

    return _hydra(job, words)


def _hydra(job: Callable[[DictConfig, Path], object], words: list[str]) -> int:
    """Run ``job`` as a Hydra application; Hydra's own complaints become ``ConfigError``.

    In a sweep a job with bad settings does not keep the others from running; the exit code still tells.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig

    from rayfed.cli.keys import refuse_key_settings
    from rayfed.config.compose import register
    from rayfed.config.explain import explain
    from rayfed.config.files import conf_dir

    refuse_key_settings(words)  # Hydra writes down what it was told before the settings are looked at
    trace = any(os.environ.get(name) == "1" for name in _TRACES)
    asked = os.environ.get("HYDRA_FULL_ERROR")
    code = 0
    ours = False  # whether an exception came out of the job, and not out of what Hydra made of the command line

    def task(cfg: DictConfig) -> object:
        nonlocal code, ours
        _restore("HYDRA_FULL_ERROR", asked)
        try:
            return job(cfg, Path(HydraConfig.get().runtime.output_dir))
        except RayfedError as error:
            if trace:
                raise
            _complain(error)
            code = BAD_INPUT
            return None
        except Exception:
            ours = True
            raise

    register()
    # Left to itself Hydra prints errors its own way and exits with 1; asked for full errors, it raises them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    before, sys.argv = sys.argv, ["rayfed", *words]
    try:
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)()
    except Exception as error:
        # Some overrides (data=[1,2]) make Hydra fail with a plain TypeError or ValueError.
        if ours or isinstance(error, RayfedError):
            raise
        raise explain(error) from error
    finally:
        sys.argv = before
        _restore("HYDRA_FULL_ERROR", asked)
    return code


def _chain(words: list[str]) -> int:
    """Keep a local chain until Ctrl-C."""
    parser = argparse.ArgumentParser(
        "rayfed chain", description="Start a local chain (Anvil) and keep it until Ctrl-C."
    )
    parser.add_argument("--key-file", type=Path, default=Path("devchain.key"), help=HELP_KEY)
    parser.add_argument("--state", type=Path, help="keep the chain in this file, and go on from it")
    parser.add_argument("--block-time", type=float, help="seconds between blocks; by default one a transaction")
    parser.add_argument("--chain-id", type=int, default=31337, help="what it calls itself (default: %(default)s)")
    parser.add_argument("--anvil", help="path of the anvil binary; by default PATH and contracts/node_modules")
    args = parser.parse_args(words)
    if args.block_time is not None and not args.block_time > 0:
        raise ConfigError("--block-time", f"{args.block_time} is no time between blocks: more than 0 seconds")
    from rayfed.ledger.ethereum.devchain import DevChain

    with DevChain(args.anvil, chain_id=args.chain_id, block_time=args.block_time, state=args.state) as chain:
        try:
            args.key_file.write_text(f"0x{bytes(chain.funder.key).hex()}\n")
        except OSError as error:
            raise ConfigError("--key-file", f"cannot be written: {error.strerror} ({args.key_file})") from error
        print(f"A chain is at {chain.rpc_url}. In another terminal:", flush=True)
        print(f"python -m rayfed ledger=rpc ledger.rpc_url={chain.rpc_url} ledger.key_file={args.key_file}", flush=True)
        while chain.pid is not None:  # until Ctrl-C, or somebody ends Anvil itself
            time.sleep(1)
    raise RayfedError("the chain ended by itself")


def _ui(words: list[str]) -> int:
    """Open MLflow's pages on the runs so far."""
    parser = argparse.ArgumentParser("rayfed ui", description="Open MLflow's pages on the runs so far.")
    parser.add_argument("--tracking-uri", help="what track.tracking_uri was; by default mlflow.db in this folder")
    parser.add_argument("--host", default="127.0.0.1", help="to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5000, help="to listen on (default: %(default)s)")
    args = parser.parse_args(words)
    from rayfed.config.files import tracking_uri

    uri = tracking_uri(args.tracking_uri, Path.cwd())
    database = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not database.is_file():
        raise ConfigError("--tracking-uri", f"no runs in this folder yet: there is no {database}")
    if uri.startswith(("http://", "https://")):
        raise ConfigError("--tracking-uri", f"{uri} is a server already: open it in a browser")
    print(f"MLflow on {uri}: http://{args.host}:{args.port} (Ctrl-C stops it)", flush=True)
    # One worker: MLflow's own choice, four, takes four times as long to start, and one person looks.
    mlflow = [sys.executable, "-m", "mlflow", "ui", "--workers", "1"]
    os.execv(sys.executable, [*mlflow, "--backend-store-uri", uri, "--host", args.host, "--port", str(args.port)])


def _audit(words: list[str]) -> int:
    """Check a federation from ledger and store."""
    from rayfed.cli.audit import main as audit

    return audit(words)


def _keys(words: list[str]) -> int:
    """Make, list and look into encrypted keystores."""
    from rayfed.cli.keys import main as keys

    return keys(words)


def _chaos(words: list[str]) -> int:
    """Let machines die, peers cheat and the chain go back, and check what comes of it."""
    from rayfed.cli.chaos import main as chaos

    return chaos(words)


def _owner(command: str, words: list[str]) -> int:
    """Do with an owner's money what the command says."""
    from rayfed.cli.owner import main as owner

    return owner(command, words)


def _complain(error: RayfedError) -> None:
    print(f"rayfed: {' '.join(str(error).split())}", file=sys.stderr)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Let a SIGTERM unwind the stack, so that whatever was started is stopped."""
    raise Terminated(128 + number)


class Terminated(SystemExit):
    """A SIGTERM came; the code is what a shell makes of it."""


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "run": _run,
    "join": _join,
    "audit": _audit,
    "chaos": _chaos,
    "chain": _chain,
    "ui": _ui,
    "keys": _keys,
    **{name: partial(_owner, name) for name in ("claim", "withdraw", "leave", "deposit", "fund")},
}


if __name__ == "__main__":
    sys.exit(main())

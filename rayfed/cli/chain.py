"""``python -m rayfed chain``: a local chain that stays until Ctrl-C."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from socket import gethostname

from rayfed.errors import ConfigError, RayfedError

ANY = "0.0.0.0"

HELP_KEY = "where to write the private key of an account with play money (default: %(default)s)"


def main(words: list[str]) -> int:
    """Keep a local chain until Ctrl-C."""
    parser = argparse.ArgumentParser(
        "rayfed chain", description="Start a local chain (Anvil) and keep it until Ctrl-C."
    )
    parser.add_argument("--key-file", type=Path, default=Path("devchain.key"), help=HELP_KEY)
    parser.add_argument("--state", type=Path, help="load the chain from this file if it is there, and save it there")
    parser.add_argument(
        "--block-time", type=float, help="seconds between blocks; by default every transaction gets a block at once"
    )
    parser.add_argument("--chain-id", type=int, default=31337, help="the chain id (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0: all (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; by default a free one")
    parser.add_argument("--anvil", help="path of the anvil binary; by default PATH and contracts/node_modules")
    args = parser.parse_args(words)
    if args.block_time is not None and not args.block_time > 0:
        raise ConfigError(
            "--block-time", f"{args.block_time} is not a time between blocks: it must be more than 0 seconds"
        )
    if not 0 <= args.port < 1 << 16:
        raise ConfigError("--port", f"{args.port} is no port: 0 to 65535")
    from rayfed.ledger.ethereum.devchain import DevChain

    where = {"host": args.host, "port": args.port}
    with DevChain(args.anvil, chain_id=args.chain_id, block_time=args.block_time, state=args.state, **where) as chain:
        try:
            args.key_file.touch(mode=0o600)
            args.key_file.chmod(0o600)  # or the command below would refuse it
            args.key_file.write_text(f"0x{bytes(chain.funder.key).hex()}\n")
        except OSError as error:
            raise ConfigError("--key-file", f"cannot be written: {error.strerror} ({args.key_file})") from error
        print(f"The chain runs at {chain.rpc_url}. In another terminal:", flush=True)
        if not args.host.startswith("127."):
            port = chain.rpc_url.rpartition(":")[2]
            print(
                f"Others reach it at http://{args.host if args.host != ANY else gethostname()}:{port}, and control it."
            )
        chosen = f"ledger=rpc ledger.rpc_url={chain.rpc_url} ledger.key_file={args.key_file}"
        print(f"python -m rayfed {chosen} ledger.allow_demo_times=true", flush=True)
        while chain.pid is not None:  # until Ctrl-C, or somebody ends Anvil itself
            time.sleep(1)
    raise RayfedError("the chain stopped by itself")

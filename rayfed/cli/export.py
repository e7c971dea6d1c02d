"""``python -m rayfed export``: a run's final model as ONNX or TorchScript."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rayfed.errors import ConfigError


def main(words: Sequence[str]) -> int:
    """Export what the command line asks for, and say what the files take and give.

    Raises:
        ConfigError: there is no model, it cannot be exported, or a file cannot be written.
    """
    parser = argparse.ArgumentParser(
        "rayfed export",
        description="Write the final model of a run for other programs. Each file is read back and must give what the "
        "model gives. The weights by themselves are model.safetensors in the run's folder already.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's output folder, a joiner's too")
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="write ONNX; needs pip install 'rayfed[onnx]'")
    parser.add_argument("--torchscript", type=Path, metavar="FILE", help="write TorchScript, for torch.jit.load")
    parser.add_argument(
        "--preprocess",
        action="store_true",
        help="have the file prepare its inputs itself: it takes uint8 pixels, a table's numbers as they are with "
        "categories by their places in the lists of model.py, or a text's bytes; without it the file takes what "
        "model.md calls input",
    )
    args = parser.parse_args(words)
    if args.onnx is None and args.torchscript is None:
        raise ConfigError("export", "say what to write: --onnx FILE, --torchscript FILE, or both")
    from rayfed.runtime.export import Exporter

    exporter = Exporter(args.run, args.preprocess)
    for path, write in ((args.onnx, exporter.onnx), (args.torchscript, exporter.torchscript)):
        if path is not None:
            made = write(path)
            away = f"at most {made.away:.1e} from the model's own outputs"
            print(f"{made.path}: {made.inputs} -> {made.outputs}; {away}")
    if exporter.left:
        print(f"what is left to who calls it: {exporter.left}")
    return 0

"""The command line as a user meets it: what it prints, what it returns, what it does not import."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import rayfed
import rayfed.runtime
from rayfed.cli.main import COMMANDS, main
from rayfed.config import Settings, plain
from rayfed.errors import DataError
from rayfed.protocol.messages import NodeStatus

HEAVY = ("torch", "ray", "web3", "mlflow", "sklearn", "matplotlib", "boto3", "numba", "numpy")


def command(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("RAYFED_TRACE", "HYDRA_FULL_ERROR")}
    return subprocess.run(
        [sys.executable, "-m", "rayfed", *words],
        cwd=cwd,
        env={**inherited, "PYTHONPATH": str(Path(rayfed.__file__).parents[1]), **(env or {})},
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Settings, Path]]:
    """Put a recorder in the place of the federation, so that only the command line itself is under test."""
    calls: list[tuple[str, Settings, Path]] = []

    def run(settings: Settings, config: dict[str, Any], output: Path) -> Any:
        assert config["federation"]["nodes"] == settings.federation.nodes
        calls.append(("run", settings, output))
        if settings.seed == 13:
            raise DataError("data.root", "there is no folder\n/nowhere")
        if settings.seed == 14:
            raise KeyboardInterrupt
        if settings.seed == 15:
            os.kill(os.getpid(), signal.SIGTERM)
        if settings.seed == 16:
            raise ZeroDivisionError("a bug")
        failed = (NodeStatus(1, "0x1", 1, 2, "failed", error="a disk is full"),) if settings.seed == 17 else ()
        return types.SimpleNamespace(failed=failed)

    def join(settings: Settings, config: dict[str, Any], output: Path) -> None:
        assert config["federation_address"] == settings.federation_address
        calls.append(("join", settings, output))

    for name, function in (("launcher", run), ("join", join)):
        module = types.ModuleType(f"rayfed.runtime.{name}")
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(rayfed.runtime, name, module, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYFED_TRACE", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_run_is_the_default(runner: list[Any], tmp_path: Path) -> None:
    assert main(["federation.nodes=3"]) == 0
    [(verb, settings, output)] = runner
    assert (verb, settings.federation.nodes) == ("run", 3)
    assert output.parent == tmp_path / "outputs/digits"
    assert (output / ".hydra/config.yaml").is_file()
    assert main(["run", "seed=1"]) == 0
    assert runner[1][1].seed == 1


def test_runs_of_one_second_have_a_folder_each(runner: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda *_: "2026-01-01_00-00-00")
    for words in (["seed=1"], ["seed=2"], ["--multirun", "seed=3,4"], ["--multirun", "seed=5,6"]):
        assert main(words) == 0
    folders = [output for _, _, output in runner]
    assert len(set(folders)) == len(folders) == 6
    assert [output.name for output in folders[:2]] == ["2026-01-01_00-00-00", "2026-01-01_00-00-00_2"]
    for number, (_, settings, output) in enumerate(runner, start=1):
        assert settings.seed == number
        assert (output / ".hydra/overrides.yaml").read_text() == f"- seed={number}\n"
    assert len(list(folders[0].parent.iterdir())) == 4  # two runs, two sweeps, and no folder besides


def written_in(folder: Path) -> str:
    return "\n".join(file.read_text() for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("word", "url", "shown"),
    [
        ("{}", "https://rpc.example.org/v2/SECRET", "https://rpc.example.org/***"),
        ("'{}'", "https://rpc.example.org/?key=SECRET", "https://rpc.example.org/?***"),
        ("{}", "https://rpc.example.org/?key=SECRET", "https://rpc.example.org/?***"),
        ("{}", "https://someone:SECRET@rpc.example.org:8545", "https://***@rpc.example.org:8545"),
        ("{}", "http://someone:SECRET@localhost:8545/path", "http://***@localhost:8545/path"),
    ],
)
def test_what_is_secret_in_a_url_reaches_the_run_and_no_record(
    runner: list[Any], tmp_path: Path, word: str, url: str, shown: str
) -> None:
    chain = ["ledger=rpc", "ledger.key_file=key", f"ledger.rpc_url={word.format(url)}"]
    assert main([*chain, "+profile=real"]) == 0
    [(_, settings, output)] = runner
    assert settings.ledger.rpc_url == url
    assert plain(settings)["ledger"]["rpc_url"] == shown
    written = written_in(output)
    assert "ledger.rpc_url=${oc.env:RAYFED_LEDGER_RPC_URL}" in written
    assert "SECRET" not in written
    assert "RAYFED_LEDGER_RPC_URL" not in os.environ


@pytest.mark.parametrize(
    ("setting", "url", "shown"),
    [
        ("track.tracking_uri", "https://me:SECRET@mlflow.example.org/team", "https://***@mlflow.example.org/team"),
        ("track.tracking_uri", "postgresql://me:SECRET@db/mlflow", "postgresql://***@db/mlflow"),
        ("ledger.ws_url", "wss://rpc.example.org/ws/SECRET", "wss://rpc.example.org/***"),
        ("+learner.url", "https://rpc.example.org/?key=SECRET", "https://rpc.example.org/?***"),
    ],
)
def test_other_settings_urls_are_kept_out_too(runner: list[Any], setting: str, url: str, shown: str) -> None:
    assert main([f"{setting}={url}"]) == 0
    [(_, settings, output)] = runner
    group, name = setting.lstrip("+").split(".")
    held = dataclasses.asdict(settings)[group]
    assert held[name] == url
    assert plain(settings)[group][name] == shown
    assert "SECRET" not in written_in(output)


def test_a_secret_by_the_environment_or_in_part(
    runner: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = ["ledger=rpc", "ledger.key_file=key", "+profile=real"]
    word = "ledger.rpc_url=https://rpc.example.org/v2/${oc.env:KEY}"
    monkeypatch.setenv("KEY", "SECRET")
    assert main([*chain, word]) == 0
    [(_, settings, output)] = runner
    assert settings.ledger.rpc_url == "https://rpc.example.org/v2/SECRET"
    assert word in written_in(output)
    assert "SECRET" not in written_in(output)
    assert main([f"resume={output}"]) == 0
    assert runner[1][1] == settings
    monkeypatch.delenv("KEY")
    assert main([f"resume={output}"]) == 2
    assert "rayfed: ledger.rpc_url: the environment variable KEY is not set" in capsys.readouterr().err


def test_whoever_carries_on_a_run_gives_the_secret_again(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    url = "ledger.rpc_url=https://rpc.example.org/v2/SECRET"
    assert main(["ledger=rpc", "ledger.key_file=key", "+profile=real", url]) == 0
    again = f"resume={runner[0][2]}"
    assert main([again]) == 2
    told = capsys.readouterr().err
    assert told.startswith(
        "rayfed: ledger.rpc_url: the environment variable RAYFED_LEDGER_RPC_URL is not set; as it may"
    )
    assert main([again, url]) == 0
    assert runner[1][1] == runner[0][1]
    assert "SECRET" not in written_in(runner[0][2])


def test_a_secret_among_others_is_refused(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--multirun", "ledger.rpc_url=https://a/v2/SECRET,https://b/v2/SECRET"]) == 2
    assert "ledger.rpc_url: holds a secret" in (told := capsys.readouterr().err)
    assert "SECRET" not in told
    assert runner == []


def test_a_secret_in_a_users_yaml_is_not_copied(runner: list[Any], tmp_path: Path) -> None:
    (tmp_path / "conf/experiment").mkdir(parents=True)
    yaml = "# @package _global_\nledger:\n  kind: rpc\n  key_file: key\n  rpc_url: https://rpc.example.org/v2/SECRET\n"
    (tmp_path / "conf/experiment/mine.yaml").write_text(yaml)
    assert main(["--config-dir", str(tmp_path / "conf"), "+experiment=mine", "+profile=real"]) == 0
    [(_, settings, output)] = runner
    assert settings.ledger.rpc_url == "https://rpc.example.org/v2/SECRET"
    assert "rpc_url: https://rpc.example.org/***" in written_in(output)
    assert "SECRET" not in written_in(output)


def test_a_sweep_runs_each(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--multirun", "seed=1,2", "merge=mean,median"]) == 0
    assert [(s.seed, s.merge.rule) for _, s, _ in runner] == [(1, "mean"), (1, "median"), (2, "mean"), (2, "median")]
    assert len({output for _, _, output in runner}) == 4


def test_a_bad_job_of_a_sweep_is_told_and_the_others_run(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--multirun", "federation.nodes=0,3"]) == 2
    assert [settings.federation.nodes for _, settings, _ in runner] == [3]
    assert capsys.readouterr().err == "rayfed: federation.nodes: 0 is out of range: 1 to 256\n"


def test_join_takes_the_same_configuration(runner: list[Any]) -> None:
    address = "0x" + "12" * 20
    chain = ["ledger=rpc", "ledger.rpc_url=http://h:1", "ledger.key_file=key"]
    words = [f"+federation_address={address}", "+charter=charter.json", "store=s3", "store.bucket=b"]
    assert main(["join", *chain, *words]) == 0
    assert runner[0][0] == "join"
    assert runner[0][1].federation_address == address


def test_join_without_a_federation(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["join"]) == 2
    assert runner == []
    assert capsys.readouterr().err.startswith("rayfed: federation_address: ")


def test_an_error_in_a_run_is_one_line(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed=13"]) == 2
    assert capsys.readouterr() == ("", "rayfed: data.root: there is no folder /nowhere\n")


def test_the_trace_is_there_for_who_asks(
    runner: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYFED_TRACE", "1")
    with pytest.raises(SystemExit, match="1"):
        main(["seed=13"])
    assert "Traceback" in capsys.readouterr().err


def test_a_sweep_ends_in_a_table(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--multirun", "seed=1,2", "federation.nodes=3,0"]) == 2
    out, err = capsys.readouterr()
    (folder,) = {output.parent for _, _, output in runner}
    assert "sweep of 4 runs" in out
    with (folder / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said = [(row["seed"], row["federation.nodes"]) for row in rows]
    assert said == [("1", "3"), ("1", "0"), ("2", "3"), ("2", "0")]
    complaints = [line.removeprefix("rayfed: ") for line in err.splitlines()]
    assert [row["error"] for row in rows if row["error"]] == complaints
    assert len(complaints) == 2


def test_an_interrupted_sweep_tells_what_there_is(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--multirun", "seed=1,14,3"]) == 130
    assert "sweep of 2 runs" in capsys.readouterr().out
    assert len(runner) == 2, "the third is not begun"


def test_a_single_run_ends_in_no_table(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed=1"]) == 0
    assert capsys.readouterr().out == ""


def test_a_bug_is_not_dressed_up(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["seed=16"])
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "ZeroDivisionError: a bug" in error


def test_a_run_whose_nodes_failed_for_good_does_not_end_well(
    runner: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["seed=17"]) == 1
    assert capsys.readouterr().err == "rayfed: node 1 failed and does not hold the final model: a disk is full\n"


def test_ctrl_c(runner: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seed=14"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_sigterm_unwinds(runner: list[Any]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["seed=15"])
    assert caught.value.code == 143


@pytest.mark.parametrize(
    ("seed", "line"),
    [
        (13, "ERROR rayfed.told: data.root: there is no folder /nowhere"),
        (14, "ERROR rayfed.told: interrupted"),
        (15, "ERROR rayfed.told: terminated"),
        (16, "ERROR rayfed.told: a bug: a bug"),
        (17, "ERROR rayfed.told: node 1 failed and does not hold the final model: a disk is full"),
    ],
)
def test_the_log_says_how_a_run_ended(runner: list[Any], seed: int, line: str) -> None:
    with contextlib.suppress(SystemExit):
        main([f"seed={seed}"])
    logged = (runner[0][2] / "rayfed.log").read_text()
    assert logged.splitlines()[0].endswith(line)
    assert ("ZeroDivisionError" in logged) == (seed == 16)


def test_the_environment_is_left_as_it_was(runner: list[Any]) -> None:
    main([])
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert "rayfed" not in sys.argv[0] or Path(sys.argv[0]).exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["foo"], "rayfed: foo: is neither a command (run, join, watch, invitation, "),
        (["adit"], "rayfed: adit: is neither a command"),
        (["seed=1", "foo"], "rayfed: foo: is not of the form name=value"),
        (["data=cifar12"], "rayfed: data: there is no 'cifar12'; did you mean cifar10?"),
        (["data=[1,2]"], "rayfed: command line: "),
        (["--cfg", "job", "--resolve", "nodes=3"], "rayfed: nodes: there is no such group or setting"),
        (["--help", "data=cifar12"], "rayfed: data: there is no 'cifar12'"),
        (["--resolve"], "rayfed: command line: The --resolve flag"),
        (["ui"], "rayfed: --tracking-uri: there are no runs yet"),
        (["ui", "--tracking-uri", "http://h:1"], "rayfed: --tracking-uri: http://h:1 is already a server"),
        (["ui", "--tracking-uri", "postgresql://h/x", "--port", "99999"], "rayfed: --port: 99999 is out of range"),
        (
            ["ui", "--tracking-uri", "postgresql://h/x", "--host", "300.1.1.1"],
            "rayfed: --host: 300.1.1.1 is no",
        ),
        ([f"name={'x' * 300}"], "rayfed: hydra.run.dir: cannot make the folder outputs/xxx"),
        (["--config-name", "nope"], "rayfed: --config-name: there is no 'nope' (config)"),
        (["hydra.run.dir=/dev/null/x"], "rayfed: hydra.run.dir: cannot make the folder /dev/null/x: Not a directory"),
        (["-m", "hydra.sweep.dir=/dev/null/x", "seed=1,2"], "rayfed: hydra.run.dir: cannot make the folder /dev/null"),
        (["chain", "--block-time", "0"], "rayfed: --block-time: 0.0 is not a time between blocks"),
    ],
)
def test_bad_words_get_one_line_and_code_2(words: list[str], line: str, tmp_path: Path) -> None:
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_an_unknown_option_is_argparse_s_affair(tmp_path: Path) -> None:
    done = command("--foo", cwd=tmp_path)
    assert done.returncode == 2
    assert "rayfed: error: unrecognized arguments: --foo" in done.stderr


def test_help_teaches(tmp_path: Path) -> None:
    done = command("--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("+experiment=cifar10", "--multirun", "join", "chain", "ui", "trimmed_mean", "tiny_imagenet", "sgd"):
        assert word in done.stdout
    assert done.stdout.count("python -m rayfed") >= 15


def test_cfg_job_shows_the_settings_and_starts_nothing(tmp_path: Path) -> None:
    done = command("--cfg", "job", "+experiment=cifar10", "federation.nodes=8", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  nodes: 8\n" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine/experiment").mkdir(parents=True)
    (tmp_path / "mine/experiment/ours.yaml").write_text("# @package _global_\nname: ours\n")
    done = command("--config-dir", "mine", "+experiment=ours", "--cfg", "job", cwd=tmp_path)
    assert done.stdout.startswith("name: ours\n")


@pytest.mark.parametrize("asks", ["-h", "--help", "help"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(
    name: str, asks: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whether the word that asks stands before the command or behind it."""
    monkeypatch.chdir(tmp_path)

    def said(*words: str) -> str:
        with contextlib.suppress(SystemExit):
            assert main(list(words)) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    text = said(asks, name)
    assert text == said(name, "--help")
    assert text.startswith(f"usage: rayfed {name}") or name in ("run", "join", "watch")
    assert len(text.splitlines()) > 4
    assert list(tmp_path.iterdir()) == [], "nothing is run"


@pytest.mark.parametrize("words", [["--help"], ["audit", "--help"], ["--cfg", "job"]])
def test_output_that_nobody_reads_is_no_error(words: list[str], tmp_path: Path) -> None:
    """As with ``| head``, however much fits into the pipe: what reads it has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rayfed", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(rayfed.__file__).parents[1])},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=400,
        )
    finally:
        os.close(writer)
    assert done.stderr == ""
    assert done.returncode in ((0, 141) if words[0] == "audit" else (141,)), "argparse minds it less"


def test_its_version_is_not_hydras(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rayfed {rayfed.__version__}\n"


def test_pages_are_not_served_where_somebody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["ui", "--tracking-uri", "postgresql://h/x", "--port", str(port)]) == 2
    assert capsys.readouterr().err.startswith(f"rayfed: --port: cannot listen on 127.0.0.1:{port}: ")


def test_help_on_what_is_no_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-h", "audti"]) == 2
    assert "did you mean audit?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job"], ["nodes=3"], ["federation.nodes=0"]])
def test_nothing_heavy_is_imported_before_the_settings_are_good(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; from rayfed.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', sorted(set({HEAVY}) & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(rayfed.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=400
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_import_rayfed_is_instant_and_its_names_are_real() -> None:
    code = "import sys, rayfed; print(sorted({'hydra', 'omegaconf', 'numpy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    for name in rayfed.__all__:
        assert getattr(rayfed, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = rayfed.no_such_name

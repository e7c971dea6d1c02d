"""Bad input through the real command line: one line that names the setting, exit code 2, no process left behind."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rayfed.ledger.ethereum import abi, deployment
from rayfed.ledger.ethereum.devchain import DevChain
from rayfed.ledger.ethereum.rpc import Rpc
from rayfed.protocol.messages import Terms
from tests.integration.federations import PATIENCE, SMALL, Command, on_a_disk, rayfed_words, run

pytestmark = pytest.mark.timeout(2 * PATIENCE)

ADDRESS = "0x" + "12" * 20
DEAD = 9  # the discard port: nothing listens there
PLAYED = "ledger.allow_demo_times=true"

MISSPELT = {
    "a group that does not exist": (["rules=mean"], "rules"),
    "an option that a group does not have": (["merge=average"], "merge"),
    "an experiment that does not exist": (["+experiment=mnist"], "experiment"),
    "a key that does not exist": (["federation.node=3"], "federation.node"),
    "a key added by force": (["+federation.node=3"], "federation.node"),
    "a word where a number belongs": (["federation.nodes=many"], "federation.nodes"),
    "a value that is not one of those there are": (["partition.kind=fair"], "partition.kind"),
    "no name=value at all": (["faster"], "faster"),
    "257 nodes": (["federation.nodes=257"], "federation.nodes"),
    "no node": (["federation.nodes=0"], "federation.nodes"),
    "a setting of the first edition": (["federation.quorum=2/3"], "federation.quorum"),
    "a demonstration's court on a chain of others": (
        ["ledger.rpc_url=http://127.0.0.1:9", "ledger.key_file=/nowhere/key"],
        "stake.window_seconds",
    ),
    "more founders than nodes": (["federation.start_members=5"], "federation.start_members"),
    "more commits wanted than founders": (["federation.min_members=5"], "federation.min_members"),
    "no folder of pictures": (["data=image_folder"], "data.root"),
    "an Anvil that is not there": (["ledger.anvil=/nowhere/anvil"], "ledger.anvil"),
    "an Anvil that cannot be run": (["ledger.anvil=/etc/passwd"], "ledger.anvil"),
    "a chain without a key that pays": (["ledger.rpc_url=http://127.0.0.1:9"], "ledger.key_file"),
    "a key file that is not there": (
        ["ledger.rpc_url=http://127.0.0.1:9", "ledger.key_file=/nowhere/key", PLAYED],
        "ledger.key_file",
    ),
    "S3 without a bucket": (["store=s3"], "store.bucket"),
    "a state folder that cannot be made": (["cluster.state_dir=/proc/nowhere"], "cluster.state_dir"),
    "joining without an address": (["join"], "federation_address"),
    "joining at no address": (["join", "+federation_address=0x12"], "federation_address"),
    "joining without a charter": (["join", f"+federation_address={ADDRESS}"], "charter"),
}


@pytest.mark.parametrize("case", MISSPELT)
def test_settings_that_cannot_be(case: str, tmp_path: Path) -> None:
    words, setting = MISSPELT[case]
    ended = run(*words, folder=tmp_path)
    assert ended.complaint.startswith(f"{setting}: "), ended.err
    assert ended.out == ""


def test_no_anvil_anywhere(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    # A package without a clone around it, as a wheel installs it: no contracts/node_modules beside it.
    tree = tmp_path / "site"
    root = Path(sys.modules["rayfed"].__file__ or "").parent
    shutil.copytree(root, tree / "rayfed", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root.parent / "conf", tree / "rayfed" / "conf")
    ended = run(folder=tmp_path / "work", env={"PATH": str(empty), "PYTHONPATH": str(tree)})
    assert ended.complaint.startswith("ledger.anvil: no Anvil on PATH")


# -- a chain that is not what the settings say ----------------------------------------------------------------------


class Liar(BaseHTTPRequestHandler):
    """A web server where a chain should be."""

    def do_POST(self) -> None:
        body = b"<html>welcome</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_dead_rpc(tmp_path: Path, key_file: Path) -> None:
    ended = run(f"ledger.rpc_url=http://127.0.0.1:{DEAD}", f"ledger.key_file={key_file}", PLAYED, folder=tmp_path)
    assert ended.complaint.startswith("ledger.rpc_url: no answer from http://127.0.0.1:9")
    assert ended.out == ""


def test_an_rpc_that_is_a_web_server(tmp_path: Path, key_file: Path, web_server: str) -> None:
    ended = run(f"ledger.rpc_url={web_server}", f"ledger.key_file={key_file}", PLAYED, folder=tmp_path)
    assert ended.complaint.startswith("ledger.rpc_url: what answers")


def test_another_chain(tmp_path: Path, key_file: Path, chain: DevChain) -> None:
    ended = run(
        f"ledger.rpc_url={chain.rpc_url}", f"ledger.key_file={key_file}", PLAYED, "ledger.chain_id=1", folder=tmp_path
    )
    assert ended.complaint.startswith("ledger.chain_id: wanted chain 1")


def test_a_key_that_others_may_read(tmp_path: Path, chain: DevChain, key_file: Path) -> None:
    exposed = tmp_path / "key"
    exposed.write_text(key_file.read_text())
    exposed.chmod(0o644)
    ended = run(f"ledger.rpc_url={chain.rpc_url}", f"ledger.key_file={exposed}", PLAYED, folder=tmp_path)
    assert ended.complaint.startswith("ledger.key_file: ")
    assert "chmod 600" in ended.err
    assert key_file.read_text().strip()[2:] not in ended.err


# -- a federation that is not the one to join -----------------------------------------------------------------------


def join(address: str, charter: Path, chain: DevChain, key_file: Path, folder: Path) -> str:
    """Try to join; return the one line of complaint."""
    return run(
        "join",
        f"+federation_address={address}",
        f"+charter={charter}",
        f"ledger.rpc_url={chain.rpc_url}",
        f"ledger.key_file={key_file}",
        PLAYED,
        "store=files",
        folder=folder,
    ).complaint


@pytest.fixture(scope="module")
def charter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A charter as a run writes it."""
    from rayfed.config import load
    from rayfed.runtime.drafting import draft

    path = tmp_path_factory.mktemp("charter") / "charter.json"
    path.write_text(draft(load(["model.width=4", "model.hidden=16"])).canonical_json())
    return path


def test_a_charter_that_is_none(tmp_path: Path, chain: DevChain, key_file: Path) -> None:
    broken = tmp_path / "charter.json"
    assert join(ADDRESS, broken, chain, key_file, tmp_path).startswith("charter: cannot read")
    broken.write_text('{"rounds": 5}')
    assert join(ADDRESS, broken, chain, key_file, tmp_path).startswith(f"charter: {broken} is not a charter")


def test_no_contract_there(tmp_path: Path, chain: DevChain, key_file: Path, charter: Path) -> None:
    complaint = join(ADDRESS, charter, chain, key_file, tmp_path)
    assert complaint.startswith(f"federation_address: there is no contract at {abi.checksum(ADDRESS)}")


def test_a_contract_that_is_not_ours(tmp_path: Path, chain: DevChain, key_file: Path, charter: Path) -> None:
    rpc = Rpc(chain.rpc_url)
    rpc.call("anvil_setCode", ADDRESS[:-2] + "ff", "0x6080604052600080fd")
    complaint = join(ADDRESS[:-2] + "ff", charter, chain, key_file, tmp_path)
    assert complaint.startswith("federation_address: the contract at ")
    assert complaint.endswith("is not a rayfed federation of this release's contracts")


def test_another_charter(tmp_path: Path, chain: DevChain, key_file: Path, charter: Path) -> None:
    terms = Terms(b"\1" * 32, b"\2" * 32, 1, 60, 60, 60, 60, 2, 1, 0)
    other = deployment.deploy(Rpc(chain.rpc_url), chain.funder, terms)
    complaint = join(other.address, charter, chain, key_file, tmp_path)
    assert complaint.startswith(f"charter: {other.address} was founded on charter 0101")


# -- a store that refuses -------------------------------------------------------------------------------------------

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_REGION": "us-east-1"}


class Refusal(BaseHTTPRequestHandler):
    """An S3 that knows nobody."""

    def do_HEAD(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_an_s3_that_refuses(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        ended = run("store=s3", "store.bucket=blobs", f"store.endpoint_url={url}", folder=tmp_path, env=CREDENTIALS)
        server.shutdown()
    assert ended.complaint.startswith(f"store.bucket: {url} refuses access")


def test_an_s3_that_is_not_there(tmp_path: Path) -> None:
    words = ("store=s3", "store.bucket=blobs", f"store.endpoint_url=http://127.0.0.1:{DEAD}")
    ended = run(*words, folder=tmp_path, env=CREDENTIALS)
    assert ended.complaint.startswith("store.endpoint_url: http://127.0.0.1:9 does not answer")


# -- pictures, which only the cluster's machines know -----------------------------------------------------------------


def picture(path: Path, shade: int = 0) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (8, 8), (shade % 256, 0, 0))
    image.putpixel((0, 0), (255, 255, 255))
    image.save(path)


def folder_of(tmp_path: Path, train: int) -> Path:
    """Return a folder with so many training pictures of each of two classes."""
    for kind in ("cat", "dog"):
        for number in range(train):
            picture(tmp_path / "pictures" / "train" / kind / f"{number}.png", number)
        picture(tmp_path / "pictures" / "test" / kind / "0.png")
    return tmp_path / "pictures"


def complaint_about(tmp_path: Path, shared: tuple[str, ...], *words: str) -> str:
    return run(*SMALL, *shared, *words, f"data.cache_dir={tmp_path / 'cache'}", folder=tmp_path / "work").complaint


def test_a_data_folder_that_is_not_there(tmp_path: Path, shared: tuple[str, ...]) -> None:
    complaint = complaint_about(tmp_path, shared, "data=image_folder", f"data.root={tmp_path / 'nowhere'}")
    assert complaint.startswith("data.root: there is no folder")


def test_a_data_folder_that_is_empty(tmp_path: Path, shared: tuple[str, ...]) -> None:
    (tmp_path / "pictures" / "train").mkdir(parents=True)
    complaint = complaint_about(tmp_path, shared, "data=image_folder", f"data.root={tmp_path / 'pictures'}")
    assert complaint.startswith("data.root: there is no image in")


def test_a_broken_picture(tmp_path: Path, shared: tuple[str, ...]) -> None:
    root = folder_of(tmp_path, 3)
    (root / "train" / "dog" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    complaint = complaint_about(tmp_path, shared, "data=image_folder", f"data.root={root}")
    assert complaint.startswith("data.root: ")
    assert "dog/1.png" in complaint


def test_fewer_pictures_than_nodes(tmp_path: Path, shared: tuple[str, ...]) -> None:
    root = folder_of(tmp_path, 1)
    words = ("data=image_folder", f"data.root={root}", "partition=iid", "partition.min_examples=1")
    complaint = complaint_about(tmp_path, shared, *words)
    assert complaint.startswith(("federation.nodes: ", "partition.")), complaint


def test_cifar10_neither_there_nor_allowed(tmp_path: Path, shared: tuple[str, ...]) -> None:
    words = ("data=cifar10", f"data.root={tmp_path / 'empty'}", "data.download=false")
    assert complaint_about(tmp_path, shared, *words).startswith("data.download: cifar10 is not in")


def test_a_model_that_does_not_exist(tmp_path: Path, shared: tuple[str, ...]) -> None:
    complaint = complaint_about(tmp_path, shared, "model._target_=torchvision.models.resnet19")
    assert complaint.startswith("model._target_: ")


# -- what this machine can find out before it starts Ray or a chain ---------------------------------------------------

ODD = "tests.unit.learning.odd_models"
MODEL = ("~model.width", "~model.hidden", "~model.dropout")

TRIED = {
    "no folder of pictures there": (["data=image_folder", "data.root=/nowhere"], "data.root: there is no folder"),
    "no file of weights": (["model.pretrained=/nowhere.pt"], "model.pretrained: there is no file /nowhere.pt"),
    "no such module": (["model._target_=nowhere.Net"], "model._target_: cannot import 'nowhere'"),
    "no such learner": (["learner._target_=nowhere.Learner"], "learner._target_: cannot import 'nowhere'"),
    "no scores in training": ([f"model._target_={ODD}.TrainNothing", *MODEL], f"model._target_: {ODD}.TrainNothing"),
    "a rate below zero": (["train.optimizer.lr=-1"], "train.optimizer: torch.optim.SGD does not take these parameters"),
    "momentum that only grows": (["train.optimizer.momentum=2"], "train.optimizer.momentum: 2 is out of range"),
    "a loss that is no task": (["task._target_=torch.nn.MSELoss"], "task._target_: torch.nn.MSELoss has no metric"),
    "a rate that explodes": (["train.optimizer.lr=1e38"], "train.optimizer: first steps make"),
}


@pytest.mark.parametrize("case", TRIED)
def test_what_cannot_be_trained_starts_neither_ray_nor_a_chain(case: str, tmp_path: Path) -> None:
    words, complaint = TRIED[case]
    ended = run(*words, folder=tmp_path)
    assert ended.complaint.startswith(complaint)
    assert "starting" not in ended.out
    assert not (tmp_path / "run" / "charter.json").exists()


# -- what has to start before it can fail -----------------------------------------------------------------------------


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can answer there
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        ended = run(*SMALL, f"cluster.address={address}", folder=tmp_path)
    assert ended.complaint.startswith(f"cluster.address: no Ray at {address}: ")
    assert ended.out == ""


def test_a_full_disk(tmp_path: Path) -> None:
    """The nodes' folder lies on a disk of 24 KiB, which holds a key and a journal but not a model's blob."""
    mounted = on_a_disk(tmp_path / "disk", "24k")
    # A disk may have room again, so a node tries in some rounds before it gives up.
    soon = [f"federation.{phase}_seconds=10" for phase in ("commit", "vote", "attest")]
    soon.append("federation.max_void=1000")  # a slow machine's rounds may be over before it has tried
    state = f"cluster.state_dir={tmp_path / 'disk'}"
    words = rayfed_words(*SMALL, *soon, "federation.nodes=1", state, folder=tmp_path / "work")
    command = Command([*mounted, *words], tmp_path / "work")
    try:
        complaint = command.wait().complaint
    finally:
        command.end()
    assert complaint.startswith("cluster.state_dir: ")
    assert "No space left on device" in complaint

"""The servers that a run may talk to, each a process that can be killed and comes back at its place: S3 and MLflow."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from rayfed.testing.chaos.real import processes

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BUCKET = "chaos"
REGION = "us-east-1"
ANSWER_SECONDS = 600.0
"""How long a server may take to answer, on a machine that has other work too."""


class Server(ABC):
    """A program that listens on one port for as long as it lives, and on the same one when it is started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._command: processes.Command | None = None

    def start(self) -> None:
        """Start it and return once it answers.

        Raises:
            RuntimeError: it ends at once, or never answers.
        """
        command = self.launch()
        end = time.monotonic() + ANSWER_SECONDS
        while not self._answers():
            if time.monotonic() > end or not command.running:
                raise RuntimeError(f"{command.process.args!r} does not answer: {command.out[-800:]}")
            time.sleep(0.2)

    def launch(self) -> processes.Command:
        """Start it and return at once."""
        self._command = command = processes.Command(self._words(), self.folder, self._environment())
        return command

    def kill(self) -> None:
        """Kill it and all that it started without a word; it may be started again."""
        self.end()

    def end(self) -> None:
        """Kill it for good."""
        if self._command is not None:
            self._command.kill_all()
            self._command = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all its processes."""
        for pid in self._command.processes() if self._command is not None else ():
            processes.send(pid, number)

    @abstractmethod
    def _words(self) -> list[str]:
        """Return the command line."""

    def _environment(self) -> dict[str, str]:
        return {}

    @abstractmethod
    def _answers(self) -> bool:
        """Say whether it does its work."""


class S3Server(Server):
    """moto's server with one bucket.

    moto keeps everything in memory. What a server has confirmed is on its disks, so here it is put back when it starts
    again after it was killed. Whoever kills it has to see to it that nothing comes in at the same time.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._kept: dict[str, bytes] = {}

    def start(self) -> None:
        """See ``Server``; what it had is there again."""
        super().start()
        client = self._client()
        client.create_bucket(Bucket=BUCKET)
        for key, data in self._kept.items():
            client.put_object(Bucket=BUCKET, Key=key, Body=data, ChecksumAlgorithm="SHA256")
        client.close()

    def kill(self) -> None:
        """See ``Server``."""
        client = self._client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", ()):
                self._kept[item["Key"]] = client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
        client.close()
        super().kill()

    def _words(self) -> list[str]:
        program = shutil.which("moto_server") or str(Path(sys.executable).with_name("moto_server"))
        return [program, "-H", "127.0.0.1", "-p", str(self.port)]

    def _answers(self) -> bool:
        from botocore.exceptions import BotoCoreError

        client = self._client()
        try:
            client.list_buckets()
        except BotoCoreError:
            return False
        finally:
            client.close()
        return True

    def _client(self) -> S3Client:
        import boto3

        keys = credentials()
        session = boto3.session.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name=REGION)
        client: S3Client = session.client("s3", endpoint_url=self.url)
        return client


def credentials() -> dict[str, str]:
    """Return the environment in which AWS tools talk to it, and look for nothing elsewhere."""
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_DEFAULT_REGION": REGION}
    return {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "play-money", **files}


class MlflowServer(Server):
    """``mlflow server`` on a database and a folder for artifacts, both of which outlive it."""

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.folder / "mlflow.db"

    def _words(self) -> list[str]:
        words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        words += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.database}"]
        return [*words, "--artifacts-destination", str(self.folder / "artifacts")]

    def _environment(self) -> dict[str, str]:
        return {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # urllib's own errors are OSErrors too
            return False

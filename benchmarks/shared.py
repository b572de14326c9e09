"""What benchmarks of shared queues stand on: a local server of AWS's interfaces, with an environment's parts.

The server is ministack, from ``.venv-aws`` (`make test` makes it) or PATH.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import measure

from rushes.shared_ledger.dynamo_shape import TABLE

BUCKET = "rushes-bench"
CLIP = f"s3://{BUCKET}/clip.mov"
CLASSES = ("urgent", "standard", "background")
_PLACE = Path(__file__).parents[1] / ".venv-aws" / "bin" / "ministack"


@contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """A server of one's own with a bucket, a clip, a ledger and queues; gives the variables that tell of it.

    Raises:
        measure.Failed: it is not installed.
    """
    program = str(_PLACE) if _PLACE.exists() else shutil.which("ministack")
    if program is None:
        raise measure.Failed("the local AWS server is not installed: `make test` does that")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "S3_DATA_DIR": str(folder / "s3"),
        "LOG_LEVEL": "ERROR",
    }  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([program], env=environ, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for(port)
        yield _made(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def client(service: str, variables: dict[str, str]) -> Any:
    """A client of it."""
    import boto3  # noqa: PLC0415 - the other rows need no SDK
    from botocore.config import Config  # noqa: PLC0415 - with it

    return boto3.client(
        service,
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nobody",  # noqa: S106 - nobody's
        config=Config(max_pool_connections=32),
    )


@contextmanager
def hosts(count: int, folder: Path, variables: dict[str, str], width: int) -> Iterator[list[Path]]:
    """Hosts of one core each, as processes; gives the files into which they count requests as they end."""
    script = Path(__file__).with_name("shared_host.py")
    files = [folder / f"host-{number}.json" for number in range(count)]
    homes = [folder / f"home-{number}" for number in range(count)]
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(width), str(file)],
            env=measure.clean_environment(**variables, RUSHES_HOME=str(home), RUSHES_CPU="1"),
            stdout=subprocess.DEVNULL,
        )
        for file, home in zip(files, homes, strict=True)
    ]
    try:
        yield files
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for home in homes:
            measure.end_worker(home)


def workers(folder: Path, count: int) -> list[int]:
    """The processes of the hosts' own pools, which are detached."""
    from rushes.engines.local import LocalEngine  # noqa: PLC0415 - only here

    homes = (str(folder / f"home-{number}") for number in range(count))
    return [int(LocalEngine(measure.clean_environment(RUSHES_HOME=home)).hello["pid"]) for home in homes]


def _made(endpoint: str) -> dict[str, str]:
    variables = {
        "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nobody", "AWS_EC2_METADATA_DISABLED": "true", "RUSHES_POLL": "5s",
        "RUSHES_TABLE": "ledger",
    }  # fmt: skip
    s3, sqs = client("s3", variables), client("sqs", variables)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="clip.mov", Body=b"clip")
    client("dynamodb", variables).create_table(TableName="ledger", **TABLE)
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in CLASSES}
    return {**variables, "RUSHES_QUEUES": ",".join(f"hosts/{name}={url}" for name, url in urls.items())}


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_localstack/health", timeout=1):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    raise measure.Failed("the local AWS server does not answer")

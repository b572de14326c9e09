"""A real AWS over HTTP on loopback, without an account: ministack, in an environment of its own.

It pins a botocore of its own, so it is not installed beside us: ``make test`` installs it into ``.venv-aws``.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from waiting import until

_PLACE = Path(__file__).parents[1] / ".venv-aws" / "bin" / "ministack"


@dataclass(frozen=True)
class AwsServer:
    """Where it answers."""

    endpoint: str
    pid: int = 0

    def client(self, service: str, *, max_attempts: int = 4, **more: Any) -> Any:
        """A client of it, with credentials of nobody."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - nobody's
            config=Config(
                retries={"mode": "standard", "max_attempts": max_attempts}, max_pool_connections=32
            ),
            **more,
        )


def executable() -> str | None:
    """The server's program, if it is installed."""
    return str(_PLACE) if _PLACE.exists() else shutil.which("ministack")


@contextmanager
def serving(folder: Path) -> Iterator[AwsServer]:
    """A server of one's own; left out by name where it is not installed, a failure with CI=true."""
    program = executable()
    if program is None:
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail("CI must have the local AWS server: `make test` installs it", pytrace=False)
        pytest.skip("left out: needs the local AWS server (`make test` installs it)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary = folder / "tmp"  # it leaves the code of every function that it ran, and more
    temporary.mkdir(exist_ok=True)
    environ = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "S3_DATA_DIR": str(folder / "s3"),
        "TMPDIR": str(temporary),
        "LOG_LEVEL": "ERROR",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([program], env=environ, stdout=log, stderr=log, cwd=folder)
    try:
        until(lambda: _answers(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "server.log").read_text()
        yield AwsServer(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_localstack/health", timeout=1):
            return True
    except (OSError, urllib.error.URLError):
        return False

"""One server for all tests of this folder; each has a bucket, a table and queues of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import on_lambda
import pytest
from aws_server import AwsServer, serving
from click.testing import CliRunner
from lambda_account import Account
from lambda_runtime import unpacked_wheel

from rushes.cli.app import app


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    with serving(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture(scope="session")
def clients(aws: AwsServer) -> dict[str, Any]:
    return {name: aws.client(name) for name in ("s3", "dynamodb", "sqs")}


@pytest.fixture
def unique(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A name that no other test has."""
    return f"rushes-{abs(hash((request.node.nodeid, str(tmp_path)))):x}"


@pytest.fixture
def environment_name(aws: AwsServer, unique: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An environment that a test deploys by command, and that goes with it."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    name = f"t{unique[-8:]}"
    yield name
    made = CliRunner().invoke(app, ["infra", "destroy", "--env", name, "--yes", "--force"])
    assert made.exit_code == 0, made.output


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = unpacked_wheel(tmp_path_factory.mktemp("lambda"))
    shutil.copy(str(on_lambda.__file__), folder)
    return folder


@pytest.fixture
def account(aws: AwsServer, unique: str, package: Path, tmp_path: Path) -> Iterator[Account]:
    folder = tmp_path / "lambdas"
    folder.mkdir()
    made = Account(aws, unique, package, folder)
    yield made
    made.close()

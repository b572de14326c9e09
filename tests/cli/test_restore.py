"""Clips that are in an archive are brought back when somebody asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from rushes.cli.app import app
from rushes.cli.session import Session
from rushes.engines.aws.access.services import Services
from rushes.engines.aws.access.settings import AwsSettings
from rushes.engines.aws.engine import AwsEngine
from rushes.storage.s3 import S3Store
from rushes.testing.clock import FakeClock
from rushes.testing.store import StubStore


class Cards:
    """As much of an environment as a store."""

    def __init__(self) -> None:
        self.store = StubStore(FakeClock())
        self.store.put("s3://cards/day1/new.mov", b"new")
        self.store.put("s3://cards/day1/old.mov", b"old", archived="GLACIER")
        self.store.put("s3://cards/day10/older.mov", b"older", archived="DEEP_ARCHIVE")
        self.session = Session(cast("Any", AwsEngine(services=cast("Services", self))))

    def run(self, *words: str) -> str:
        done = CliRunner().invoke(app, ["restore", *words], obj=self.session)
        assert done.exit_code == 0, done.output
        return done.output


def test_what_is_archived_below_a_place_is_asked_for() -> None:
    said = Cards().run("s3://cards/day1/")
    assert said == "1 object on the way back from an archive, 1 can be read now.\n"


def test_said_again_it_tells_what_can_be_read_by_then() -> None:
    cards = Cards()
    cards.run("s3://cards/day1/old.mov", "s3://cards/day10/older.mov")
    found = json.loads(cards.run("s3://cards/day1/old.mov", "s3://cards/day1/new.mov", "--json"))
    assert found == {"schema": 1, "coming": 0, "readable": 2}


def test_what_is_not_there_is_named() -> None:
    done = CliRunner().invoke(app, ["restore", "s3://cards/none.mov"], obj=Cards().session)
    assert done.exit_code == 2
    assert "s3://cards/none.mov does not exist" in done.output


def test_a_pool_of_one_machine_has_no_archive(rushes_home: Any) -> None:
    done = CliRunner().invoke(app, ["restore", "s3://cards/a.mov", "--engine", "local"])
    assert done.exit_code == 2
    assert "Say --engine aws." in done.output


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client(
            "s3",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - nobody's
        )
        client.create_bucket(Bucket="cards")
        yield client


class Tiered:
    """A client of a bucket of which Intelligent-Tiering has archived everything."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def head_object(self, **asked: Any) -> Any:
        return {**self._client.head_object(**asked), "ArchiveStatus": "ARCHIVE_ACCESS"}

    def restore_object(self, **asked: Any) -> None:
        self.asked.append(asked["RestoreRequest"])


def test_what_intelligent_tiering_archived_is_asked_for_without_days(s3: Any) -> None:
    s3.put_object(Bucket="cards", Key="a.mov", Body=b"x", StorageClass="INTELLIGENT_TIERING")
    client = Tiered(s3)
    assert S3Store(client).restore("s3://cards/a.mov", days=7, speed="Bulk") is False
    assert client.asked == [{"GlacierJobParameters": {"Tier": "Bulk"}}]


def test_it_is_asked_of_s3_by_name_and_reads_when_it_has_come(s3: Any) -> None:
    s3.put_object(Bucket="cards", Key="day 1/a+b.mov", Body=b"x", StorageClass="GLACIER")
    engine = AwsEngine(services=Services(AwsSettings(), "laptop", lambda _: s3))
    session = Session(cast("Any", engine))
    done = CliRunner().invoke(app, ["restore", "s3://cards/day 1/", "--days", "2"], obj=session)
    assert done.exit_code == 0, done.output
    assert "object" in done.output
    assert s3.head_object(Bucket="cards", Key="day 1/a+b.mov")["Restore"]

"""`infra backfill` that is stopped half-way, and two at the same time: everything is handed over, once."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from rushes.cli.app import app
from rushes.engines.aws.called import backfill
from rushes.engines.aws.notices.events import of_message
from rushes.notices import Notice

COUNT = 450


class Deployed:
    """A stack that has a router."""

    def __init__(self, url: str) -> None:
        self._url = url

    def outputs(self) -> dict[str, str]:
        return {"QueueEvents": self._url}


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of the router's queue, with objects in two prefixes of a bucket."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        url = boto3.client("sqs", region_name="us-east-1").create_queue(QueueName="events")["QueueUrl"]
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="cards")
        for number in range(COUNT):
            s3.put_object(Bucket="cards", Key=f"day {number % 2}/é+{number:03}.mov", Body=b"clip")
        monkeypatch.setattr("rushes.cli.infra_backfill.stack_of", lambda *_: Deployed(url))
        yield url


def rushes(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def handed_over(url: str) -> Counter[str]:
    """The keys of all objects that are in the queue."""
    sqs, found = boto3.client("sqs", region_name="us-east-1"), Counter[str]()
    while some := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
        for one in some:
            said = of_message(one["Body"])
            assert not isinstance(said, Notice)
            found.update(asked.key for asked in said)
    return found


def stopped_after(monkeypatch: pytest.MonkeyPatch, requests: int, error: BaseException) -> None:
    """Let so many requests of a backfill through, and raise instead of the next one."""
    sent, send = list[str](), backfill._send

    def counted(sqs: Any, url: str, bodies: list[str]) -> None:
        if len(sent) == requests:
            raise error
        sent.append(url)
        send(sqs, url, bodies)

    monkeypatch.setattr(backfill, "_send", counted)


def test_what_ctrl_c_stopped_goes_on_behind_the_last_object(
    events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopping:
        stopped_after(stopping, 1, KeyboardInterrupt())
        made = rushes("infra", "backfill", "--env", "dev", "s3://cards/day 0/", "s3://cards/day 1/")
    assert made.exit_code == 130
    command = made.stderr.strip().splitlines()[-1]
    assert "200 objects below s3://cards/day 0/" in made.stderr
    again = rushes(*shlex.split(command)[1:])
    assert again.exit_code == 0, again.output
    assert "25 objects below s3://cards/day 0/" in again.output
    assert "225 objects below s3://cards/day 1/" in again.output
    found = handed_over(events)
    assert (len(found), set(found.values())) == (COUNT, {1})


def test_what_was_stopped_before_anything_was_handed_over_begins_again(
    events: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopping:
        stopped_after(stopping, 0, KeyboardInterrupt())
        made = rushes("infra", "backfill", "--env", "dev", "s3://cards/")
    assert "--after" not in made.stderr
    assert rushes(*shlex.split(made.stderr.strip().splitlines()[-1])[1:]).exit_code == 0
    assert len(handed_over(events)) == COUNT


def test_an_object_that_is_not_below_the_first_prefix_is_refused(events: str) -> None:
    made = rushes("infra", "backfill", "--env", "dev", "--after", "s3://cards/day 1/x", "s3://cards/day 0/")
    assert (made.exit_code, "is not below" in made.stderr) == (2, True)


def test_a_prefix_with_nothing_in_it_is_said_to_be_that(events: str) -> None:
    made = rushes("infra", "backfill", "--env", "dev", "s3://cards/dya 0/")
    assert made.exit_code == 0
    assert "Nothing lies below s3://cards/dya 0/" in made.output
    assert not handed_over(events)


def test_a_bucket_that_is_not_there_is_named_and_not_counted(events: str) -> None:
    made = rushes("infra", "backfill", "--env", "dev", "s3://crads/day 0/")
    assert made.exit_code == 2
    assert "there is no bucket crads" in made.output
    assert "handed over" not in made.output
    assert "Go on with" not in made.output  # the same command, which would end likewise


def test_what_is_wrong_with_a_later_prefix_leaves_out_those_that_are_done(events: str) -> None:
    made = rushes("infra", "backfill", "--env", "dev", "s3://cards/day 0/", "/tmp")
    assert made.exit_code == 2
    assert shlex.split(made.stderr.splitlines()[1])[-1] == "/tmp"
    assert len(handed_over(events)) == COUNT // 2

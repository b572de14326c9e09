"""The SQS queue: the contract, batches of ten, partial failures and what is no notice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from rushes.errors import CallerError, PlatformError
from rushes.notices import Message, Notice
from rushes.ports import Queue
from rushes.shared_ledger.sqs import TRIES, SqsQueue
from rushes.testing.queue_contract import QueueContract

NOTICES = [Notice(f"k7m2qx.{n}", "urgent", "dune") for n in range(1, 24)]


def url_of(aws: dict[str, Any]) -> str:
    return str(aws["sqs"].get_queue_url(QueueName="urgent")["QueueUrl"])


class TestSqsQueue(QueueContract):
    @pytest.fixture
    def queue(self, aws: dict[str, Any]) -> Queue:
        return SqsQueue(aws["sqs"], url_of(aws))

    @pytest.fixture
    def pass_s(self, aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        skipped = [0.0]
        real = time.time
        monkeypatch.setattr("moto.core.utils.unix_time", lambda *_: real() + skipped[0])
        for name in ("unix_time_millis",):
            monkeypatch.setattr(f"moto.sqs.models.{name}", lambda *_: (real() + skipped[0]) * 1000)

        def skip(seconds: float) -> None:
            skipped[0] += seconds

        return skip


class Half:
    """A client that takes only the first half of every batch, for so many calls."""

    def __init__(self, client: Any, times: int, *, fault: bool = False) -> None:
        self._client, self._times, self._fault = client, times, fault

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not name.endswith("_batch"):
            return found

        def call(**asked: Any) -> Any:
            entries = asked["Entries"]
            if self._times <= 0:
                return found(**asked)
            self._times -= 1
            half = len(entries) // 2
            answer = found(**{**asked, "Entries": entries[:half]}) if half else {}
            refused = [
                {"Id": one["Id"], "Code": "InternalError", "SenderFault": self._fault}
                for one in entries[half:]
            ]
            return {**answer, "Failed": refused}

        return call


def test_what_sqs_did_not_take_of_a_batch_is_sent_again(aws: dict[str, Any]) -> None:
    SqsQueue(Half(aws["sqs"], 2), url_of(aws)).send(NOTICES)
    found = SqsQueue(aws["sqs"], url_of(aws)).receive(100, 0)
    assert sorted(one.notice for one in found) == sorted(NOTICES)


def test_what_sqs_never_takes_is_the_platforms_fault(aws: dict[str, Any]) -> None:
    with pytest.raises(PlatformError) as caught:
        SqsQueue(Half(aws["sqs"], TRIES), url_of(aws)).send(NOTICES[:1])
    assert caught.value.code == "service-busy"


def test_a_handle_that_is_too_old_does_no_harm(aws: dict[str, Any]) -> None:
    queue = SqsQueue(Half(aws["sqs"], 9, fault=True), url_of(aws))
    queue.done([Message(NOTICES[0], "old", 1)])
    queue.extend([Message(NOTICES[0], "old", 1)], 60)


def test_what_is_no_notice_is_passed_over(aws: dict[str, Any]) -> None:
    aws["sqs"].send_message(QueueUrl=url_of(aws), MessageBody='{"Event":"s3:TestEvent"}')
    SqsQueue(aws["sqs"], url_of(aws)).send(NOTICES[:1])
    assert [one.notice for one in SqsQueue(aws["sqs"], url_of(aws)).receive(10, 0)] == NOTICES[:1]


@pytest.mark.parametrize("show", ["dune", "dune, part 2", "ü", "x" * 500])
def test_every_show_can_be_a_group(aws: dict[str, Any], show: str) -> None:
    queue = SqsQueue(aws["sqs"], url_of(aws))
    queue.send([Notice("k7m2qx.1", "urgent", show)])
    assert [one.notice.show for one in queue.receive(1, 0)] == [show]


def test_a_queue_that_is_not_there_is_named(aws: dict[str, Any]) -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/none"
    with pytest.raises(CallerError, match="could not receive from queue none: there is no such queue"):
        SqsQueue(aws["sqs"], url).receive(1, 0)

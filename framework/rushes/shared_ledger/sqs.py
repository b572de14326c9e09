"""A standard queue of SQS: notices in batches of ten, fair between shows.

A message says only that there may be work; the ledger knows. So one that comes twice or out of order does no
harm, and one that is lost is sent again by whoever sweeps the ledger. A message may be invisible for twelve
hours in all (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
sqs-visibility-timeout.html): the notice of work that may take longer is deleted once that is claimed.

Its group is the show: SQS then gives the messages of quiet groups before those of one that floods the queue
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html). This module
must not know what is done about a notice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.errors import CallerError, PlatformError
from rushes.notices import Message, Notice, notice_from, notice_text

__all__ = ["SqsQueue"]

TEN: Final = 10
"""Messages in one request, at most."""
LONGEST_POLL_S: Final = 20
TRIES: Final = 5
_VISIBLE: Final = "ApproximateNumberOfMessages"
_GROUP: Final = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")


class SqsQueue:
    """A `rushes.ports.Queue`.

    Args:
        client: a boto3 client for ``sqs``.
        url: of the queue.
        fair: its messages have groups.
    """

    def __init__(self, client: Any, url: str, *, fair: bool = True) -> None:
        self._client = client
        self._url = url
        self._fair = fair
        self._name = url.rpartition("/")[2]

    def send(self, notices: Sequence[Notice], *, delay_s: int = 0) -> None:
        for start in range(0, len(notices), TEN):
            entries = [
                {
                    "Id": str(number),
                    "MessageBody": notice_text(notice),
                    "DelaySeconds": delay_s,
                    **({"MessageGroupId": _group(notice.show)} if self._fair else {}),
                }
                for number, notice in enumerate(notices[start : start + TEN])
            ]
            self._all_of("send_message_batch", entries, "send to")

    def receive(self, count: int, wait_s: float) -> Sequence[Message]:
        out: list[Message] = []
        while len(out) < count:
            with self._asking("receive from"):
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(count - len(out), TEN),
                    WaitTimeSeconds=0 if out else min(ceil(wait_s), LONGEST_POLL_S),
                    MessageSystemAttributeNames=["ApproximateReceiveCount"],
                )
            found = answer.get("Messages", ())
            if not found:
                break
            out += [message for one in found if (message := self._message(one)) is not None]
        return out

    def _message(self, one: Mapping[str, Any]) -> Message | None:
        """A notice; None for what is none, which stays until the queue sets it aside."""
        try:
            notice = notice_from(one["Body"])
        except CallerError:
            return None
        times = int(one.get("Attributes", {}).get("ApproximateReceiveCount", 1))
        return Message(notice, one["ReceiptHandle"], times)

    def extend(self, messages: Sequence[Message], seconds: int) -> None:
        for start in range(0, len(messages), TEN):
            entries = [
                {"Id": str(number), "ReceiptHandle": one.handle, "VisibilityTimeout": seconds}
                for number, one in enumerate(messages[start : start + TEN])
            ]
            self._all_of("change_message_visibility_batch", entries, "extend messages of")

    def done(self, messages: Sequence[Message]) -> None:
        for start in range(0, len(messages), TEN):
            entries = [
                {"Id": str(number), "ReceiptHandle": one.handle}
                for number, one in enumerate(messages[start : start + TEN])
            ]
            self._all_of("delete_message_batch", entries, "delete from")

    def waiting(self) -> int:
        with self._asking("look at"):
            found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=[_VISIBLE])
        return int(found["Attributes"][_VISIBLE])

    def _all_of(self, verb: str, entries: list[dict[str, Any]], act: str) -> None:
        """Send a batch until all of it is taken.

        Raises:
            PlatformError: some of it is refused again and again.
        """
        failed: list[dict[str, Any]] = []
        for _ in range(TRIES):
            with self._asking(act):
                answer = getattr(self._client, verb)(QueueUrl=self._url, Entries=entries)
            failed = answer.get("Failed", [])
            # A handle that is too old is somebody else's message by now: the ledger sorts that out.
            ours = {
                one["Id"] for one in failed if not (one.get("SenderFault") and verb != "send_message_batch")
            }
            entries = [one for one in entries if one["Id"] in ours]
            if not entries:
                return
        raise PlatformError(
            f"queue {self._name} refuses {len(entries)} messages again and again: {failed[0].get('Code')}.",
            code="service-busy",
            fix="It is tried again by itself.",
        )

    @contextmanager
    def _asking(self, act: str) -> Iterator[None]:
        act = f"{act} queue {self._name}"
        try:
            with sent(act):
                yield
        except ClientError as error:
            if code_of(error) in {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}:
                raise CallerError(
                    f"could not {act}: there is no such queue.",
                    code="not-found",
                    fix="It may have gone with a deployment: start again what was started before that. Else "
                    "check the environment's name and region.",
                ) from error
            raise answer_error(error, act) from error


def _group(show: str) -> str:
    """A show as the group of a message, which takes 128 characters of ASCII without spaces."""
    return show if _GROUP.fullmatch(show) else hashlib.sha256(show.encode()).hexdigest()

"""What a queue of SQS has set aside: read, sent back to where it came from, removed.

A letter is sent before it is removed, so one of which the sender dies comes twice, and none is lost. This
module must not know what a letter says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from rushes.shared_ledger.sqs import TEN, SqsQueue

__all__ = ["DeadLetters", "Letter", "dead_of"]

HIDDEN_S: Final = 300
"""Nobody else sees a letter for so long: what is done about ten takes seconds."""


class Letter(NamedTuple):
    """A message that was set aside.

    Args:
        body: what it says.
        group: of messages that are fair to one another, or "".
        handle: what the queue knows this delivery by.
    """

    body: str
    group: str
    handle: str


class DeadLetters(SqsQueue):
    """The queue where others set messages aside."""

    def letters(self) -> Sequence[Letter]:
        """Up to ten; nobody else sees them for a while. Empty once there are none."""
        with self._asking("receive from"):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=TEN,
                WaitTimeSeconds=1,  # all of SQS is asked, not a part of it
                VisibilityTimeout=HIDDEN_S,
                MessageSystemAttributeNames=["MessageGroupId"],
            )
        return [
            Letter(one["Body"], one.get("Attributes", {}).get("MessageGroupId", ""), one["ReceiptHandle"])
            for one in answer.get("Messages", ())
        ]

    def move(self, letters: Sequence[Letter], to: str) -> None:
        """Send letters to the queue of a URL, and remove them here."""
        entries = [
            {
                "Id": str(number),
                "MessageBody": one.body,
                **({"MessageGroupId": one.group} if one.group else {}),
            }
            for number, one in enumerate(letters)
        ]
        if entries:
            SqsQueue(self._client, to)._all_of("send_message_batch", entries, "send to")  # noqa: SLF001 - its own
        self.remove(letters)

    def remove(self, letters: Sequence[Letter]) -> None:
        """They are done with."""
        entries = [{"Id": str(number), "ReceiptHandle": one.handle} for number, one in enumerate(letters)]
        if entries:
            self._all_of("delete_message_batch", entries, "delete from")

    def leave(self, letters: Sequence[Letter]) -> None:
        """Let others see them again."""
        entries = [
            {"Id": str(number), "ReceiptHandle": one.handle, "VisibilityTimeout": 0}
            for number, one in enumerate(letters)
        ]
        if entries:
            self._all_of("change_message_visibility_batch", entries, "give back to")


def dead_of(client: Any, url: str) -> str:
    """The URL of the queue where a queue sets messages aside; "" where it has none."""
    queue = SqsQueue(client, url)
    with queue._asking("look at"):  # noqa: SLF001 - its own
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
        policy = json.loads(found.get("Attributes", {}).get("RedrivePolicy") or "{}")
        name = str(policy.get("deadLetterTargetArn", "")).rpartition(":")[2]
        return str(client.get_queue_url(QueueName=name)["QueueUrl"]) if name else ""

"""Whether queues that a deployment would remove are empty: what waits in one would go with it.

Work is in the ledger and not in its queue, but nobody would be told of it any more. This module must not know
templates.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.errors import CallerError

__all__ = ["check_empty", "messages_in"]

_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_GONE: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


def check_empty(client: Any, names: Iterable[str]) -> None:
    """Refuse to remove queues in which something is; those that are gone already are empty.

    SQS counts a little late: send nothing to a class that is about to go.

    Args:
        client: a boto3 client for ``sqs``.
        names: of the queues.

    Raises:
        CallerError: there are messages in one (``queue-not-empty``).
        PlatformError: SQS does not answer.
    """
    full = messages_in(client, names)
    if full:
        raise CallerError(
            f"deploying would remove {', '.join(f'{k} with {v:,} messages' for k, v in full.items())}.",
            code="queue-not-empty",
            fix="Keep the class or function until they are worked off, or cancel or `rushes set --priority` "
            "their batches; `rushes redrive` empties queues of dead letters.",
            details=full,
        )


def messages_in(client: Any, names: Iterable[str]) -> dict[str, int]:
    """How many messages are in queues that are not empty: those that wait, and those that somebody has.

    Raises:
        PlatformError: SQS does not answer.
    """
    return {name: count for name in names if (count := _count(client, name))}


def _count(client: Any, name: str) -> int:
    try:
        with sent(f"look at queue {name}"):
            url = client.get_queue_url(QueueName=name)["QueueUrl"]
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=[*_COUNTS])["Attributes"]
    except ClientError as error:
        if code_of(error) in _GONE:
            return 0
        raise answer_error(error, f"look at queue {name}") from error
    return sum(int(found.get(one, 0)) for one in _COUNTS)

"""What lies in a bucket already is handed over to the router, as messages of many objects each.

The router does the rest, as many of it at a time as it may; so a prefix of a hundred thousand clips is a few
hundred requests here, and handing it over twice does no harm. This module must not know triggers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, sent
from rushes.engines.aws.notices.events import handing_over
from rushes.errors import PlatformError
from rushes.storage.s3_uri import place_of, uri_of

if TYPE_CHECKING:
    from rushes.ports import Store

__all__ = ["hand_over"]

A_MESSAGE: Final = 20
"""Objects in one message: the router has some 2 minutes for ten messages, at some 0.2 s an object."""
TEN: Final = 10
MOST_BYTES: Final = 240_000
"""Of all messages of a request (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
API_SendMessageBatch.html); a key of 1,024 bytes may be three thousand characters of JSON."""
TRIES: Final = 5


def hand_over(
    store: Store,
    sqs: Any,
    url: str,
    prefix: str,
    only: str = "",
    *,
    after: str = "",
    told: Callable[[int, str], None] = lambda _, __: None,
) -> int:
    """Hand over every object below a prefix; gives how many.

    Args:
        store: where they are.
        sqs: a boto3 client for ``sqs``.
        url: of the router's queue of events.
        prefix: URI.
        only: the one trigger that they are for, or "".
        after: an object; those before it, and it, were handed over already.
        told: hears how many there are so far, and which was the last.

    Raises:
        CallerError: it is not permitted, or there is no such bucket or queue.
        PlatformError: a service does not answer; doing it again does no harm.
    """
    count = 0
    places = _some(_places(store, prefix, after), A_MESSAGE)
    messages = ((some, handing_over(some, only)) for some in places)
    for together in _some(messages, TEN, lambda message: len(message[1])):
        _send(sqs, url, [body for _, body in together])
        count += sum(len(some) for some, _ in together)
        told(count, uri_of(*together[-1][0][-1]))
    return count


def _places(store: Store, prefix: str, after: str) -> Iterator[tuple[str, str]]:
    for one in store.listing(prefix, after=after):
        place = place_of(one.uri)
        yield place.bucket, place.key


def _some(
    all_: Iterable[Any], count: int, size_of: Callable[[Any], int] = lambda _: 0
) -> Iterator[list[Any]]:
    """So many at a time, and no more bytes than a request may have."""
    found: list[Any] = []
    size = 0
    for one in all_:
        if found and (len(found) == count or size + size_of(one) > MOST_BYTES):
            yield found
            found, size = [], 0
        found.append(one)
        size += size_of(one)
    if found:
        yield found


def _send(sqs: Any, url: str, bodies: list[str]) -> None:
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    act = f"send to {url.rpartition('/')[2]}"
    for _ in range(TRIES):
        try:
            with sent(act):
                failed = sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed", ())
        except ClientError as error:
            raise answer_error(error, act) from error
        again = {one["Id"] for one in failed}
        entries = [one for one in entries if one["Id"] in again]
        if not entries:
            return
    raise PlatformError(
        f"could not {act}: {len(entries)} messages were refused {TRIES} times.",
        code="service-busy",
        fix="Do it again: what was handed over already is not done twice.",
    )

"""What a Lambda is called with, as values: notices of the ledger, objects that came, direct calls.

S3 tells of an object in three ways: to a queue or a function itself, where the key is form-encoded
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html: a space is ``+``),
and through EventBridge, where it is as it is (https://docs.aws.amazon.com/AmazonS3/latest/userguide/
ev-events.html). One event may come several times. This module must not know what is done about any of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus

from rushes.errors import CallerError
from rushes.notices import Notice, notice_from

__all__ = ["Asked", "asked_of", "handing_over", "is_queue_event", "is_within", "of_message"]

_TEST: Final = "s3:TestEvent"


@dataclass(frozen=True, slots=True)
class Asked:
    """One clip that somebody wants worked on.

    Args:
        bucket, key, version: the object; `version` is "" for the newest.
        params: options, by name.
        out: where outputs go, or "".
        show: who pays, or "".
        only: the one trigger that it is for, ``<function>/<number>``, or "" for all that want it.
    """

    bucket: str
    key: str
    version: str = ""
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)
    out: str = ""
    show: str = ""
    only: str = ""


def is_queue_event(event: Any) -> bool:
    """Whether these are messages of a queue."""
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and bool(records) and _source_of(records[0]) == "aws:sqs"


def _source_of(record: Any) -> Any:
    return record.get("eventSource") if isinstance(record, dict) else None


def of_message(body: str) -> Notice | list[Asked]:
    """What a message of a queue says: a notice of the ledger, or objects that came.

    Raises:
        CallerError: neither (``bad-notice``).
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    known = {"Records", "detail", "objects", "source"}
    if isinstance(data, dict) and (known & set(data) or data.get("Event") == _TEST):
        return asked_of(data)
    return notice_from(body)


def asked_of(event: Any) -> list[Asked]:
    """The clips that an event asks for; a test event asks for none.

    Raises:
        CallerError: the event is of none of these kinds (``bad-event``).
    """
    if isinstance(event, dict):
        if event.get("Event") == _TEST:
            return []
        if isinstance(event.get("objects"), list):
            return _handed_over(event)
        if isinstance(event.get("Records"), list):
            return list(_of_records(event["Records"]))
        if event.get("source") == "aws.s3" and isinstance(event.get("detail"), dict):
            return [_of_event_bridge(event["detail"])]
        if isinstance(event.get("source"), str) and event["source"].startswith("s3://"):
            return [_direct(event)]
    raise CallerError(
        f"an event is none that this function takes: {str(event)[:120]}",
        code="bad-event",
        fix='Send {"source": "s3://BUCKET/KEY", "params": {…}, "out": "s3://…"}, or an event of S3 or SQS.',
    )


def is_within(out: str, place: str) -> bool:
    """Whether a place that a message wants is that of its taker, or below it; of "" nothing is."""
    # To S3 dots are letters like others; whoever copies what is there to a disk would leave the folder.
    plain = not {".", ".."}.intersection(out.split("/"))
    return bool(place) and plain and f"{out.rstrip('/')}/".startswith(f"{place.rstrip('/')}/")


def handing_over(objects: Sequence[tuple[str, str]], only: str = "") -> str:
    """A message that hands objects over, each a bucket and a key, which lay there already."""
    return json.dumps({"objects": [list(one) for one in objects], "only": only}, separators=(",", ":"))


def _handed_over(event: Mapping[str, Any]) -> list[Asked]:
    try:
        only = str(event.get("only", ""))
        return [Asked(str(bucket), str(key), only=only) for bucket, key in event["objects"]]
    except (TypeError, ValueError) as error:
        raise CallerError(
            f"a message hands over what is no object: {str(event)[:120]}",
            code="bad-event",
            fix='Write {"objects": [["BUCKET", "KEY"], …]}.',
        ) from error


def _of_records(records: list[Any]) -> Iterator[Asked]:
    for record in records:
        try:
            if not str(record["eventName"]).startswith("ObjectCreated"):
                continue
            found = record["s3"]
            one = found["object"]
            key, version = unquote_plus(one["key"]), str(one.get("versionId") or "")
            yield Asked(str(found["bucket"]["name"]), key, version)
        except (LookupError, TypeError, AttributeError) as error:
            raise CallerError(
                f"a record of an event is none of S3: {str(record)[:120]}",
                code="bad-event",
                fix="Let only S3 notify this function of objects.",
            ) from error


def _of_event_bridge(detail: Mapping[str, Any]) -> Asked:
    try:
        one = detail["object"]
        return Asked(str(detail["bucket"]["name"]), str(one["key"]), str(one.get("version-id") or ""))
    except (LookupError, TypeError, AttributeError) as error:
        raise CallerError(
            f"an event of S3 names no object: {str(detail)[:120]}",
            code="bad-event",
            fix="Match only the detail-type Object Created.",
        ) from error


def _direct(event: Mapping[str, Any]) -> Asked:
    from rushes.options import check_show  # noqa: PLC0415 - few are called directly
    from rushes.storage.s3_uri import place_of  # noqa: PLC0415 - as above

    unknown = set(event) - {"source", "params", "out", "show"}
    params = event.get("params", {})
    if unknown or not isinstance(params, dict):
        what = f"has {min(unknown)!r}" if unknown else "has params that are no object"
        raise CallerError(
            f"a direct call {what}.", code="bad-event", fix="It may have source, params, out and show."
        )
    if event.get("show"):
        check_show(str(event["show"]))
    place = place_of(event["source"])
    return Asked(
        place.bucket,
        place.key,
        place.version,
        params,
        str(event.get("out") or ""),
        str(event.get("show") or ""),
    )

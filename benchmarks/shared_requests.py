"""The requests of an invocation on shared queues as Rushes makes them: the same expressions, items as large.

For whoever sends them without Rushes. `tests/benchmarks` holds them to what ours sends, byte by byte of their
bodies but for a few of a hundred.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Final

import shared

__all__ = [
    "BATCH",
    "claim",
    "ends",
    "fetched",
    "head",
    "known",
    "looked_at",
    "message",
    "newly_ended",
    "opened",
    "read",
    "submitted",
]

BATCH: Final = "k7m2qx"
_HOST: Final = "host-of-a-name:12345"
_MARK: Final = "mark:f6d8b886335927d46fad323c60335d09"
_BODY: Final = bytes(range(90))
"""What a result of a small function comes to, packed."""


def _key(n: int) -> dict[str, Any]:
    return {"pk": {"S": f"I#{BATCH}#{n // 256}"}, "sk": {"S": f"{n:010}"}}


def _known_key(n: int) -> dict[str, Any]:
    return {"pk": {"S": f"K#default#{n:032x}"}, "sk": {"S": "K"}}


def opened(now_ms: int) -> dict[str, Any]:
    """The batch: of PutItem."""
    spec = (
        '{"deadline":null,"force":false,"function":"noop:noop","group":"hosts","max_cost_nano":null,'
        '"name":null,"out":null,"params":"{\\"n\\":0}","priority":"standard","quote":null,"receipts":"beside",'
        '"retries":2,"settle_s":0.0,"show":"default","source_digest":"","tags":{},"title":"noop","version":"1"}'
    )
    item = {
        "pk": {"S": f"B#{BATCH}"}, "sk": {"S": "B"}, "spec": {"S": spec}, "at": {"N": str(now_ms)},
        "total": {"N": "0"}, "wk": {"S": "OPEN"}, "wa": {"N": str(now_ms)},
    }  # fmt: skip
    return {"TableName": "ledger", "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}


def submitted(lot: Sequence[int], now_ms: int) -> dict[str, Any]:
    """Some are added to their batch: of TransactWriteItems."""
    items: list[Any] = [
        {"Put": {
            "TableName": "ledger",
            "Item": {
                **_key(n), "source": {"S": shared.CLIP}, "key": {"S": f"{n:032x}"},
                "params": {"S": f'{{"n":{n}}}'}, "tag": {"S": f"~{n:04x}"}, "fingerprint": {"S": _MARK},
                "state": {"S": "queued"}, "attempt": {"N": "0"}, "losses": {"N": "0"}, "fence": {"N": "0"},
            },
            "ConditionExpression": "attribute_not_exists(pk)",
        }}
        for n in lot
    ]  # fmt: skip
    head = {
        "TableName": "ledger",
        "Key": {"pk": {"S": f"B#{BATCH}"}, "sk": {"S": "B"}},
        "UpdateExpression": "SET touched=:touched ADD #total :count",
        "ExpressionAttributeValues": {":count": {"N": str(len(lot))}, ":touched": {"N": str(now_ms)}},
        "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(cancelled)",
        "ExpressionAttributeNames": {"#total": "total"},
    }
    return {"TransactItems": [*items, {"Update": head}], "ClientRequestToken": uuid.uuid4().hex}


def message(n: int, place: int) -> dict[str, Any]:
    """One entry of SendMessageBatch."""
    body = f'{{"schema":1,"invocation":"{BATCH}.{n}","priority":"standard","show":"default"}}'
    return {"Id": str(place), "MessageBody": body, "DelaySeconds": 0, "MessageGroupId": "default"}


def claim(n: int, now_ms: int) -> dict[str, Any]:
    """Of UpdateItem."""
    return {
        "TableName": "ledger",
        "Key": _key(n),
        "UpdateExpression": "SET #state=:running, holder=:holder, ask=:ask, #until=:until, since=:since, "
        "wk=:wk, wa=:until ADD fence :one, attempt :one",
        "ExpressionAttributeValues": {
            ":holder": {"S": _HOST}, ":ask": {"S": uuid.uuid4().hex}, ":until": {"N": str(now_ms + 60_000)},
            ":since": {"N": str(now_ms)}, ":one": {"N": "1"}, ":running": {"S": "running"},
            ":wk": {"S": f"W#{BATCH}#{n % 8}"}, ":queued": {"S": "queued"}, ":held": {"S": "held"},
            ":now": {"N": str(now_ms)},
        },
        "ConditionExpression": "attribute_exists(pk) AND (#state=:queued OR (#state=:held AND #until<=:now))",
        "ExpressionAttributeNames": {"#state": "state", "#until": "until"},
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }  # fmt: skip


def looked_at() -> dict[str, Any]:
    """Of HeadObject."""
    return {"Bucket": shared.BUCKET, "Key": "clip.mov", "ChecksumMode": "ENABLED"}


def fetched(etag: str, size_bytes: int) -> dict[str, Any]:
    """Of GetObject."""
    whole = f"bytes=0-{size_bytes - 1}"
    return {"Bucket": shared.BUCKET, "Key": "clip.mov", "Range": whole, "IfMatch": etag}


def ends(numbers: Sequence[int], now_ms: int) -> dict[str, Any]:
    """Some that end at the same moment, each with its key, and one count of all: of TransactWriteItems."""
    parts: list[Any] = [
        {"Update": {
            "TableName": "ledger",
            "Key": _key(n),
            "UpdateExpression": "SET #state=:to, #data=:data, seconds_us=:seconds_us, media_us=:media_us, "
            "cost_nano=:cost_nano, cached=:cached, wk=:wk, wa=:at REMOVE #until, stop, so_far, intent",
            "ExpressionAttributeValues": {
                ":data": {"B": _BODY}, ":seconds_us": {"N": "15218"}, ":media_us": {"N": "0"},
                ":cost_nano": {"N": "801"}, ":cached": {"BOOL": False}, ":to": {"S": "succeeded"},
                ":was": {"S": "running"}, ":fence": {"N": "1"}, ":wk": {"S": f"D#{BATCH}#{n % 8}"},
                ":at": {"N": str(now_ms)},
            },
            "ConditionExpression": "fence=:fence AND #state=:was",
            "ExpressionAttributeNames": {"#state": "state", "#until": "until", "#data": "data"},
        }}
        for n in numbers
    ]  # fmt: skip
    sums = {
        "last": now_ms,
        "seconds_us": 15218,
        "media_us": 0,
        "cost_nano": 801,
        "cached": 0,
        "succeeded": len(numbers),
    }
    count = {
        "TableName": "ledger",
        "Key": {"pk": {"S": f"B#{BATCH}"}, "sk": {"S": f"C#{numbers[0] % 16:02}"}},
        "UpdateExpression": "SET #last=:last ADD "
        + ", ".join(f"#{name} :{name}" for name in sums if name != "last"),
        "ExpressionAttributeValues": {f":{name}": {"N": str(value)} for name, value in sums.items()},
        "ExpressionAttributeNames": {f"#{name}": name for name in sums},
    }
    names = [
        {"TableName": "ledger", "Item": {**_known_key(n), "invocation": {"S": f"{BATCH}.{n}"}}}
        for n in numbers
    ]
    return {
        "TransactItems": [*parts, {"Update": count}, *({"Put": one} for one in names)],
        "ClientRequestToken": uuid.uuid4().hex,
    }


def known(numbers: Sequence[int]) -> dict[str, Any]:
    """Whether these are known already: of BatchGetItem."""
    keys = [_known_key(n) for n in numbers]
    return {"RequestItems": {"ledger": {"Keys": keys, "ConsistentRead": True}}}


def read(numbers: Sequence[int]) -> dict[str, Any]:
    """How these have ended: of BatchGetItem."""
    return {"RequestItems": {"ledger": {"Keys": [_key(n) for n in numbers], "ConsistentRead": True}}}


def head() -> dict[str, Any]:
    """The batch and its counts: of Query."""
    return {
        "TableName": "ledger",
        "KeyConditionExpression": "pk=:p",
        "ExpressionAttributeValues": {":p": {"S": f"B#{BATCH}"}},
        "ConsistentRead": True,
    }


def newly_ended(number: int, since_ms: int) -> dict[str, Any]:
    """What has ended since then, of an eighth of all: of Query."""
    return {
        "TableName": "ledger",
        "KeyConditionExpression": "wk=:p AND wa>=:since",
        "ExpressionAttributeValues": {":p": {"S": f"D#{BATCH}#{number}"}, ":since": {"N": str(since_ms)}},
        "IndexName": "wake",
    }

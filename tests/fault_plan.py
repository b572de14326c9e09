"""What goes wrong with the requests to an AWS server, and when: pure, from a seed.

The n-th request of one action of one service meets the same fault for the same seed, whatever else goes on.
An answer is what AWS itself sends: the codes are those of each service's own list of common errors. This
module must not know sockets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

__all__ = ["ROUGH", "Call", "Fault", "Plan", "Reply", "call_of", "reply_of"]

Fault = Literal["busy", "broken", "skewed", "cut", "lost", "short", "slow"]
"""Throttled, an error of the server, a clock that is off; nothing arrives, the answer is lost or cut off
after the server has acted; it takes long."""

ROUGH: Final[Mapping[Fault, float]] = {
    "busy": 0.03, "broken": 0.02, "skewed": 0.002, "cut": 0.02, "lost": 0.03, "short": 0.01, "slow": 0.02,
}  # fmt: skip
"""Far more than AWS ever shows: one request in eight goes wrong."""

_BUSY: Final = {
    "s3": (503, "SlowDown"),
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "sqs": (400, "ThrottlingException"),
}
_BROKEN: Final = {
    "s3": (500, "InternalError"),
    "dynamodb": (500, "InternalServerError"),
    "sqs": (500, "InternalFailure"),
}
_SKEWED: Final = {
    "s3": (403, "RequestTimeTooSkewed"),
    "dynamodb": (400, "InvalidSignatureException"),
    "sqs": (403, "InvalidSignatureException"),
}


class Call(NamedTuple):
    """What a request asks for."""

    service: str
    act: str
    bodiless: bool = False
    """Its answer has no body, not even an error's."""


class Reply(NamedTuple):
    """An answer that the server never gave."""

    status: int
    kind: str
    body: bytes


def call_of(method: str, target: str, headers: Mapping[str, str]) -> Call:  # noqa: PLR0911 - a table
    """What a request asks for, by its first line and headers (names in lower case)."""
    wanted = headers.get("x-amz-target", "")
    if wanted:
        service, _, act = wanted.partition(".")
        return Call("sqs" if service == "AmazonSQS" else service.partition("_")[0].lower(), act)
    split = urlsplit(target)
    if "/s3/" not in headers.get("authorization", ""):
        return Call("other", f"{method} {split.path}")
    asked = set(parse_qs(split.query, keep_blank_values=True))
    if "partNumber" in asked:
        return Call("s3", "UploadPart")
    if "uploads" in asked:
        return Call("s3", "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads")
    if "uploadId" in asked:
        return Call("s3", "AbortMultipartUpload" if method == "DELETE" else "CompleteMultipartUpload")
    if "list-type" in asked:
        return Call("s3", "List")
    what = "Object" if split.path.strip("/").partition("/")[2] else "Bucket"
    return Call("s3", f"{method.title()}{what}", method == "HEAD")


@dataclass(frozen=True)
class Plan:
    """Which fault meets which request.

    Args:
        seed: other seeds, other faults.
        rates: how often each comes, of all requests.
        twice: how many of what is sent to a queue comes twice.
        late: how many of it comes later than what was sent after it.
        slow_s: how long is long.
        only: actions that faults are kept to, by ``service`` or ``service.Action``; empty: all.
    """

    seed: int
    rates: Mapping[Fault, float] = field(default_factory=lambda: ROUGH)
    twice: float = 0.1
    late: float = 0.1
    slow_s: float = 0.3
    only: frozenset[str] = frozenset()

    def fault(self, call: Call, number: int) -> Fault | None:
        """What meets the n-th request of its action; None: nothing."""
        if call.service not in _BUSY:
            return None
        if self.only and not self.only & {call.service, f"{call.service}.{call.act}"}:
            return None
        drawn = self._drawn("fault", call, number)
        for fault, rate in self.rates.items():
            drawn -= rate
            if drawn < 0:
                return fault
        return None

    def comes_twice(self, call: Call, number: int) -> bool:
        """Whether what this request sends to a queue is sent once more."""
        return self._drawn("twice", call, number) < self.twice

    def out_of_order(self, call: Call, number: int, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a request sends to a queue, some of it to come later."""
        entries = [
            {**one, "DelaySeconds": max(int(one.get("DelaySeconds", 0)), 1)}
            if self._drawn(f"late {index}", call, number) < self.late
            else one
            for index, one in enumerate(body["Entries"])
        ]
        return {**body, "Entries": entries[::-1]}

    def _drawn(self, what: str, call: Call, number: int) -> float:
        """From 0 to 1, the same for the same."""
        text = f"{self.seed}/{what}/{call.service}/{call.act}/{number}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2.0**64


def reply_of(fault: Fault, call: Call) -> Reply | None:
    """What AWS answers instead of acting; None for what is no answer."""
    codes = {"busy": _BUSY, "broken": _BROKEN, "skewed": _SKEWED}.get(fault)
    if codes is None:
        return None
    status, code = codes[call.service]
    if call.service == "s3":
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
            f"<Message>{fault}</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>"
        )
        return Reply(status, "application/xml", b"" if call.bodiless else text.encode())
    prefix = "com.amazonaws.dynamodb.v20120810" if call.service == "dynamodb" else "com.amazonaws.sqs"
    body = json.dumps({"__type": f"{prefix}#{code}", "message": fault}).encode()
    return Reply(status, "application/x-amz-json-1.0", body)

"""A client of S3 that tells a meter what it is asked, in the classes in which S3 bills requests.

Writes and listings are dear, reads cheap, and ending things free
(https://aws.amazon.com/s3/pricing/). Requests that S3 itself failed, and that were sent again, are one. This
module must not know prices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rushes.runtime.shared.money.meter import Meter

__all__ = ["MeteredClient", "Regions"]

_READS: Final = frozenset({"get_object", "head_object"})
_WRITES: Final = frozenset(
    {"put_object", "upload_part", "create_multipart_upload", "complete_multipart_upload"}
    | {"copy_object", "upload_part_copy", "restore_object", "list_objects_v2", "list_multipart_uploads"}
)
_HOST: Final = re.compile(r"(?:^|[.-])s3[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com")


class Regions:
    """Where buckets are, learnt from where requests went; until then, where the client is."""

    def __init__(self, client: Any) -> None:
        self._own = str(client.meta.region_name)
        self._known: dict[str, str] = {}
        client.meta.events.register("before-send.s3", self._look)

    def of(self, bucket: str) -> str:
        return self._known.get(bucket, self._own)

    def _look(self, request: Any, **_: Any) -> None:
        host, _, path = request.url.partition("://")[2].partition("/")
        found = _HOST.search(host)
        if found is not None and found[1] != self._own:
            bucket = host[: found.start()] or re.split(r"[/?]", path, maxsplit=1)[0]
            self._known[bucket] = found[1]


class MeteredClient:
    """Everything that a client is, for one attempt.

    Args:
        client: a boto3 client for ``s3``; others may use it too.
        meter: told.
        regions: of the buckets of `client`.
    """

    def __init__(self, client: Any, meter: Meter, regions: Regions) -> None:
        self._client = client
        self._meter = meter
        self._regions = regions

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in _READS or name in _WRITES:
            return self._counted(name, found)
        return found

    def get_paginator(self, name: str) -> Any:
        return _Pages(self._client.get_paginator(name), name, self._told)

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(**given: Any) -> Any:
            answer = call(**given)
            self._told(name, given, answer)
            return answer

        return asked

    def _told(self, name: str, given: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        region = self._regions.of(str(given.get("Bucket", "")))
        self._meter.asked("get" if name in _READS else "put", region)
        if name == "get_object":
            self._meter.fetched(int(answer.get("ContentLength") or 0), region)
        elif name in {"put_object", "upload_part"}:
            body = given.get("Body")
            self._meter.sent(len(body) if isinstance(body, Sized) else 0, region)


class _Pages:
    """A paginator whose pages are counted."""

    def __init__(self, pages: Any, name: str, told: Callable[..., None]) -> None:
        self._pages = pages
        self._name = name
        self._told = told

    def paginate(self, **given: Any) -> Any:
        for page in self._pages.paginate(**given):
            self._told(self._name, given, page)
            yield page

"""Objects in S3: fetched whole or by ranges, published once or not at all.

Bytes are moved by s3transfer, which AWS keeps: parts in parallel, pinned to one ETag, aborted on failure.
What is added here is what a publication promises. A target appears whole, by one conditional request
(``If-None-Match``, or ``If-Match`` for what is ours): whoever comes second is refused by S3 itself. When the
object that is there already has our content, that is success by another's hand. When two conditional writes
meet, S3 answers 409 and wants the upload from its start. Checksums go along: CRC32 of the whole object, which
S3 checks before it shows it, and SHA-256 in its metadata.

This module must not know invocations; it is handed a client, and makes none.
"""

from __future__ import annotations

import mimetypes
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from rushes.errors import CallerError, PlatformError
from rushes.range_reader import RangeReader
from rushes.storage.arrival import crc32_file, require_room, require_whole
from rushes.storage.crc32 import crc32_text
from rushes.storage.s3_answers import ARCHIVES, SHA256, listed, named, stored
from rushes.storage.s3_client import FetchingClient, PublishingClient
from rushes.storage.s3_errors import Conflict, NotWritten, archived, s3_errors
from rushes.storage.s3_uri import Place, place_of
from rushes.stored import Stored

__all__ = ["S3Options", "S3Store"]

MB: Final = 1024 * 1024
SMALL_BYTES: Final = 1 * MB
"""What is no larger is one request: starting a transfer's threads would take longer than it."""
CONFLICTS: Final = 5
"""Uploads that met another before it is taken for a fault."""
TRIES: Final = 4
"""Of one range, beside what the client does about requests that nobody answers."""
Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class S3Options:
    """What is said with every write.

    Args:
        storage_class: ``STANDARD_IA`` …; "" for the bucket's own.
        kms_key: id or ARN of the key for SSE-KMS; "" for the bucket's own encryption.
        threads: parts under way at once.
    """

    storage_class: str = ""
    kms_key: str = ""
    threads: int = 10


class S3Store:
    """A `rushes.ports.Store` on S3, or on what speaks as S3 does.

    Args:
        client: a boto3 client for ``s3``; its retries, endpoint and credentials are whoever's made it.
        options: of what is written.
        sleep: waits between tries of a range whose answer broke off.
    """

    def __init__(
        self,
        client: Any,
        options: S3Options = S3Options(),
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._options = options
        self._sleep = sleep

    # -- looking -------------------------------------------------------------------------------------------

    def look(self, uri: str) -> Stored:
        place = place_of(uri)
        with s3_errors(uri, "read"):
            found: Any = self._client.head_object(**named(place), ChecksumMode="ENABLED")
        return stored(place, found)

    def listing(self, prefix: str, *, after: str = "") -> Iterator[Stored]:
        place = place_of(prefix)
        behind = {"StartAfter": place_of(after).key} if after else {}
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=place.bucket, Prefix=place.key, **behind
        )
        with s3_errors(prefix, "list"):
            for page in pages:
                for one in page.get("Contents", ()):
                    if not one["Key"].endswith("/"):  # a folder that somebody's console made
                        yield listed(place.bucket, one)

    # -- reading -------------------------------------------------------------------------------------------

    def fetch(self, uri: str, target: Path, told: Told | None = None) -> Stored:
        found = self.readable(uri)
        require_room(found, target.parent)
        part = target.with_name(f"{target.name}.part")
        try:
            if 0 < found.size_bytes <= SMALL_BYTES:
                data = self._range(found, 0, found.size_bytes)
                require_whole(found, len(data), None if found.crc32 is None else zlib.crc32(data))
                part.write_bytes(data)
            else:
                crc = self._fetch_parts(found, part, told)
                if found.crc32 is not None and crc is None:
                    crc = crc32_file(part)
                require_whole(found, part.stat().st_size, crc)
            part.rename(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        if told is not None and found.size_bytes <= SMALL_BYTES:
            told(found.size_bytes)
        return found

    def _fetch_parts(self, found: Stored, part: Path, told: Told | None) -> int | None:
        """Fetch an object in parts, several at once; gives its CRC-32 where that was summed on the way."""
        place = place_of(found.uri)
        extra = {"VersionId": place.version} if place.version else {}
        client = FetchingClient(self._client, found.mark, sums=found.crc32 is not None)
        with s3_errors(found.uri, "read"), self._transfers(found.size_bytes, client) as transfers:
            done = transfers.download(place.bucket, place.key, str(part), extra, _subscribers(told, found))
            done.result()
        return None if found.crc32 is None else client.crc32(found.size_bytes)

    def reader(self, uri: str, known: Stored | None = None) -> RangeReader:
        found = known or self.look(uri)
        if found.archived:
            raise archived(uri, found.archived)
        return RangeReader(found, partial(self._range, found))

    def _range(self, found: Stored, start: int, stop: int) -> bytes:
        """Bytes of an object that is still what was found."""
        asked = {**named(place_of(found.uri)), "Range": f"bytes={start}-{stop - 1}", "IfMatch": found.mark}
        for failures in range(1, TRIES + 1):
            try:
                with s3_errors(found.uri, "read"):
                    return bytes(self._client.get_object(**asked)["Body"].read())
            except PlatformError:
                # The client tries a request again that was not answered, not an answer that broke off.
                if failures == TRIES:
                    raise
                from rushes.core.retry import backoff_s  # noqa: PLC0415 - not at a cold start

                self._sleep(backoff_s(failures, start, first_s=0.1, longest_s=2.0))
        raise AssertionError("unreachable: the last try returns or raises")

    def readable(self, uri: str) -> Stored:
        """What `look` finds, if it can be read now."""
        found = self.look(uri)
        if found.archived:
            raise archived(uri, found.archived)
        return found

    def restore(self, uri: str, *, days: int, speed: str = "Standard") -> bool:
        place = place_of(uri)
        found = self.look(uri)
        if not found.archived:
            return True
        wanted: dict[str, Any] = {"GlacierJobParameters": {"Tier": speed}}
        if found.archived in ARCHIVES:  # what Intelligent-Tiering brings back stays until nobody reads it
            wanted["Days"] = days
        with s3_errors(uri, "read"):
            try:
                self._client.restore_object(**named(place), RestoreRequest=wanted)
            except ClientError as error:
                if error.response["Error"]["Code"] != "RestoreAlreadyInProgress":
                    raise
        return False

    # -- writing -------------------------------------------------------------------------------------------

    def publish(
        self,
        source: Path,
        uri: str,
        sha256: str,
        *,
        over: Stored | None = None,
        about: Mapping[str, str] | None = None,
        told: Told | None = None,
    ) -> Stored:
        place = place_of(uri)
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.mark}
        metadata = {**(about or {}), SHA256: sha256}
        for _ in range(CONFLICTS):
            try:
                with s3_errors(uri, "write"):
                    made = self._upload(source, place, condition, metadata=metadata, told=told)
                self._end_unheard(uri, source)
                return made or self.look(uri)
            except Conflict:
                continue
            except NotWritten:
                found = self._anothers(uri, sha256, source.stat().st_size)
                self._end_unheard(uri, source)
                return found
        raise PlatformError(
            f"{uri} is being written by others again and again.",
            code="service-busy",
            fix="It is tried again by itself.",
        )

    def _end_unheard(self, uri: str, source: Path) -> None:
        """End uploads to what is there by now: of a beginning that nobody heard of, or of who was slower."""
        from rushes.storage.s3_transfers import in_parts  # noqa: PLC0415 - as `_transfers`

        if in_parts(source.stat().st_size):
            with suppress(CallerError, PlatformError):  # then the next attempt does, or the bucket's own rule
                self.abandon(uri)

    def _upload(
        self,
        source: Path,
        place: Place,
        condition: Mapping[str, str],
        *,
        metadata: Mapping[str, str],
        told: Told | None,
    ) -> Stored | None:
        """Put a file there; gives what is there then, None where the answer did not say all of it."""
        extra: dict[str, Any] = {"Metadata": dict(metadata), "ChecksumAlgorithm": "CRC32"}
        if (kind := mimetypes.guess_type(place.key)[0]) is not None:
            extra["ContentType"] = kind
        if self._options.storage_class:
            extra["StorageClass"] = self._options.storage_class
        if self._options.kms_key:
            extra |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._options.kms_key}
        size = source.stat().st_size
        if size <= SMALL_BYTES:
            return self._put(source.read_bytes(), place, {**extra, **condition}, told)
        extra |= {
            "ChecksumType": "FULL_OBJECT",
            "ChecksumCRC32": crc32_text(0),  # of which `PublishingClient` makes the true one
        }
        client = PublishingClient(self._client, condition, lambda: crc32_file(source))
        with self._transfers(size, client) as transfers:
            transfers.upload(str(source), place.bucket, place.key, extra, _subscribers(told)).result()
        return None

    def _put(self, data: bytes, place: Place, asked: Mapping[str, Any], told: Told | None) -> Stored | None:
        """Put something small there by one request, whose answer says what there is now."""
        crc = crc32_text(zlib.crc32(data))
        answer: Any = self._client.put_object(
            Bucket=place.bucket, Key=place.key, Body=data, **asked, ChecksumCRC32=crc
        )
        if told is not None:
            told(len(data))
        try:  # no other part of an answer says when: it is not told of what others have put there
            answered = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
            mark = str(answer["ETag"])
        except (KeyError, ValueError):
            return None
        said = {"ContentLength": len(data), "ETag": mark, "LastModified": answered, "ChecksumCRC32": crc}
        kept = {name: asked[name] for name in ("Metadata", "StorageClass") if name in asked}
        return stored(place, {**said, **kept, "VersionId": answer.get("VersionId")})

    def _anothers(self, uri: str, sha256: str, size_bytes: int) -> Stored:
        """The object that is there already, if it is the same."""
        found = self.look(uri)
        if found.sha256 == sha256 and found.size_bytes == size_bytes:
            return found
        raise CallerError(
            f"{uri} exists and is not the same.",
            code="target-exists",
            fix="Choose another --out or --name, or move it away: nothing that is there is replaced.",
        )

    def abandon(self, uri: str) -> int:
        place = place_of(uri)
        ended = 0
        with s3_errors(uri, "write"):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=place.bucket, Prefix=place.key
            )
            for page in pages:
                for one in page.get("Uploads", ()):
                    if one["Key"] == place.key or place.key.endswith("/"):
                        with suppress(self._client.exceptions.NoSuchUpload):  # it has ended meanwhile
                            self._client.abort_multipart_upload(
                                Bucket=place.bucket, Key=place.key, UploadId=one["UploadId"]
                            )
                            ended += 1
        return ended

    # -- transfers -----------------------------------------------------------------------------------------

    def _transfers(self, size_bytes: int, client: Any) -> AbstractContextManager[Any]:
        from rushes.storage.s3_transfers import transfers  # noqa: PLC0415 - headers are read without it

        return transfers(client, size_bytes, self._options.threads)


def _subscribers(told: Told | None, found: Stored | None = None) -> list[Any]:
    from rushes.storage.s3_transfers import subscribers  # noqa: PLC0415 - as above

    return subscribers(told, found)

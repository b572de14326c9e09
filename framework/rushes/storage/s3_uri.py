"""``s3://bucket/key``, there and back, for every key that S3 allows.

A key is taken as it stands: nothing in it is decoded, so ``+``, ``%20``, ``?``, ``#``, spaces and newlines
are themselves. A version is said by ``?versionId=…`` at the end. A key that itself ends like that is written
with an empty ``?versionId=`` behind it, so every pair of key and version has exactly one spelling.

Keys: at most 1,024 bytes of UTF-8
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html). Bucket names: 3 to 63 characters
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html), or the ARN of an access point.
This module must not know what is there.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from rushes.errors import CallerError

__all__ = ["Place", "local_name", "place_of", "uri_of"]

KEY_BYTES: Final = 1024
NAME_BYTES: Final = 200
"""Of a local name: file systems take 255, and others append to it."""
_VERSIONED: Final = re.compile(r"(?s)(?P<key>.*)\?versionId=(?P<version>[^?/\s]*)\Z")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:[^/]+:accesspoint/[A-Za-z0-9-]+", re.ASCII)
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\]")


class Place(NamedTuple):
    """Where an object is. `version` is "" for the newest."""

    bucket: str
    key: str
    version: str = ""


def place_of(uri: str) -> Place:
    """The bucket, the key and the version that a URI names.

    Raises:
        CallerError: it names no object that S3 could have.
    """
    if not uri.startswith("s3://"):
        raise _bad(uri, "does not begin with s3://")
    rest = uri[5:]
    if rest.startswith("arn:"):
        head, _, tail = rest.partition(":accesspoint/")
        name, _, key = tail.partition("/")
        bucket = f"{head}:accesspoint/{name}"
    else:
        bucket, _, key = rest.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise _bad(uri, f"has no bucket that S3 could have: {bucket!r}")
    version = ""
    if (found := _VERSIONED.match(key)) is not None:
        key, version = found["key"], found["version"]
    if len(key.encode(errors="surrogatepass")) > KEY_BYTES:
        raise _bad(uri[:80] + "…", f"has a key of more than {KEY_BYTES} bytes")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise _bad(ascii(uri), "has a key that is no UTF-8") from None
    return Place(bucket, key, version)


def uri_of(bucket: str, key: str, version: str = "") -> str:
    """The one URI of an object; `place_of` is its inverse."""
    tail = f"?versionId={version}" if version or _VERSIONED.match(key) else ""
    return f"s3://{bucket}/{key}{tail}"


def local_name(key: str) -> str:
    """A file name for the object of a key: its last part where that is one, and always inside its folder.

    Two keys may have the same name: each is fetched into a folder of its own.
    """
    name = _UNSAFE.sub("_", key.rstrip("/").rpartition("/")[2])
    if name in {"", ".", ".."}:
        name = f"object{name.replace('.', '_')}"
    raw = name.encode()
    if len(raw) <= NAME_BYTES and not name.startswith("-"):
        return name
    stem, dot, suffix = name.rpartition(".")
    ending = f"{dot}{suffix}" if stem and len(suffix) <= 12 and suffix.isalnum() else ""  # as .mxf
    digest = hashlib.sha256(raw).hexdigest()[:8]
    kept = (
        name.removesuffix(ending).lstrip("-").encode()[: NAME_BYTES - 9 - len(ending)].decode(errors="ignore")
    )
    return f"{kept}~{digest}{ending}"


def _bad(uri: str, why: str) -> CallerError:
    return CallerError(
        f"{uri} {why}.", code="bad-uri", fix="Write s3://BUCKET/KEY, the key as it is in the bucket."
    )

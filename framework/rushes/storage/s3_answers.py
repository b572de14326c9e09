"""What S3 says of an object, as what is stored there; and how an object is named to it.

Pure. This module must not know requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rushes.storage.crc32 import crc32_value
from rushes.storage.s3_uri import Place, uri_of
from rushes.stored import Stored

__all__ = ["ARCHIVES", "SHA256", "listed", "named", "stored"]

SHA256: Final = "rushes-sha256"
"""The metadata that says what a whole object is."""
ARCHIVES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


def named(place: Place) -> dict[str, Any]:
    """The parameters that name an object."""
    name = {"Bucket": place.bucket, "Key": place.key}
    return {**name, "VersionId": place.version} if place.version else name


def stored(place: Place, found: Mapping[str, Any]) -> Stored:
    """An object, as an answer about it alone says."""
    version = found.get("VersionId") or ""
    whole = found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" and found.get("ChecksumCRC32")
    crc = crc32_value(found["ChecksumCRC32"]) if whole and "-" not in str(whole) else None
    storage = _archive(found)
    about = {str(name): str(value) for name, value in found.get("Metadata", {}).items()}
    back = 'ongoing-request="false"' in str(found.get("Restore") or "")
    return Stored(
        uri_of(place.bucket, place.key, "" if version == "null" else version),
        int(found["ContentLength"]),
        str(found["ETag"]),
        found["LastModified"].timestamp(),
        "" if version == "null" else version,
        about.pop(SHA256, ""),
        crc,
        "" if back else storage,
        about,
    )


def listed(bucket: str, one: Mapping[str, Any]) -> Stored:
    """An object, as a listing says: less than an answer about it alone."""
    return Stored(
        uri_of(bucket, str(one["Key"])),
        int(one["Size"]),
        str(one["ETag"]),
        one["LastModified"].timestamp(),
        archived=_archive(one),
    )


def _archive(found: Mapping[str, Any]) -> str:
    """Where an object is that cannot be read at once; "" for one that can."""
    tier = str(found.get("ArchiveStatus") or "")  # of Intelligent-Tiering, which archives what nobody reads
    storage = str(found.get("StorageClass") or "")
    return tier or (storage if storage in ARCHIVES else "")

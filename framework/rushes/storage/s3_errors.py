"""What S3 says of its objects, as our errors. This module must not know requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import ClientError

from rushes.aws_errors import answer_error, code_of, sent
from rushes.errors import CallerError, MediaError, PlatformError
from rushes.storage.s3_uri import place_of

__all__ = ["BrokenOff", "Conflict", "NotWritten", "archived", "s3_errors"]

_NOT_THERE: Final = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
_CHANGED: Final = frozenset({"412", "PreconditionFailed"})
_CONFLICT: Final = frozenset({"409", "ConditionalRequestConflict", "OperationAborted"})
_GONE_MEANWHILE: Final = frozenset({"NoSuchUpload", "NoSuchKey"})
"""Of a write: its end was not heard of, or what it was to replace was removed (https://docs.aws.amazon.com/
AmazonS3/latest/userguide/conditional-writes.html)."""
_DAMAGED: Final = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
)


class NotWritten(Exception):  # noqa: N818 - an outcome, not an error
    """The condition of a write did not hold: somebody's object is there, or ours is not."""


class Conflict(Exception):  # noqa: N818 - as above
    """Two conditional writes met; S3 wants this one sent again from its start."""


class BrokenOff(Exception):  # noqa: N818 - as above
    """A download came to no good end: it broke off ``again`` and again, is ``changed`` or ``damaged``."""


@contextmanager
def s3_errors(uri: str, act: str) -> Iterator[None]:
    """Raise what happens inside as one of ours.

    Args:
        uri: the object that it is about.
        act: ``read``, ``write``, ``list``.

    Raises:
        CallerError: it is not there, not permitted, or archived.
        MediaError: it changed while it was read.
        PlatformError: the service or the way to it is at fault.
        NotWritten, Conflict: of conditional writes.
    """
    try:
        with sent(f"{act} {uri}"):
            yield
    except ClientError as error:
        raise _of_answer(error, uri, act) from error
    except BrokenOff as error:
        how = str(error)
        raise (
            _changed(uri) if how == "changed" else _damaged(uri) if how == "damaged" else _broken(uri, act)
        ) from error


def _broken(uri: str, act: str) -> PlatformError:
    return PlatformError(
        f"{uri} broke off again and again; could not {act} it.",
        code="service-unreachable",
        fix="It is tried again by itself.",
    )


def _of_answer(error: ClientError, uri: str, act: str) -> Exception:  # noqa: PLR0911 - a table
    code = code_of(error)
    if code in _CHANGED:
        return NotWritten(uri) if act == "write" else _changed(uri)
    if code in _CONFLICT or (act == "write" and code in _GONE_MEANWHILE):
        return Conflict(uri)
    if code in _NOT_THERE:
        return CallerError(f"{uri} does not exist.", code="not-found", fix="Check the spelling.")
    if code == "NoSuchBucket":
        return CallerError(
            f"there is no bucket {place_of(uri).bucket}, of {uri}.",
            code="not-found",
            fix="Check its name, the account and AWS_ENDPOINT_URL; or make it: `aws s3 mb`.",
        )
    if code == "InvalidObjectState":
        return archived(uri, "an archive")
    if code in _DAMAGED:
        return _damaged(uri)
    return answer_error(error, f"{act} {uri}")


def archived(uri: str, where: str) -> CallerError:
    """It would take hours to bring this object back, so nobody does so without being asked."""
    return CallerError(
        f"{uri} is in {where} and cannot be read at once.",
        code="archived",
        fix=f"Ask for it: rushes restore {uri}; it takes minutes to two days.",
    )


def _damaged(uri: str) -> PlatformError:
    return PlatformError(
        f"{uri} was damaged on its way: it is not what was sent.",
        code="damaged-transfer",
        fix="It is tried again by itself.",
    )


def _changed(uri: str) -> MediaError:
    return MediaError(
        f"{uri} changed while it was read.", code="source-changed", fix="Submit it again once it is whole."
    )

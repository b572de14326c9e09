"""What S3 says, as our errors: the one place where botocore's exceptions are known.

Who acts is decided by the code, never by the text: somebody's permission, a name that is not there, a service
that is busy. No message carries a URL, which could hold a signature. This module must not know requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore import exceptions as aws

from rushes.errors import CallerError, MediaError, PlatformError, RushesError

__all__ = ["Conflict", "NotWritten", "code_of", "s3_errors"]

_NOT_THERE: Final = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
_FORBIDDEN: Final = frozenset(
    {"403", "AccessDenied", "AllAccessDisabled", "Forbidden", "KMS.AccessDeniedException"}
)
_IDENTITY: Final = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch", "TokenRefreshRequired"}
)
_CHANGED: Final = frozenset({"412", "PreconditionFailed"})
_CONFLICT: Final = frozenset({"409", "ConditionalRequestConflict", "OperationAborted"})
_DAMAGED: Final = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
)


class NotWritten(Exception):  # noqa: N818 - an outcome, not an error
    """The condition of a write did not hold: somebody's object is there, or ours is not."""


class Conflict(Exception):  # noqa: N818 - as above
    """Two conditional writes met; S3 wants this one sent again from its start."""


def code_of(error: BaseException) -> str:
    """The code of a service's answer; "" for what is none."""
    response: Any = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


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
        yield
    except aws.ClientError as error:
        raise _of_answer(error, uri, act) from error
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError) as error:
        raise CallerError(
            f"there are no credentials to {act} {uri}.",
            code="no-credentials",
            fix="Sign in (`aws configure sso`), or give this host a role.",
        ) from error
    except aws.NoRegionError as error:
        raise CallerError(
            f"no region is set to {act} {uri}.", code="no-credentials", fix="Set AWS_REGION."
        ) from error
    except aws.FlexibleChecksumError as error:
        raise _damaged(uri, act) from error
    except (aws.HTTPClientError, aws.IncompleteReadError, aws.BotoCoreError) as error:
        raise PlatformError(
            f"{uri} could not be {_PAST[act]}: {type(error).__name__}.",
            code="store-unreachable",
            fix="It is tried again; if it stays so, check the network and the endpoint.",
        ) from error


_PAST: Final = {"read": "read", "write": "written", "list": "listed"}


def _of_answer(error: aws.ClientError, uri: str, act: str) -> Exception:  # noqa: PLR0911 - a table
    code = code_of(error)
    if code in _CHANGED:
        if act == "write":
            return NotWritten(uri)
        return MediaError(
            f"{uri} changed while it was read.",
            code="source-changed",
            fix="Submit it again once it is whole.",
        )
    if code in _CONFLICT:
        return Conflict(uri)
    if code in _NOT_THERE:
        return CallerError(f"{uri} does not exist.", code="not-found", fix="Check the spelling.")
    if code == "NoSuchBucket":
        return CallerError(
            f"the bucket of {uri} does not exist.", code="not-found", fix="Check its name and the account."
        )
    if code == "InvalidObjectState":
        return archived(uri, "an archive")
    if code in _IDENTITY:
        return CallerError(
            f"the credentials to {act} {uri} are not valid ({code}).",
            code="no-credentials",
            fix="Sign in again, or check the clock of this machine.",
        )
    if code in _FORBIDDEN:
        return CallerError(
            f"it is not permitted to {act} {uri}.",
            code="not-permitted",
            fix="Ask for the permission, or check the account; S3 also says so of what is not there.",
        )
    if code in _DAMAGED:
        return _damaged(uri, act)
    return PlatformError(
        f"S3 could not {act} {uri}: {code or 'no code'}.",
        code="store-busy",
        fix="It is tried again by itself.",
    )


def archived(uri: str, where: str) -> RushesError:
    """It would take hours to bring this object back, so nobody does so without being asked."""
    return CallerError(
        f"{uri} is in {where} and cannot be read at once.",
        code="archived",
        fix="Restore it first (aws s3api restore-object), or ask for that with restore.",
    )


def _damaged(uri: str, act: str) -> PlatformError:
    return PlatformError(
        f"{uri} was damaged on its way when it was {_PAST[act]}: its checksum does not match.",
        code="damaged-transfer",
        fix="It is tried again by itself.",
    )

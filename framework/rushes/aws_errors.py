"""What AWS says, as our errors: the one place where botocore's exceptions are known.

Who acts is decided by the code, never by the text: somebody's permission, a service that is busy, the way
to it. No message carries a URL, which could hold a signature. What only one service says stands with its
adapter. This module must not know requests.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from rushes.errors import CallerError, PlatformError, RushesError

__all__ = ["answer_error", "code_of", "sent"]

_FORBIDDEN: Final = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "Forbidden",
        "KMS.AccessDeniedException",
    }
)
_IDENTITY: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidToken"}
    | {
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "UnrecognizedClientException",
        "TokenRefreshRequired",
    }
)


_SKEWED: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
SKEW_S: Final = 240.0
"""AWS refuses signatures that are five minutes off, S3 fifteen."""
_BUSY: Final = frozenset(
    {"SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"}
    | {"RequestThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "OverLimit"}
    | {"ProvisionedThroughputExceededException", "TransactionInProgressException", "LimitExceededException"}
    | {"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "KMS.ThrottlingException"}
)


_ENDED: Final[tuple[type[Exception], ...]] = tuple(
    found
    for name in (
        "SSOError", "TokenRetrievalError", "NoAuthTokenError", "LoginError", "RefreshWithMFAUnsupportedError",
        "MetadataRetrievalError",
    )
    if (found := getattr(aws, name, None)) is not None
)  # fmt: skip
"""Credentials that were there, and are had again only by signing in, or when who gives them answers."""
_STILL_EXPIRED: Final = "refreshed credentials are still expired"


def code_of(error: BaseException) -> str:
    """The code of a service's answer; "" for what is none."""
    response: Any = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def answer_error(error: aws.ClientError, act: str) -> RushesError:
    """What a service's refusal means, for codes that every service has.

    Args:
        error: the refusal.
        act: what was tried, as in "could not <act>": ``read s3://…``.
    """
    code = code_of(error)
    skew_s = _skew_s(error)
    if code in _SKEWED or (code in _IDENTITY | _FORBIDDEN and abs(skew_s) > SKEW_S):
        return PlatformError(
            f"the clock of this machine is {abs(skew_s):.0f} s off that of AWS, which will not {act}.",
            code="clock-skewed",
            fix="Set this machine's clock (NTP, chrony); work is tried again, elsewhere too.",
        )
    if code in _IDENTITY:
        return CallerError(
            f"the credentials to {act} are not valid ({code}).",
            code="no-credentials",
            fix="Sign in again, or check the clock of this machine.",
        )
    if code in _FORBIDDEN:
        return CallerError(
            f"it is not permitted to {act}.",
            code="not-permitted",
            fix="Ask for the permission, or check the account; AWS also says so of what is not there.",
        )
    service = getattr(error, "operation_name", "") or "AWS"
    if code in _BUSY or _status(error) >= 500:
        return PlatformError(
            f"{service} could not {act}: {code or 'no code'}.",
            code="service-busy",
            fix="It is tried again by itself.",
        )
    return PlatformError(
        f"{service} would not {act}: {code or 'no code'}.",
        code="service-refused",
        fix="See what AWS says of that code; it is tried again as often as the function allows.",
    )


def _status(error: aws.ClientError) -> int:
    metadata: Any = error.response.get("ResponseMetadata", {})
    code = code_of(error)
    return int(metadata.get("HTTPStatusCode") or (code if code.isdecimal() else 0))


def _skew_s(error: aws.ClientError) -> float:
    """Seconds that this machine's clock is behind that of who answered just now; 0 where it says no time."""
    metadata: Any = error.response.get("ResponseMetadata", {})
    try:
        said = parsedate_to_datetime(metadata.get("HTTPHeaders", {})["date"])
    except (LookupError, TypeError, ValueError):
        return 0.0
    return said.timestamp() - time.time()


@contextmanager
def sent(act: str) -> Iterator[None]:
    """Raise what goes wrong on the way to a service as one of ours; its own refusals pass through.

    Args:
        act: what is tried, as in "could not <act>".

    Raises:
        CallerError: there are no credentials (``no-credentials``).
        PlatformError: the service cannot be reached (``service-unreachable``), or damaged what it sent.
    """
    try:
        yield
    except aws.ClientError:
        raise
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError) as error:
        raise CallerError(
            f"there are no credentials to {act}.",
            code="no-credentials",
            fix="Sign in (`aws configure sso`), or give this host a role.",
        ) from error
    except _ENDED as error:
        raise _ended(act) from error
    except RuntimeError as error:  # botocore has no class for it
        if _STILL_EXPIRED not in str(error):
            raise
        raise _ended(act) from error
    except aws.ProfileNotFound as error:
        raise CallerError(
            f"there is no profile {error.kwargs['profile']!r} to {act}.",
            code="no-credentials",
            fix="Check AWS_PROFILE; `aws configure list-profiles` names those that are there.",
        ) from error
    except aws.NoRegionError as error:
        raise CallerError(
            f"no region is set to {act}.", code="no-credentials", fix="Set AWS_REGION."
        ) from error
    except aws.FlexibleChecksumError as error:
        raise PlatformError(
            f"its checksum did not match on the way to {act}.",
            code="damaged-transfer",
            fix="It is tried again by itself.",
        ) from error
    except (aws.HTTPClientError, aws.IncompleteReadError, aws.BotoCoreError, ResponseParserError) as error:
        raise PlatformError(
            f"could not {act}: {_host_of(error)}{type(error).__name__}.",
            code="service-unreachable",
            fix="Check the network, AWS_REGION and AWS_ENDPOINT_URL. Work that was sent is tried again by "
            "itself; say a command again.",
        ) from error


def _ended(act: str) -> CallerError:
    return CallerError(
        f"the credentials to {act} have expired, and could not be had anew.",
        code="no-credentials",
        fix="Sign in again (`aws sso login`), or see that this host's role can be had; what runs goes on.",
    )


def _host_of(error: BaseException) -> str:
    """``s3.eu-west-1.amazonaws.com: ``, who did not answer, where it is known; never more of a URL."""
    asked = getattr(error, "kwargs", {}).get("endpoint_url") or ""
    host = urlsplit(str(asked)).netloc.rpartition("@")[2]
    return f"{host}: " if host else ""

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
from rushes.media.running.redact import redact

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


_MISCONFIGURED: Final = (
    aws.ConfigParseError, aws.ConfigNotFound, aws.InvalidConfigError, aws.InvalidRegionError,
    aws.InvalidRetryConfigurationError, aws.UnknownCredentialError, aws.ParamValidationError,
    aws.InvalidIMDSEndpointError, aws.InvalidProxiesConfigError,
)  # fmt: skip
"""What a file or a variable says, or a name that somebody has given; no network is at fault."""
_OF_CREDENTIALS: Final = frozenset({"botocore.credentials", "botocore.tokens"})
_UNREACHED: Final = (aws.HTTPClientError, aws.IncompleteReadError, aws.BotoCoreError, ResponseParserError)
_BAD_ENDPOINT: Final = "Invalid endpoint"
"""For which the SDK has no class."""
_SENTENCE_CHARACTERS: Final = 240


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
    service = getattr(error, "operation_name", "") or "it"
    if code in _BUSY or _status(error) >= 500:
        return PlatformError(
            f"AWS could not {act}: {service} answered {code or 'without a code'}.",
            code="service-busy",
            fix="It is tried again by itself.",
        )
    said = _one_line(str(error.response.get("Error", {}).get("Message") or ""))
    answer = f"{code or 'without a code'}{said and f' ({said})'}"
    return PlatformError(
        f"AWS would not {act}: {service} answered {answer}.",
        code="service-refused",
        fix="See what AWS says of that code. Work that was sent is tried again, as often as its function "
        "allows.",
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
        CallerError: there are no credentials (``no-credentials``), or a file or variable of the AWS tools
            says what cannot be (``bad-value``).
        PlatformError: the service cannot be reached (``service-unreachable``), or damaged what it sent.
    """
    try:
        yield
    except (aws.ClientError, RushesError):
        raise
    except Exception as error:
        ours = _of_credentials(error, act) or _of_the_way(error, act)
        if ours is None:
            raise
        raise ours from error


def _of_credentials(error: Exception, act: str) -> CallerError | None:
    """What stands in the way before anything is sent: credentials, a profile, a region."""
    found: tuple[str, str] | None = None
    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError):
        found = (
            f"there are no credentials to {act}.",
            "Sign in (`aws configure sso`), or give this host a role.",
        )
    elif isinstance(error, aws.ProfileNotFound):
        found = (
            f"there is no profile {error.kwargs['profile']!r} to {act}.",
            "Check AWS_PROFILE; `aws configure list-profiles` names those that are there.",
        )
    elif isinstance(error, aws.NoRegionError):
        found = f"no region is set to {act}.", "Set AWS_REGION."
    elif isinstance(error, _ENDED) or (type(error) is RuntimeError and _STILL_EXPIRED in str(error)):
        found = (  # botocore has no class for the second one
            f"the credentials to {act} have expired, and could not be had anew.",
            "Sign in again (`aws sso login`), or see that this host's role can be had; what runs goes on.",
        )
    elif why := _why_not_had(error):
        found = (
            f"the credentials to {act} could not be had: {_one_line(why)}.",
            "See what gives them: the profile of AWS_PROFILE, its credential_process, or this host's role.",
        )
    return None if found is None else CallerError(found[0], code="no-credentials", fix=found[1])


def _why_not_had(error: Exception) -> str:
    """Why who gives credentials gave none; "" where that is not what went wrong."""
    if isinstance(error, aws.CredentialRetrievalError):
        return f"{error.kwargs['provider']}: {error.kwargs['error_msg']}"
    # What the SDK does not catch while it looks for them.
    return str(error) if isinstance(error, OSError | ValueError) and _is_of_credentials(error) else ""


def _of_the_way(error: Exception, act: str) -> RushesError | None:
    if isinstance(error, _MISCONFIGURED) or (isinstance(error, ValueError) and _BAD_ENDPOINT in str(error)):
        return CallerError(
            f"it is not possible to {act}, for what the AWS tools are told is wrong: "
            f"{_one_line(str(error))}.",
            code="bad-value",
            fix="Correct AWS_REGION, AWS_ENDPOINT_URL, the profile (AWS_PROFILE, ~/.aws/config) or the name.",
        )
    if isinstance(error, aws.FlexibleChecksumError):
        return PlatformError(
            f"its checksum did not match on the way to {act}.",
            code="damaged-transfer",
            fix="It is tried again by itself.",
        )
    if isinstance(error, _UNREACHED):
        return PlatformError(
            f"could not {act}: {_host_of(error)}{type(error).__name__}.",
            code="service-unreachable",
            fix="Check the network, AWS_REGION and AWS_ENDPOINT_URL. Work that was sent is tried again by "
            "itself; say a command again.",
        )
    return None


def _is_of_credentials(error: BaseException) -> bool:
    """Whether the SDK was looking for credentials: a program, or a file with a token, is not there."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") in _OF_CREDENTIALS:
            return True
        trace = trace.tb_next
    return False


def _one_line(text: str) -> str:
    """What somebody else says, in a sentence of ours: its last words, if it is long."""
    line = " ".join(redact(text).split()).rstrip(".")
    return line if len(line) <= _SENTENCE_CHARACTERS else f"…{line[-_SENTENCE_CHARACTERS:]}"


def _host_of(error: BaseException) -> str:
    """``s3.eu-west-1.amazonaws.com: ``, who did not answer, where it is known; never more of a URL."""
    asked = getattr(error, "kwargs", {}).get("endpoint_url") or ""
    host = urlsplit(str(asked)).netloc.rpartition("@")[2]
    return f"{host}: " if host else ""

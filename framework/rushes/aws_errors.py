"""What AWS says, as our errors: the one place where botocore's exceptions are known.

Who acts is decided by the code, never by the text: somebody's permission, a service that is busy, the way
to it. No message carries a URL, which could hold a signature. What only one service says stands with its
adapter. This module must not know requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from botocore import exceptions as aws

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
    return PlatformError(
        f"{service} could not {act}: {code or 'no code'}.",
        code="service-busy",
        fix="It is tried again by itself.",
    )


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
    except (aws.HTTPClientError, aws.IncompleteReadError, aws.BotoCoreError) as error:
        raise PlatformError(
            f"could not {act}: {type(error).__name__}.",
            code="service-unreachable",
            fix="It is tried again; if it stays so, check the network and the endpoint.",
        ) from error

"""Text of tools made fit to keep: no secrets, no escape sequences.

ffmpeg prints whole URLs, signature included, in every message about them, and prints a clip's metadata as it
is. This module must not know whose text it is.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["carries_signature", "redact", "unsigned"]

# The whole query goes, not a list of known names: filters by name miss the next service's parameter.
_QUERY: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s?#'\"<>]*)[?#][^\s'\"<>]*")
_USER: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@'\"]+@")
# Outside a URL (a wrapped line, a header): the parameters that carry a signature or a credential.
_PARAMETER: Final = re.compile(
    r"(?i)\b(X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature|sig|Authorization)"
    r"([=:]\s*)[^\s&'\"]+(?:\s+[A-Za-z0-9+/=._-]{16,})?"
)
# Objects of a store are named without credentials, and their keys may have anything in them.
_SIGNED: Final = re.compile(r"(?i)\b(?!(?:s3|file):)([a-z][a-z0-9+.-]*://[^\s?#'\"<>\\]*)[?#][^\s'\"<>\\]*")
_ACCESS: Final = re.compile(
    r"(?i)://[^\s'\"<>]*[?&](?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature|sig)="
    r"|://[^\s/@'\":]+:[^\s/@'\"]+@|\bX-Amz-Security-Token[=:]"
)
_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def redact(text: str) -> str:
    """`text` without query strings, user names and signatures of URLs, and without control characters.

    Newlines and tabs stay; a carriage return becomes a newline.
    """
    text = _ESCAPE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("", text)
    text = _QUERY.sub(r"\1?[redacted]", text)
    text = _USER.sub(r"\1[redacted]@", text)
    return _PARAMETER.sub(r"\1\2[redacted]", text)


def unsigned(text: str) -> str:
    """`text` without what gives access in it: queries of links, users in them, signatures; else as it is."""
    text = _SIGNED.sub(r"\1?[redacted]", text)
    text = _USER.sub(r"\1[redacted]@", text)
    return _PARAMETER.sub(r"\1\2[redacted]", text)


def carries_signature(text: str) -> bool:
    """Whether something in `text` gives access to whoever reads it: a signed link, or one with a password."""
    return _ACCESS.search(text) is not None

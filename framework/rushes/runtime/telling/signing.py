"""The signature of a webhook, by the Standard Webhooks specification, version 1, symmetric keys.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

A receiver recomputes it with any of that specification's libraries. This module must not know what is sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from pathlib import Path
from typing import Final

from rushes.errors import CallerError

__all__ = ["key_from", "signature_headers"]

_PREFIX: Final = "whsec_"
_SHORTEST: Final = 24  # bytes; the specification wants 24 to 64
_LONGEST: Final = 64


def key_from(path: Path) -> bytes:
    """The key that a secret file holds: ``whsec_`` and base64 of 24 to 64 bytes.

    Raises:
        CallerError: it cannot be read, others may read it, or it holds something else (``bad-secret``).
    """
    try:
        if path.stat().st_mode & 0o077:
            raise _bad(path, "may be read by other users", f"chmod 600 {path}")
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no base64"
        raise _bad(path, f"cannot be read: {why}", "Correct secret_file.") from error
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise _bad(path, "is no base64", _HOW) from error
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise _bad(path, f"holds a key of {len(key)} bytes", _HOW)
    return key


_HOW: Final = "Make one: (printf whsec_; openssl rand -base64 32) > FILE; chmod 600 FILE."


def signature_headers(key: bytes, message: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that say who sent `body`, and when.

    Args:
        key: from `key_from`.
        message: the delivery's id, the same at every try.
        at_s: UTC epoch seconds.
        body: exactly what is sent.
    """
    signed = b".".join([message.encode(), str(at_s).encode(), body])
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{digest}",
    }


def _bad(path: Path, what: str, fix: str) -> CallerError:
    return CallerError(f"the secret file {path} {what}.", code="bad-secret", fix=fix)

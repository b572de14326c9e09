"""What a ledger and a receipt may hold: nothing that gives access to whoever reads it.

A link that is signed is as good as a key until it expires. What a person submits with one is refused, for it
would stand in what others read; what a body says with one loses its query. This module must not know ledgers.
"""

from __future__ import annotations

from rushes.errors import CallerError
from rushes.media.running.redact import carries_signature, unsigned

__all__ = ["as_told", "require_shareable"]


def require_shareable(text: str) -> str:
    """Options or tags, as text, that go into a ledger as they are.

    Raises:
        CallerError: something in them gives access (``signed-link``); it is not repeated in the message.
    """
    if carries_signature(text):
        raise CallerError(
            "an option holds a signed link, or another credential; it would stand in ledger and receipts.",
            code="signed-link",
            fix="Name a file, or the object itself, s3://BUCKET/KEY, and permit the function to read it.",
        )
    return text


def as_told(text: str) -> str:
    """What a body said, as it is kept: signed links in it without their signatures."""
    return unsigned(text) if carries_signature(text) else text

"""Ids of batches, as people say and type them."""

from __future__ import annotations

import secrets
from typing import Final

__all__ = ["new_batch_id"]

# No vowels, so that no id is a word, and nothing that is misread aloud. 387 million ids of six letters.
_ALPHABET: Final = "23456789bcdfghjkmnpqrstvwxz"


def new_batch_id() -> str:
    """A new id, drawn by chance."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(6))

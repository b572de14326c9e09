"""Rows of joint invocations: their key is those of their functions, and what each made is known by its own.

This module must not know who asks; it reads and cuts.
"""

from __future__ import annotations

import json
from typing import Any, Final

from rushes.runtime.dispatch.pool import SUCCEEDED
from rushes.runtime.records.ports import Journal

__all__ = ["is_joint", "known_members", "member_keys", "row_data"]

_KEY_BYTES: Final = 16


def is_joint(key: bytes | None) -> bool:
    """Whether this is the key of a joint invocation."""
    return key is not None and len(key) > _KEY_BYTES


def member_keys(key: bytes | None) -> list[bytes]:
    """The keys of a joint invocation's functions, in their order; none of an ordinary one."""
    if key is None or not is_joint(key):
        return []
    return [key[start : start + _KEY_BYTES] for start in range(0, len(key), _KEY_BYTES)]


def known_members(
    journal: Journal, key: bytes | None, *, show: str, invocation: int, force: bool
) -> dict[str, Any]:
    """What a slot is told of a joint invocation: the rows of what is known, by the number of the function.

    Args:
        journal: where rows are.
        key: of the joint invocation.
        show: results of others are not shared.
        invocation: its own earlier attempts count even where everything else is done again.
        force: do again what others have made.
    """
    found: dict[str, Any] = {}
    keys = member_keys(key)
    if not keys:
        return found
    kept = {row[0]: row for row in journal.members(keys, show)}
    singles = {} if force else _singles(journal, keys, show)
    for number, one in enumerate(keys):
        row = kept.get(one)
        if row is not None and (not force or row[1] == invocation):
            found[str(number)] = json.loads(row[2])
        elif one in singles:
            batch, place = singles[one]
            data = row_data(journal, batch, place, show)
            if data:
                found[str(number)] = json.loads(data)
    return found


def _singles(journal: Journal, keys: list[bytes], show: str) -> dict[bytes, tuple[int, int]]:
    """Batch and place of the newest success of each key."""
    return {
        key: (number >> 32, seq)
        for key, number, status, seq, its_show in journal.known(keys)
        if status == SUCCEEDED and seq is not None and its_show == show
    }


def row_data(journal: Journal, batch: int, place: int | str, show: str) -> str | None:
    """The data of a result: an invocation's, by its place in a batch, or a function's, by its key.

    Args:
        journal: where rows are.
        batch: its number.
        place: where in the batch it ended; or the key, in hexadecimal, of what a joint invocation made.
        show: whose.
    """
    if isinstance(place, str):
        kept = journal.members([bytes.fromhex(place)], show)
        return kept[0][2] if kept else None
    row = journal.result_at(batch, place)
    return None if row is None else row.data
